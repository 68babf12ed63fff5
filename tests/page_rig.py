"""Conversations for the page's tests, stored as the service stores them, with records of what was heard."""

import random
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from service_rig import ORGANIZATION, SERVICE, Running
from stopgap.engine.service.storage import Conversations, Database, Leases, NewConversation, NewInteraction
from stopgap.engine.turns import MilestoneRecord, PredictionRecord, SoundRecord, TurnRecord, WaitRecord
from stopgap.fillers import Kind

BEHAVIOR = ("refund", 2)
BEGAN_AT = time.time() - 86_400.0
QUESTIONS = (
    "Hi, I'd like to know where my order is.",
    "It's the one with the blue chairs, from last Tuesday I think.",
    "Can I still change the address it goes to?",
    "And what happens if nobody is at home?",
    "I want my money back for the lamp, it came broken.",
)
ANSWERS = (
    "Your order left our warehouse this morning and should be with you on Thursday.",
    "I found it: two blue chairs, paid by card, to be delivered between nine and noon.",
    "Yes. Tell me the new address and I will send it to the courier.",
    "They try again on the next day, and then leave it at the nearest shop for a week.",
    "I am sorry about that. I have started a refund; it takes three to five days.",
)


def sound(kind: Kind, start_s: float, end_s: float, text: str | None = None, *, cut: bool = False) -> SoundRecord:
    frames = round(start_s * 16_000), round(end_s * 16_000)
    return SoundRecord(kind, "clip", text, start_s, end_s, start_s, *frames, cut, "the reply was not expected yet")


def wait(until_s: float | None, *, began_s: float = 0.0, held_back_s: float = 0.0) -> WaitRecord:
    if until_s is None:
        return WaitRecord(began_s, None, None, None)
    return WaitRecord(began_s, until_s - held_back_s, until_s, held_back_s)


def turn(
    waits: Sequence[WaitRecord],
    sounds: Sequence[SoundRecord] = (),
    news: Sequence[tuple[str, float, str | None]] = (),
    **changes: Any,
) -> TurnRecord:
    """Return a turn's record; *news* are name, s and tool."""
    ends = [one.heard_s for one in waits if one.heard_s is not None]
    known: dict[str, Any] = {
        "id": "t", "session": "s", "agent": "desk (voice)", "language": "en-US", "outcome": "replied",
        "speech_ended_at": 100.0, "began_s": 0.0, "ended_s": max(ends, default=0.0) + 2.0, "cancel_reason": None,
        "policy": "predictive", "prediction": PredictionRecord(1.1, 1.9, 3.4),
        "milestones": tuple(MilestoneRecord(*one) for one in (("speech_ended", 0.0, None), *news)),
        "waits": tuple(waits), "sounds": tuple(sounds),
    }  # fmt: skip
    return TurnRecord(**{**known, **changes})


def varied() -> list[TurnRecord]:
    """Return one turn of each sort that there is to draw."""
    crowded = [
        sound(Kind.BACKCHANNEL, 0.2, 0.5, "mm-hm"), sound(Kind.HESITATION, 0.9, 1.3, "Um,"),
        sound(Kind.PHRASE, 1.9, 3.4, "let me check that for you"), sound(Kind.AMBIENCE, 3.4, 7.0),
        sound(Kind.PROGRESS, 5.0, 6.6, "still looking, one moment", cut=True),
    ]  # fmt: skip
    return [
        turn([wait(0.62)], [], [("first_token", 0.4, None), ("tts_started", 0.45, None)]),
        turn([wait(2.4, held_back_s=0.16)], [sound(Kind.PHRASE, 0.8, 2.4, "Let me look that up.")],
             [("tool_started", 0.3, "orders.find"), ("tool_ended", 2.1, "orders.find"), ("first_token", 2.15, None)]),
        turn([wait(7.2)], crowded,
             [("tool_started", 0.4, "orders.find"), ("tool_started", 1.0, "courier.address_of_the_parcel"),
              ("tool_ended", 3.0, "orders.find"), ("tool_ended", 6.4, "courier.address_of_the_parcel"),
              ("first_token", 6.8, None), ("tts_started", 6.95, None)], behavior=BEHAVIOR),
        turn([wait(0.9), wait(6.0, began_s=2.1)], [sound(Kind.HESITATION, 3.0, 3.5, "Hmm")],
             [("first_token", 0.7, None), ("tool_started", 2.1, "refund"), ("tool_ended", 5.8, "refund")],
             behavior=BEHAVIOR),
        turn([wait(None)], [sound(Kind.PHRASE, 1.2, 2.0, "One moment", cut=True)], [("tool_started", 0.4, "refund")],
             outcome="cancelled", cancel_reason="barge-in", cut_off_s=2.6, ended_s=2.6, behavior=BEHAVIOR,
             assigned=(("farewell", 1), BEHAVIOR), prediction=PredictionRecord(2.2, 8.0, 19.0)),
        turn([wait(48.0)], [sound(Kind.PHRASE, 1.0, 2.6, "That takes a moment."), sound(Kind.HOLD, 3.0, 44.0),
                            sound(Kind.PROGRESS, 20.0, 22.0, "Thanks for waiting, still on it.")],
             [("tool_started", 0.5, "warehouse"), ("tool_ended", 46.0, "warehouse")], user_spoke=((10.0, 12.0),)),
    ]  # fmt: skip


def many(count: int, seed: int = 1) -> list[TurnRecord]:
    """Return so many turns of mixed length."""
    chance, found = random.Random(seed), []
    for _ in range(count):
        end_s = min(30.0, chance.lognormvariate(0.6, 0.8))
        sounds = []
        if end_s > 0.9:
            sounds.append(sound(Kind.HESITATION, 0.6, min(end_s, 1.0), "Um,"))
        if end_s > 3.0:
            sounds.append(sound(Kind.PHRASE, 1.8, min(end_s, 3.4), "Let me check that for you."))
        news = [("tool_started", 0.2, "lookup"), ("tool_ended", 0.9 * end_s, "lookup")] if end_s > 1.5 else []
        found.append(turn([wait(end_s)], sounds, news, behavior=BEHAVIOR if chance.random() < 0.3 else None))
    return found


def stored(
    service: Running,
    records: Sequence[TurnRecord | dict[str, Any] | None],
    *,
    organization: str = ORGANIZATION,
    user: str | None = None,
    texts: Sequence[tuple[str | None, str]] = (),
    tags: dict[str, str | None] | None = None,
    began_at: float = BEGAN_AT,
    finished: bool = False,
    service_id: str = SERVICE,
) -> str:
    """Store a conversation with a turn for each of *records*, and return its id.

    Args:
        service: Whose database.
        records: Of the turns.
        organization: Whose conversation.
        user: Whose; None: the service's first user.
        texts: What user and agent say in the turns; of those that it has too few for, something is made up.
        tags: The conversation's.
        began_at: s since the epoch.
        finished: Whether it is over.
        service_id: What answered.
    """
    with closing(Database.open(service.config.database)) as database:
        leases, conversations = Leases(database), Conversations(database)
        lease = leases.reserve(organization, user or service.user)
        for place, record in enumerate(records):
            said, answer = texts[place] if place < len(texts) else (QUESTIONS[place % 5], ANSWERS[place % 5])
            data = record.as_dict() if isinstance(record, TurnRecord) else record
            new = NewInteraction(began_at + 20.0 * place, answer, said, ({"type": "tool-call-started"},), data)
            last = finished and place == len(records) - 1
            if place == 0:
                conversations.create(lease, NewConversation(service_id, tags or {}), new, finished=last)
            else:
                claimed = leases.claim(organization, lease.conversation, user=user or service.user)
                conversations.complete(claimed, new, finished=last)
        return lease.conversation

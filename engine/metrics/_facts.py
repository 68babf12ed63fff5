"""What a metric may know of a turn: the same few numbers, whether they come from a record or from a log of turns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...fillers import Kind
from ..planning import NEEDLESS_S, Sound, silent_gaps
from ..turns import TurnRecord, WaitRecord


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """One turn, in numbers. All ``_s`` are seconds, times from the end of the user's speech; None: not known, or none.

    A log of turns (trace format v2) holds waits, not what was heard in them: what *heard* says is None there.
    """

    id: str
    conversation: str
    started_at: float
    """s on a clock that all turns of the conversation share: the end of the user's speech."""
    agent: str | None
    tool: str | None
    """The first tool that was started."""
    outcome: Literal["waiting", "replied", "cancelled", "retracted"]
    heard: bool
    """Whether it is known what was heard."""
    waits: int
    """How many waits the turn had, as far as they are known: a log tells the first one."""
    wait_s: float | None
    """Until the reply was available."""
    end_s: float | None
    """Until the reply sounded (in a log: was available), the last one of several; else until the turn was cut off."""
    prompt_tokens: int | None = None
    first_sound_s: float | None = None
    """Until any sound, filler or reply."""
    reply_heard_s: float | None = None
    """Until the reply's first sound; a spoken preamble is part of it."""
    answer_heard_s: float | None = None
    """Until the first sound of what no further wait followed."""
    dead_air_s: float | None = None
    """All silence of the waits that are over: neither filler nor reply; beds count as sound."""
    longest_dead_air_s: float | None = None
    """The longest stretch of it."""
    reply_delay_s: float | None = None
    """By which fillers held replies back."""
    needless: bool | None = None
    """Whether the first filler began less than 0.25 s before the reply was available, or later; None: no reply."""
    fillers: int | None = None
    """All that were heard."""
    spoken: int | None = None
    """Spoken ones."""
    cuts: int | None = None
    """Phrases and progress lines that were cut."""
    behavior: tuple[str, int] | None = None
    """Name and version of the behaviour that was in force."""
    assigned: tuple[tuple[str, int], ...] = ()
    """Name and version of each behaviour of which the conversation was dealt one of several versions."""


def facts_of(record: TurnRecord) -> TurnFacts:
    """Return what *record* says, of a turn that is over or as it stands."""
    sounds = [
        Sound(s.kind, s.start_s, s.start_s if s.end_s is None else s.end_s, s.cut)
        for s in sorted(record.sounds, key=lambda sound: sound.start_s)
    ]
    gaps = [gap for wait in record.waits for gap in _dead_air(wait, record, sounds)]
    over = any(_wait_end(wait, record) is not None for wait in record.waits)
    ready_s = record.waits[0].available_s if record.waits else None
    return TurnFacts(
        id=record.id,
        conversation=record.session,
        started_at=record.speech_ended_at,
        agent=record.agent,
        tool=next((news.tool for news in record.milestones if news.name == "tool_started"), None),
        outcome=record.outcome,
        heard=True,
        waits=len(record.waits),
        wait_s=ready_s,
        end_s=_wait_end(record.waits[-1], record) if record.waits else None,
        prompt_tokens=record.prompt_tokens,
        first_sound_s=record.first_sound_s,
        reply_heard_s=record.reply_heard_s,
        answer_heard_s=record.answer_heard_s,
        dead_air_s=sum(gaps) if over else None,
        longest_dead_air_s=max(gaps, default=0.0) if over else None,
        reply_delay_s=record.reply_delay_s,
        needless=None if ready_s is None else bool(sounds) and sounds[0].start_s > ready_s - NEEDLESS_S,
        fillers=len(sounds),
        spoken=sum(sound.kind.spoken for sound in sounds),
        cuts=sum(sound.cut and sound.kind in (Kind.PHRASE, Kind.PROGRESS) for sound in sounds),
        behavior=record.behavior,
        assigned=record.assigned,
    )


def facts_of_wait(
    *,
    id: str,
    conversation: str,
    started_at: float,
    agent: str | None,
    tool: str | None,
    reply_ready_s: float | None,
    cancelled_s: float | None,
    prompt_tokens: int | None = None,
) -> TurnFacts:
    """Return what a row of a log of turns says: of its first wait, and nothing of what was heard.

    Args:
        id: Of the turn.
        conversation: Its conversation's.
        started_at: s, as `TurnFacts.started_at`.
        agent: Agent or model.
        tool: The first tool that was started.
        reply_ready_s: s until the reply was available; None: cancelled before.
        cancelled_s: s until the user barged in or hung up; one of both is given.
        prompt_tokens: Size of the prompt.
    """
    return TurnFacts(
        id=id,
        conversation=conversation,
        started_at=started_at,
        agent=agent,
        tool=tool,
        outcome="cancelled" if reply_ready_s is None else "replied",
        heard=False,
        waits=1,
        wait_s=reply_ready_s,
        end_s=cancelled_s if reply_ready_s is None else reply_ready_s,
        prompt_tokens=prompt_tokens,
    )


def in_order(turns: Iterable[TurnFacts]) -> list[TurnFacts]:
    """Return *turns* in order of time, whatever order they came in."""
    return sorted(turns, key=lambda turn: (turn.started_at, turn.id))


def by_conversation(turns: Iterable[TurnFacts]) -> dict[str, list[TurnFacts]]:
    """Return the turns of each conversation in order of time, conversations in order of their first turns."""
    found: dict[str, list[TurnFacts]] = {}
    for turn in in_order(turns):
        found.setdefault(turn.conversation, []).append(turn)
    return found


def _wait_end(wait: WaitRecord, record: TurnRecord) -> float | None:
    """Return when *wait* was over; None while it goes on."""
    if wait.heard_s is not None:
        return wait.heard_s
    return record.cut_off_s if record.cut_off_s is not None else record.ended_s


def _dead_air(wait: WaitRecord, record: TurnRecord, sounds: Sequence[Sound]) -> list[float]:
    """Return the silent stretches of a wait that is over, in s; none of one that goes on."""
    end_s = _wait_end(wait, record)
    if end_s is None:
        return []
    # who speaks hears no silence
    user = [Sound(Kind.BACKCHANNEL, start, end) for start, end in record.user_spoke]
    since = [
        Sound(sound.kind, max(0.0, sound.start_s - wait.began_s), sound.end_s - wait.began_s)
        for sound in (*sounds, *user)
        if sound.end_s > wait.began_s
    ]
    return silent_gaps(since, end_s=end_s - wait.began_s)

"""Conversations of the metrics' benchmark: really run, really evaluated, then used again and again."""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stopgap.engine.metrics import Metric, Value
from stopgap.engine.service.metrics._turnfacts import stored_facts
from stopgap.engine.service.storage import StoredTurn
from stopgap.engine.turns import TurnRecord

from ..replays import benchmark_config, replay
from ..traces import read_trace

TRACE = "voice_mixed_dev"
VERSIONS: Mapping[int, str] = {1: "none", 2: "predictive"}
"""What each version of the behaviour does about fillers: a policy of the benchmarks."""
RECORDS = 300
"""Distinct records of each version."""
CONVERSATIONS = 2000
"""Distinct conversations of each version, at most: to evaluate a hundred thousand would take minutes."""
LENGTHS = ((0.01, 50), (0.005, 100))
"""Share of conversations that are longer than the rest, and their turns."""
SHORTEST, LONGEST = 5, 14
"""Turns of the rest."""
PAUSE_S = (2.0, 12.0)
"""s from an answer to the end of the user's next speech."""
_PLACE = re.compile("([0-9a-f]{24})")


@dataclass(frozen=True, slots=True)
class SampleTurn:
    """A record, without what differs from turn to turn."""

    rest: str
    """JSON without its opening brace."""
    actions: str
    """JSON."""
    lasts_s: float

    @classmethod
    def of(cls, record: TurnRecord) -> "SampleTurn":
        data = record.as_dict()
        for name in ("id", "session", "speech_ended_at", "behavior", "assigned"):
            del data[name]
        actions = [_action(news.name, news.tool) for news in record.milestones if news.tool is not None]
        actions += [{"type": "action-too-long", "filler": sound.text} for sound in record.sounds]
        return cls(json.dumps(data)[1:], json.dumps(actions), record.ended_s or 0.0)

    def record(self, id: str, session: str, started_at: float, behavior: str, version: int) -> str:
        """Return the record as JSON, of a conversation that was dealt *version* of *behavior*, and saw it in force."""
        arm = f'["{behavior}", {version}]'
        return (
            f'{{"id": "{id}", "session": "{session}", "speech_ended_at": {started_at!r}, "behavior": {arm}, '
            f'"assigned": [{arm}], {self.rest}'
        )


@dataclass(frozen=True, slots=True)
class SampleResult:
    """What a metric really found in a sample of a conversation."""

    metric: int
    """Its place among the metrics."""
    value: Value | None
    references: tuple[int, ...]
    """Places of turns."""
    justification: tuple[str, ...]
    """Texts, with places of turns between them."""

    def justified(self, messages: Sequence[str]) -> str:
        """Return the justification with the ids of *messages* for their places."""
        texts = list(self.justification)
        texts[1::2] = [messages[int(place, 16)] for place in texts[1::2]]
        return "".join(texts)


@dataclass(frozen=True, slots=True)
class SampleConversation:
    """Turns with their times, and what metrics find in them."""

    turns: tuple[tuple[SampleTurn, float], ...]
    """Each with its s from the first one's time 0."""
    results: tuple[SampleResult, ...]
    lasts_s: float


def sample_conversations(
    metrics: Sequence[Metric], most: int, rng: random.Random, advance: Callable[[int], None] = lambda steps: None
) -> dict[int, list[SampleConversation]]:
    """Return conversations by the version that they were dealt.

    Their turns are those of `FillerManager` on a virtual clock, over waits of the bundled trace; of each version its
    own, so that versions differ in what metrics find.

    Args:
        metrics: What is evaluated.
        most: Conversations of each version.
        rng: Chooses lengths, turns and pauses.
        advance: Called with 1 for each conversation.
    """
    waits, found = read_trace(TRACE)[:RECORDS], {}
    for version, policy in VERSIONS.items():
        turns = [SampleTurn.of(replayed.record) for replayed in replay(waits, benchmark_config(policy))]
        found[version] = [_conversation(turns, length, metrics, rng) for length in _lengths(most, rng, advance)]
    return found


def _lengths(most: int, rng: random.Random, advance: Callable[[int], None]) -> Iterator[int]:
    """Yield how many turns conversations have: the long ones in their exact shares, since they are few."""
    lengths = [length for share, length in LENGTHS for _ in range(max(1, round(share * most)))]
    lengths += [rng.randint(SHORTEST, LONGEST) for _ in range(most - len(lengths))]
    for length in lengths:
        yield length
        advance(1)


def _conversation(
    turns: Sequence[SampleTurn], length: int, metrics: Sequence[Metric], rng: random.Random
) -> SampleConversation:
    chosen, at = [], 0.0
    for turn in rng.choices(turns, k=length):
        chosen.append((turn, at))
        at += turn.lasts_s + rng.uniform(*PAUSE_S)
    stored = [
        StoredTurn(f"{place:024x}", f"{place:024x}", at, turn.record(f"{place}", "sample", at, "sample", 1))
        for place, (turn, at) in enumerate(chosen)
    ]
    facts = stored_facts(stored, "sample")
    results = []
    for place, metric in enumerate(metrics):
        found = metric.evaluate(facts)
        references = tuple(int(reference, 16) for reference in found.references)
        results.append(SampleResult(place, found.value, references, tuple(_PLACE.split(found.justification))))
    return SampleConversation(tuple(chosen), tuple(results), at)


def _action(name: str, tool: str | None) -> dict[str, Any]:
    return {"type": "tool-call-started" if name == "tool_started" else "tool-call-ended", "tool_id": tool}

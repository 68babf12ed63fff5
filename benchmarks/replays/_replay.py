"""A trace through the real engine, on the virtual clock."""

import heapq
import itertools
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, TextIO, runtime_checkable

import numpy as np
from stopgap.engine import FillerManager, Session, SilentOutput, Turn, TurnRecord, VirtualClock
from stopgap.engine.planning import Policy
from stopgap.engine.prediction import LatencyPredictor
from stopgap.fillers import ClipBank, Config, UsageError, load_config, read_toml

from ..traces import TraceNews, TraceTurn

POLICIES = ("none", "ladder", "predictive")
RATE = 24_000
"""Hz of the replayed sessions: sounds are placed to 1/24 ms."""
_REPLY = np.zeros(1, np.float32)
"""Stands for the reply: only when it starts matters."""
LOOK_AGAIN_S = 0.25
"""s between two looks at a turn whose handoff is not through yet."""
MOST_LOOKS = 480
"""Looks after which it is taken as it is: no clip lasts that long."""


@dataclass(frozen=True, slots=True)
class ReplayedTurn:
    """What a traced turn became. Times are ms from the end of the user's speech."""

    turn: TraceTurn
    reply_start_ms: float | None
    """The reply was first heard, never before it was ready; None: cancelled before."""
    record: TurnRecord

    @classmethod
    def of(cls, turn: TraceTurn, record: TurnRecord) -> "ReplayedTurn":
        """Return *turn* with what *record* says became of it."""
        heard = record.reply_heard_s
        start_ms = None if heard is None else max(_ms(heard), turn.reply_ready_ms or 0.0)
        return cls(turn, start_ms, record)

    def as_dict(self) -> dict[str, Any]:
        """Return the turn as a line of ``turns.jsonl``."""
        predicted = self.record.prediction
        return {
            "turn_id": self.turn.turn_id,
            "reply_ready_ms": self.turn.reply_ready_ms,
            "cancelled_ms": self.turn.cancelled_ms,
            "reply_start_ms": self.reply_start_ms,
            "sounds": [
                {
                    "kind": sound.kind.value,
                    "clip": sound.clip,
                    "text": sound.text,
                    "start_ms": _ms(sound.start_s),
                    "end_ms": _ms(sound.end_s or sound.start_s),
                    "cut": sound.cut,
                }
                for sound in self.record.sounds
            ],
            "prediction": {
                "q50_ms": _ms(predicted.q50_s),
                "q80_ms": _ms(predicted.q80_s),
                "q95_ms": _ms(predicted.q95_s),
            },
        }


def benchmark_config(policy: str | None = None, over: Mapping[str, Any] | str | Path | None = None) -> Config:
    """Return ``benchmark.toml`` with *over* (a mapping, or a TOML file) laid over it, and *policy* as its mode.

    Raises:
        UsageError: for an unknown policy.
        ConfigError: for what cannot be used in *over*.
    """
    if policy is not None and policy not in POLICIES:
        raise UsageError(f"policy {policy!r} is unknown; choose {', '.join(POLICIES)}")
    config = load_config(over, base=benchmark_base())
    return config if policy is None else config.model_copy(update={"mode": policy})


def benchmark_base() -> dict[str, Any]:
    """Return what ``benchmark.toml`` says."""
    return read_toml(Path(str(files("stopgap.benchmarks"))) / "benchmark.toml")


@runtime_checkable
class Informed(Protocol):
    """A policy of the benchmarks that replay tells of the turns themselves."""

    def acts_on(self, turn: TraceTurn) -> None:
        """Whatever is planned next, until the next call, is for *turn*."""
        ...

    def ended(self, turn: TraceTurn) -> None:
        """*turn* is over: its reply is there, or it was cancelled."""
        ...


def replay(
    turns: Sequence[TraceTurn],
    config: Config,
    *,
    policy: Policy | None = None,
    known_after_ms: float = 0.0,
    bank: ClipBank | None = None,
    advance: Callable[[int], None] | None = None,
) -> Iterator[ReplayedTurn]:
    """Replay *turns* in order, learning as it goes, and yield each in the trace's order.

    Every conversation is a session; conversations overlap as they do in the trace. A tool's name is known from
    its start on, the wait's length when the reply arrives, and what a turn teaches from its end on.

    Args:
        turns: As `read_trace` gives them.
        config: Its ``mode`` is the policy where none is given.
        policy: Decides instead, with a fresh memory; told of the turns if it is `Informed`.
        known_after_ms: Time 0 becomes known that much later, as with real end-pointing.
        bank: Ready clips, to share them between replays.
        advance: Called with 1 for each turn that has ended.
    """
    clock = VirtualClock()
    make = None if policy is None else (lambda config, predictor: policy)
    config = config.model_copy(update={"turn_log": None})
    predictor = LatencyPredictor(config)  # of its own: what an application has learned and keeps is none of ours
    manager = FillerManager(config, clock=clock, bank=bank, predictor=predictor, make_policy=make)
    informed = policy if isinstance(policy, Informed) else None
    stage = _Stage(manager, clock, known_after_ms / 1000.0, informed)
    done: dict[int, ReplayedTurn] = {}
    next_out = 0
    for number, replayed in stage.run(turns):
        done[number] = replayed
        if advance is not None:
            advance(1)
        while next_out in done:
            yield done.pop(next_out)
            next_out += 1
    manager.close()


class _Stage:
    """The replay's calendar: what happens to which turn when, in order of time."""

    def __init__(
        self, manager: FillerManager, clock: VirtualClock, known_after_s: float, informed: Informed | None
    ) -> None:
        self._manager = manager
        self._informed = informed
        self._clock = clock
        self._known_after_s = known_after_s
        self._calendar: list[tuple[float, int, partial[None]]] = []
        self._order = itertools.count()
        self._lines: dict[str, list[Session]] = {}
        self._turns_left: Counter[str] = Counter()
        self._open: dict[int, Turn] = {}
        self._ended: list[tuple[int, ReplayedTurn]] = []

    def run(self, turns: Sequence[TraceTurn]) -> Iterator[tuple[int, ReplayedTurn]]:
        """Play all events of *turns* in order of time; yield turns with their numbers as they end."""
        self._turns_left = Counter(turn.conversation_id for turn in turns)
        upcoming = deque(enumerate(turns))
        while self._calendar or upcoming:
            while upcoming and (not self._calendar or upcoming[0][1].started_at <= self._calendar[0][0]):
                self._enter(*upcoming.popleft())
            at, _, action = heapq.heappop(self._calendar)
            self._clock.jump(max(at, self._clock.now()))
            action()
            yield from self._ended
            self._ended.clear()

    def _at(self, at: float, action: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._calendar, (at, next(self._order), partial(action, *arguments)))

    def _enter(self, number: int, turn: TraceTurn) -> None:
        zero = turn.started_at
        end = zero + turn.end_ms / 1000.0
        known = min(zero + self._known_after_s, end)
        self._at(known, self._begin, number, turn)
        for news in turn.news:
            at = zero + news.at_ms / 1000.0
            self._at(max(known, at), self._tell, number, turn, news, at)
        self._at(end, self._end, number, turn)

    def _begin(self, number: int, turn: TraceTurn) -> None:
        session = self._line(turn.conversation_id)
        # Where the reply is there before time 0 is known no filler can be: such a turn is never committed.
        over = turn.end_ms / 1000.0 <= self._known_after_s
        if self._informed is not None:
            self._informed.acts_on(turn)
        self._open[number] = session.begin(
            speech_ended_at=turn.started_at,
            agent=turn.agent,
            id=turn.turn_id,
            tentative=over,
            prompt_tokens=turn.prompt_tokens,
        )

    def _line(self, conversation: str) -> Session:
        """Return the conversation's session; where its last turn is still pending (calls measured side by side), a
        further one, since a session holds one turn at a time."""
        lines = self._lines.setdefault(conversation, [])
        for session in lines:
            if session.turn is None or not session.turn.pending:
                return session
        name = conversation if not lines else f"{conversation}#{len(lines) + 1}"
        lines.append(self._manager.session(SilentOutput(RATE), id=name))
        return lines[-1]

    def _tell(self, number: int, turn: TraceTurn, news: TraceNews, at: float) -> None:
        if self._informed is not None:
            self._informed.acts_on(turn)
        self._open[number].milestone(news.name, tool=news.tool, at=at)

    def _end(self, number: int, turn: TraceTurn) -> None:
        if turn.cancelled_ms is not None:
            self._open[number].cancel()
        else:
            self._open[number].write(_REPLY)
            self._open[number].finish()
        if self._informed is not None:
            self._informed.ended(turn)
        self._collect(number, turn)

    def _collect(self, number: int, turn: TraceTurn, looks: int = 0) -> None:
        """Take the turn's record once its last sound has ended and the reply was heard; else look again later."""
        record = self._open[number].record
        heard = record.reply_heard_s
        unheard = heard is None and record.outcome == "replied"
        if looks < MOST_LOOKS and (unheard or any(sound.end_s is None for sound in record.sounds)):
            self._at(self._clock.now() + LOOK_AGAIN_S, self._collect, number, turn, looks + 1)
            return
        del self._open[number]
        self._ended.append((number, ReplayedTurn.of(turn, record)))
        self._turns_left[turn.conversation_id] -= 1
        if not self._turns_left[turn.conversation_id]:
            for session in self._lines.pop(turn.conversation_id):
                session.close()


def write_jsonl(turns: Iterable[ReplayedTurn], out: TextIO) -> None:
    """Write one JSON object a turn."""
    for turn in turns:
        out.write(json.dumps(turn.as_dict(), ensure_ascii=False) + "\n")


def _ms(seconds: float) -> float:
    return round(seconds * 1000.0, 4)

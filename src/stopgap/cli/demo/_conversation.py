"""The demo's conversation: questions, real waits, answers, played through the real engine."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
import soxr
from stopgap.benchmarks import ReplayedTurn, TraceTurn, read_trace
from stopgap.benchmarks.replays import lessons_of
from stopgap.engine import Clock, FillerManager, Output, Turn, VirtualClock
from stopgap.engine.outputs import Source
from stopgap.engine.prediction import LatencyPredictor, Lesson
from stopgap.fillers import Config, Samples, UsageError, bundled_folder, primary_language, read_toml

PAUSE_S = 0.6
"""s between an answer and the next question."""
TRACE = "voice_mixed_dev"


@dataclass(frozen=True, slots=True)
class Line:
    """Something said: its words and its sound."""

    text: str
    samples: Samples
    """float32 at *rate*."""
    rate: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, the measured wait of a real turn, and the answer."""

    trace: TraceTurn
    question: Line
    answer: Line


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the demo plays, and what was learned before."""

    exchanges: tuple[Exchange, ...]
    lessons: tuple[Lesson, ...]
    """From the turns of the trace that had ended before the first exchange was measured."""
    learned_turns: int


def scenario(turns: int, seed: int, language: str) -> Scenario:
    """Draw *turns* turns from the last third of the bundled trace, with and without tools by turns."""
    trace = read_trace(TRACE)
    start = 2 * len(trace) // 3
    before, after = trace[:start], trace[start:]
    begins_at = after[0].started_at
    known = [turn for turn in before if turn.started_at + turn.end_ms / 1000.0 <= begins_at]
    rng = random.Random(seed)
    answered = [turn for turn in after if turn.reply_ready_ms is not None]
    plain = rng.sample([turn for turn in answered if not turn.news], (turns + 1) // 2)
    tools = rng.sample([turn for turn in answered if turn.news], turns // 2)
    lines = _lines(language)
    exchanges = []
    for number in range(turns):
        drawn = (tools if number % 2 else plain)[number // 2]
        question, answer = lines[bool(drawn.news)][(number // 2) % len(lines[bool(drawn.news)])]
        exchanges.append(Exchange(drawn, question, answer))
    lessons = [lesson for turn in known for lesson in lessons_of(turn)]
    return Scenario(tuple(exchanges), tuple(lessons), len(known))


def taught(config: Config, lessons: Sequence[Lesson]) -> LatencyPredictor:
    """Return a predictor that has learned *lessons*."""
    predictor = LatencyPredictor(config)
    predictor.learn(lessons)
    return predictor


OnTurn = Callable[[int, Turn], None]


class Pace(Protocol):
    """Lets time pass."""

    @property
    def clock(self) -> Clock: ...

    def until(self, at: float) -> None:
        """Return when the clock reads *at*."""
        ...


class RealPace:
    """Waits, and calls *look* meanwhile, about 20 times a second."""

    def __init__(self, clock: Clock, look: Callable[[], None]) -> None:
        self.clock = clock
        self._look = look

    def until(self, at: float) -> None:
        while (left := at - self.clock.now()) > 0.0:
            time.sleep(min(left, 0.05))
            self._look()


class VirtualPace:
    """Sets the clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock

    def until(self, at: float) -> None:
        self.clock.jump(max(at, self.clock.now()))


class TwoSided:
    """An output on which the user is heard as well, so that the demo sounds like a call.

    Args:
        inner: Where both sides sound.
    """

    def __init__(self, inner: Output) -> None:
        self._inner = inner
        self.owns_reply = inner.owns_reply
        self._user: list[tuple[int, Samples]] = []
        self._source: Source | None = None

    def say(self, samples: Samples, at: float) -> None:
        """Let the user's *samples*, at this output's rate, be heard from *at* (s on the clock)."""
        self._user = [*self._user[-1:], (self._inner.frame_at(at), samples)]

    def start(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._inner.start(self, clock)

    @property
    def position(self) -> int:
        return self._source.position if self._source is not None else 0

    def render(self, out: Samples) -> None:
        if self._source is None:
            return
        begin = self._source.position
        self._source.render(out)
        for start, samples in self._user:
            left, right = max(begin, start), min(begin + len(out), start + len(samples))
            if left < right:
                out[left - begin : right - begin] += samples[left - start : right - start]

    def skip_to(self, frame: int) -> None:
        if self._source is not None:
            self._source.skip_to(frame)

    def attend(self, horizon: int | None) -> None:
        if self._source is not None:
            self._source.attend(horizon)

    @property
    def rate(self) -> int:
        return self._inner.rate

    def frame_at(self, at: float) -> int:
        return self._inner.frame_at(at)

    def time_of(self, frame: int) -> float:
        return self._inner.time_of(frame)

    def catch_up(self, now: float) -> None:
        self._inner.catch_up(now)

    def statistics(self) -> dict[str, float]:
        return self._inner.statistics()

    def close(self) -> None:
        self._inner.close()


def converse(
    manager: FillerManager,
    output: Output,
    exchanges: Sequence[Exchange],
    pace: Pace,
    on_turn: OnTurn = lambda number, turn: None,
) -> list[ReplayedTurn]:
    """Play *exchanges* one after the other and return what became of them.

    Args:
        manager: With the clock of *pace*.
        output: Where it sounds.
        exchanges: What is said, and the waits.
        pace: Lets time pass.
        on_turn: Called with the number and the turn, when it begins and when it has been heard out.
    """
    line = TwoSided(output)
    heard = []
    with manager.session(line, id="demo") as session:
        for number, exchange in enumerate(exchanges):
            spoken_at = pace.clock.now() + PAUSE_S
            line.say(_at_rate(exchange.question, session.rate), spoken_at)
            zero = spoken_at + exchange.question.duration_s
            pace.until(zero)
            turn = session.begin(speech_ended_at=zero, agent=exchange.trace.agent, id=exchange.trace.turn_id)
            on_turn(number, turn)
            for news in exchange.trace.news:
                pace.until(zero + news.at_ms / 1000.0)
                turn.milestone(news.name, tool=news.tool)
            pace.until(zero + exchange.trace.end_ms / 1000.0)
            turn.write(_at_rate(exchange.answer, session.rate))
            turn.finish()
            while turn.record.reply_heard_s is None:
                pace.until(pace.clock.now() + 0.05)
            pace.until(zero + (turn.record.reply_heard_s or 0.0) + exchange.answer.duration_s)
            heard.append(ReplayedTurn.of(exchange.trace, turn.record))
            on_turn(number, turn)
        pace.until(pace.clock.now() + PAUSE_S)
        session.tick()
    return heard


def demo_languages() -> dict[str, Path]:
    """Return the folders of what is said, by language without region."""
    found = {}
    for folder in sorted(bundled_folder().glob("demo*")):
        if (folder / "demo.toml").is_file():
            found[primary_language(read_toml(folder / "demo.toml")["language"])] = folder
    return found


def _lines(language: str) -> dict[bool, list[tuple[Line, Line]]]:
    """Return the questions with their answers: those that need no tool (False), and those that do (True)."""
    folders = demo_languages()
    folder = folders.get(primary_language(language))
    if folder is None:
        raise UsageError(f"the demo does not speak {language!r}; choose {', '.join(folders)}")
    entries = read_toml(folder / "demo.toml")["lines"]
    answers = {entry["answers"]: entry for entry in entries if entry["role"] == "reply"}
    lines: dict[bool, list[tuple[Line, Line]]] = {False: [], True: []}
    for entry in entries:
        if entry["role"] == "user":
            pair = (_line(folder, entry), _line(folder, answers[entry["id"]]))
            lines["tool" in entry].append(pair)
    return lines


def _line(folder: Path, entry: dict[str, str]) -> Line:
    samples, rate = soundfile.read(folder / entry["file"], dtype="float32")
    return Line(entry["text"], samples, rate)


def _at_rate(line: Line, rate: int) -> Samples:
    return np.asarray(soxr.resample(line.samples, line.rate, rate, quality="HQ"), np.float32)

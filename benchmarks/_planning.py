"""How long deciding takes: what a turn's beginning costs its caller, a plan made anew, and a replayed turn."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from stopgap.engine import FillerManager, SilentOutput
from stopgap.engine.planning import Planner, Situation, playable_clips
from stopgap.engine.prediction import Context, LatencyPredictor, Lesson
from stopgap.fillers import Clip, ClipBank, Config, Override

from .replays import benchmark_config, replay
from .traces import TraceTurn, read_trace

RATE = 24_000
PAUSE_S = 0.002
"""s between two turns that begin: the service thread learns meanwhile, as it does between real ones."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Repeated timings of one thing, in µs."""

    what: str
    count: int
    p50_us: float
    p99_us: float
    limit_us: float | None = None
    """What the median is to stay below; None: no target."""

    @property
    def met(self) -> bool | None:
        return None if self.limit_us is None else self.p50_us <= self.limit_us


@dataclass(frozen=True, slots=True)
class PlanningReport:
    """What ``stopgap bench planning`` prints."""

    trace: str
    timings: tuple[Timed, ...]
    turns_per_second: float
    """Replayed under the planner, per core."""
    least_turns_per_second: float = 750.0

    def as_dict(self) -> dict[str, Any]:
        met = self.turns_per_second >= self.least_turns_per_second
        return {
            "trace": self.trace,
            "timings": [{**asdict(timed), "met": timed.met} for timed in self.timings],
            "replay": {"turns_per_second": self.turns_per_second, "least": self.least_turns_per_second, "met": met},
        }


def measure_planning(
    trace: str = "voice_mixed_dev", *, repeat: int = 200, advance: Callable[[int], None] = lambda steps: None
) -> PlanningReport:
    """Measure on this machine, with what *trace* teaches.

    Args:
        trace: A bundled trace, or a file.
        repeat: Plans made anew; ten times as many lookups, and half as many turns begun.
        advance: Called with 1 after each of four parts.

    Raises:
        TraceError: if *trace* cannot be read.
    """
    turns, config = read_trace(trace), benchmark_config("predictive")
    bank = ClipBank(config.packs)
    predictor = LatencyPredictor(config)
    predictor.learn(_lessons(turns))
    agents = sorted({turn.agent for turn in turns}, key=str)
    situations = [_situation(agent, bank.clips(RATE), config) for agent in agents]
    cold = list(_cold(situations, config, predictor, repeat))
    advance(1)
    planner = Planner(config, predictor)
    for situation in situations:
        planner.plan(situation)
    warm = [_took(partial(planner.ready, situation)) for _, situation in zip(range(10 * repeat), cycle(situations))]
    advance(1)
    begun = list(_begun(agents, config, bank, repeat // 2 + 1))
    advance(1)
    started = time.process_time()
    count = sum(1 for _ in replay(turns, config, bank=bank))
    speed = count / max(time.process_time() - started, 1e-9) if count else float("nan")
    advance(1)
    timings = (
        _timed("a plan at hand, looked up", warm, 100.0),
        _timed("a plan made anew, off the caller's path", cold, 5000.0),
        _timed("Session.begin", begun, 100.0),
    )
    return PlanningReport(trace, timings, speed)


def _lessons(turns: Sequence[TraceTurn]) -> Iterator[Lesson]:
    for turn in turns:
        context, ended = Context(turn.agent), turn.reply_ready_ms is not None
        yield Lesson("speech_ended", context, turn.end_ms / 1000.0, ended)


def _situation(agent: str | None, clips: tuple[Clip, ...], config: Config) -> Situation:
    """Return the beginning of a turn of *agent*."""
    playable = playable_clips(clips, config, Override(), language=config.language, voice=None, tool_runs=False)
    return Situation(
        context=Context(agent), milestone="speech_ended", milestone_age_s=0.0, wait_age_s=0.0, tool_age_s=None,
        clips=playable, override=Override(), spoken=0, spoken_left=5, recent=0, silent_s=0.0, sounding_s=0.0,
        since_spoken_s=float("inf"), bed=False, phrases_said=0, progress_said=0, horizon_s=config.limits.max_wait_s,
        first=True,
    )  # fmt: skip


def _cold(situations: Sequence[Situation], config: Config, predictor: LatencyPredictor, repeat: int) -> Iterator[float]:
    for _, situation in zip(range(repeat), cycle(situations)):
        yield _took(partial(Planner(config, predictor).plan, situation))


def _begun(agents: Sequence[str | None], config: Config, bank: ClipBank, count: int) -> Iterator[float]:
    """Yield how long the beginnings of turns took that follow each other on the real clock."""
    with FillerManager(config, bank=bank) as manager, manager.session(SilentOutput(RATE)) as session:
        for _, agent in zip(range(count), cycle(agents)):
            yield _took(partial(session.begin, agent=agent))
            assert session.turn is not None
            session.turn.cancel()
            time.sleep(PAUSE_S)


def _took(do: Callable[[], object]) -> float:
    """Return how many µs *do* took."""
    started = time.perf_counter()
    do()
    return 1e6 * (time.perf_counter() - started)


def _timed(what: str, took: Sequence[float], limit_us: float) -> Timed:
    p50, p99 = np.quantile(took, (0.5, 0.99))
    return Timed(what, len(took), float(p50), float(p99), limit_us)

"""What measuring mixers gives: figures of each engine, and whether the targets are met."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from ._engines import CLIP_UNDER_SPEECH, FRAME_MS, VOICES_AND_REPLY, Timing
from ._render import RenderTimes

BATCH, PACED, SINGLE, NUMPY = "C core, batch", "C core, batch, paced", "C core, a call each", "numpy reference"
PIPECAT, LIVEKIT = "Pipecat SoundfileMixer", "LiveKit AudioMixer"
TARGET_RATE = 24_000
TARGET_SESSIONS = 10_000.0
"""Sessions per core, 20 ms frames, two looping voices and a reply, in batch calls."""
TARGET_TIMES = 10.0
"""Of each framework's mixer."""
TARGET_RENDER_SHARE = 0.05
"""Of a block's time that 99.9 % of the calls of the render function stay below."""


@dataclass(frozen=True, slots=True)
class Range:
    """A figure over the repetitions; NaN where there are none."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Range":
        if not values:
            return cls(float("nan"), float("nan"), float("nan"))
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Row:
    """One engine at one kind of work and rate."""

    work: str
    engine: str
    rate: int
    """Hz."""
    frame_ms: float
    """ms that are mixed at a time."""
    sessions: int
    """That took turns."""
    timings: tuple[Timing, ...] = ()
    missing: str = ""
    """Why it was not measured."""

    @property
    def per_core(self) -> Range:
        """Sessions per core, by wall time."""
        return self._sessions(lambda timing: timing.read_s)

    @property
    def per_core_cpu(self) -> Range:
        """Sessions per core, by CPU time."""
        return self._sessions(lambda timing: timing.cpu_s)

    @property
    def per_core_written(self) -> Range:
        """Sessions per core with what it takes to hand over their speech; where it comes with the call, as it is."""
        return self._sessions(lambda t: t.read_s + (0.0 if t.write_s != t.write_s else t.write_s))

    @property
    def frame_us(self) -> float:
        """µs to mix a session's frame, median."""
        return 1e3 * self.frame_ms / self.per_core.median

    def as_dict(self) -> dict[str, Any]:
        figures = {
            "per_core": asdict(self.per_core), "per_core_cpu": asdict(self.per_core_cpu),
            "per_core_written": asdict(self.per_core_written), "frame_us": self.frame_us,
        }  # fmt: skip
        return {**asdict(self), **figures}

    def _sessions(self, taken_s: Callable[[Timing], float]) -> Range:
        whole_s = self.sessions * self.frame_ms / 1e3
        return Range.of([whole_s * timing.passes / max(taken_s(timing), 1e-9) for timing in self.timings])


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target."""

    target: str
    value: float
    """NaN: not measured."""
    limit: float
    unit: str
    at_least: bool = True
    """The limit is the least that meets the target; else values below it do."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if that was not measured."""
        if self.value != self.value:
            return None
        return self.value >= self.limit if self.at_least else self.value < self.limit


@dataclass(frozen=True, slots=True)
class MixingReport:
    """What ``stopgap bench mixing`` prints."""

    machine: str
    load: tuple[float, float]
    """Load averages of the last minute, before and after: what others did meanwhile shows in the second, too."""
    versions: dict[str, str]
    """Of the peers that are installed."""
    rows: tuple[Row, ...]
    render: RenderTimes | None
    """None: the C core was not built."""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(_verdicts(self.rows, self.render))

    def as_dict(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "load": self.load,
            "versions": self.versions,
            "rows": [row.as_dict() for row in self.rows],
            "render": None if self.render is None else self.render.as_dict(),
            "verdicts": [{**asdict(verdict), "met": verdict.met} for verdict in self.verdicts],
        }


def _verdicts(rows: Sequence[Row], render: RenderTimes | None) -> Iterator[Verdict]:
    """Judge the C core's batch calls, and its render function."""
    by_name = {(row.work, row.engine, row.rate): row for row in rows if row.frame_ms == FRAME_MS}
    for engine in (BATCH, PACED):
        row = by_name.get((VOICES_AND_REPLY.name, engine, TARGET_RATE))
        if row is not None:
            what = f"sessions per core, {VOICES_AND_REPLY.name}, {TARGET_RATE // 1000} kHz, {engine}"
            yield Verdict(what, row.per_core.median, TARGET_SESSIONS, "")
    for peer in (PIPECAT, LIVEKIT):
        for rate in sorted({row.rate for row in rows}):
            batch, other = (by_name.get((CLIP_UNDER_SPEECH.name, engine, rate)) for engine in (BATCH, peer))
            if batch is not None and other is not None:
                what = f"{BATCH} against {peer}, {CLIP_UNDER_SPEECH.name}, {rate // 1000} kHz"
                yield Verdict(what, times_of(batch, other), TARGET_TIMES, "×")
                yield Verdict(f"{what}, speech handed over too", times_of_written(batch, other), TARGET_TIMES, "×")
    if render is not None:
        yield Verdict(
            f"p99.9 of the render function, {render.voices} voices, as a share of {render.block_frames} frames",
            100.0 * render.p999_us / render.block_us, 100.0 * TARGET_RENDER_SHARE, "%", at_least=False,
        )  # fmt: skip


def times_of(engine: Row, other: Row) -> float:
    """Return how many times *other*'s sessions per core *engine* carries; NaN if one was not measured."""
    return engine.per_core.median / other.per_core.median


def times_of_written(engine: Row, other: Row) -> float:
    """Return the same with what it takes to hand over the sessions' speech."""
    return engine.per_core_written.median / other.per_core_written.median

"""How quickly plug-ins start and stop fillers and what that costs the reply, beside what the frameworks do alone."""

import importlib.util
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .._spread import Spread

if TYPE_CHECKING:
    from ._livekit import LiveKitFigures
    from ._pipecat import PipecatFigures

FRAME_COST_US = 50.0
"""µs that a plug-in may add per frame of 20 ms."""
FRAME_MS = 20.0
"""ms. A frame of the LiveKit plug-in."""
FRAMEWORKS = {"pipecat": ("pipecat", "pipecat-ai"), "livekit": ("livekit.agents", "livekit-agents")}
"""By the name of the extra: the package, and what it comes in."""


@dataclass(frozen=True, slots=True)
class PluginRow:
    """One figure."""

    framework: str
    what: str
    unit: str
    """``ms`` or ``µs``."""
    found: Spread
    beside: str = ""
    """What the framework does without stopgap."""
    other: Spread | None = None
    """That."""
    limit: float | None = None
    """What the 99th percentile is to stay within; None: no target. Where it is meant beside something, of the
    difference of both."""
    added: bool = False
    """Whether the target is on what is added to *other*."""

    @property
    def judged(self) -> float:
        """What the target is on."""
        base = self.other.p99 if self.added and self.other is not None else 0.0
        return self.found.p99 - base

    @property
    def met(self) -> bool | None:
        return None if self.limit is None else self.judged <= self.limit


@dataclass(frozen=True, slots=True)
class PluginReport:
    """What ``stopgap bench plugins`` prints."""

    machine: str
    versions: dict[str, str]
    rows: tuple[PluginRow, ...]
    missing: tuple[str, ...]
    """Frameworks that are not installed."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "versions": self.versions,
            "rows": [{**asdict(row), "judged": row.judged, "met": row.met} for row in self.rows],
            "missing": list(self.missing),
        }


def installed(name: str) -> bool:
    """Return whether the framework *name* is there."""
    package = FRAMEWORKS[name][0]
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def measure_plugins(
    *, trials: int = 100, frames: int = 2500, seed: int = 1, advance: Callable[[int], None] = lambda steps: None
) -> PluginReport:
    """Measure the plug-ins of all frameworks that are installed, one after the other, in real time.

    Args:
        trials: Of what is heard.
        frames: Of 20 ms, for what a frame costs.
        seed: Of the moments at which things happen.
        advance: Called with 1 after each framework.
    """
    rows: list[PluginRow] = []
    missing = []
    for name, measure in (("pipecat", _pipecat), ("livekit", _livekit)):
        if installed(name):
            rows += measure(trials, frames, seed)
        else:
            missing.append(name)
        advance(1)
    versions = {FRAMEWORKS[n][1]: version(FRAMEWORKS[n][1]) for n in FRAMEWORKS if n not in missing}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return PluginReport(machine, versions, tuple(rows), tuple(missing))


def _pipecat(trials: int, frames: int, seed: int) -> Iterator[PluginRow]:
    import asyncio

    from loguru import logger

    logger.disable("pipecat")  # it tells of every frame
    from ._pipecat import measure

    try:
        figures = asyncio.run(measure(trials, frames, seed))
    finally:
        logger.enable("pipecat")
    yield from pipecat_rows(figures)


def pipecat_rows(figures: "PipecatFigures") -> Iterator[PluginRow]:
    """Yield the figures of Pipecat."""
    of, name, chunk = Spread.of, "pipecat", figures.chunk_ms
    yield PluginRow(name, "filler armed → in the transport's write", "ms", of(figures.armed_to_write_ms), limit=chunk)
    mixer = of(figures.reply_mixer_ms)
    yield PluginRow(
        name, "reply, a filler sounding → in the transport's write", "ms", of(figures.reply_fillers_ms),
        "a mixer that does nothing", mixer, limit=chunk / 2, added=True,
    )  # fmt: skip
    yield PluginRow(
        name, "reply behind a filler queued as audio → in the write", "ms", of(figures.reply_queued_ms),
        "a mixer that does nothing", mixer,
    )  # fmt: skip
    yield PluginRow(
        name, "filler after an interruption, beyond the chunk in flight", "ms", of(figures.interrupted_fillers_ms),
        "a clip of a plain mixer", of(figures.interrupted_mixer_ms), limit=chunk,
    )  # fmt: skip
    yield PluginRow(name, "mixing 20 ms while a filler sounds", "µs added", of(figures.mix_us), limit=FRAME_COST_US)
    yield PluginRow(name, "mixing 20 ms while none sounds", "µs added", of(figures.mix_idle_us), limit=FRAME_COST_US)


def _livekit(trials: int, frames: int, seed: int) -> Iterator[PluginRow]:
    from ._livekit import background_figures, livekit_figures

    yield from livekit_rows(livekit_figures(trials=trials, frames=frames, seed=seed))
    mixed = background_figures(trials=max(1, trials // 4))
    yield PluginRow(
        "livekit", "its BackgroundAudioPlayer's mixer: added → first mixed frame", "ms", mixed.added_to_mixed_ms
    )


def livekit_rows(figures: "LiveKitFigures") -> Iterator[PluginRow]:
    """Yield the figures of LiveKit Agents."""
    name = "livekit"
    yield PluginRow(
        name, "turn confirmed, filler due → at the sink", "ms", figures.armed_to_captured_ms, limit=FRAME_MS
    )
    yield PluginRow(
        name, "filler due in the midst of a wait → at the sink", "ms", figures.due_to_captured_ms, limit=FRAME_MS
    )
    yield PluginRow(
        name, "reply's first frame, no filler sounding → at the sink", "µs", figures.reply_through_us,
        "without the plug-in", figures.reply_plain_us, limit=1000.0 * FRAME_MS / 2, added=True,
    )  # fmt: skip
    yield PluginRow(name, "filler handed over after clear_buffer", "ms", figures.after_clear_ms, limit=FRAME_MS)
    yield PluginRow(
        name, "a further frame of 20 ms → at the sink", "µs", figures.frame_through_us, "without the plug-in",
        figures.frame_plain_us, limit=FRAME_COST_US, added=True,
    )  # fmt: skip
    yield PluginRow(name, "20 ms of waiting in silence", "µs added", figures.idle_pull_us, limit=FRAME_COST_US)

"""Output engines under load: every engine beside every load, and whether the targets are met."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import IO, Any

from stopgap.engine.mixer import native_available
from stopgap.fillers import OutputError, UsageError

from .._spread import Spread
from ._engines import ENGINES
from ._jack import JackServer, MissedCycles, jack_server
from ._loads import LOADS
from ._measure import CallbackFigures
from ._sounds import RATE

PATIENCE_S = 120.0
"""s beyond the measured ones after which a process that measures counts as stuck."""
LOOK_S = 0.05
"""s between two looks at what the server says."""
HANDED_MARGIN_MS = 0.5
"""ms. Target: published -> first sample handed over, p99, at most a block and this."""
LATENESS_LIMIT_MS = 0.2
"""ms. Target: armed starts off by at most this, p99."""


@dataclass(frozen=True, slots=True)
class Row:
    """One engine beside one load."""

    engine: str
    load: str
    first_s: float
    last_s: float
    """s on the monotonic clock, between which callbacks were measured."""
    realtime: bool | None
    """Whether the callback's thread had real-time priority; None: this system does not say."""
    longest_call_ms: float
    """ms that the longest single call of the load took."""
    callbacks: CallbackFigures
    server_xruns: int | None
    """Cycles that the JACK server itself counted as missed."""
    triggers: int
    handed: Spread
    """ms from a trigger's publication to the moment its first sample was handed to the device; `count` says how many
    triggers had a sound of their own."""
    armed: int
    """Starts that were armed ahead."""
    armed_too_late: int
    """Starts that the caller, kept waiting by the load, armed less than 50 ms ahead: left out."""
    lateness: Spread
    """ms by which an armed start missed its time at the device, early or late."""
    handed_ms: tuple[float, ...]
    lateness_ms: tuple[float, ...]
    """Signed."""

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Row":
        figures = dict(data["callbacks"])
        for name in ("arrival", "duration"):
            figures[name] = Spread(**figures[name])
        spreads = {name: Spread(**data[name]) for name in ("handed", "lateness")}
        samples = {name: tuple(data[name]) for name in ("handed_ms", "lateness_ms")}
        return cls(**{**data, **spreads, **samples, "callbacks": CallbackFigures(**figures)})


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target for the native engine beside one load."""

    target: str
    load: str
    value: float
    """NaN: not measured."""
    limit: float
    unit: str
    count: int
    """Measurements behind *value*."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if that was not measured."""
        if self.value != self.value or self.limit != self.limit:
            return None
        return self.value <= self.limit


@dataclass(frozen=True, slots=True)
class OutputReport:
    """What ``stopgap bench output`` prints."""

    server: str
    """What was played to."""
    block_frames: int
    """As asked for; 0: the device's choice."""
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]
    """Engines that were not measured, and why."""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(verdicts(self.rows))

    def as_dict(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "rate": RATE,
            "block_frames": self.block_frames,
            "left_out": list(self.left_out),
            "rows": [asdict(row) for row in self.rows],
            "verdicts": [{**asdict(verdict), "met": verdict.met} for verdict in self.verdicts],
        }


def verdicts(rows: Iterable[Row]) -> list[Verdict]:
    """Judge the native engine: xruns against those of a callback that does nothing, delays against the block."""
    by_name = {(row.engine, row.load): row for row in rows}
    judged = []
    for (engine, load), row in by_name.items():
        if engine != "native":
            continue
        nothing = by_name.get(("nothing", load))
        xruns = float("nan") if nothing is None else float(nothing.callbacks.xruns)
        handed_limit = row.callbacks.block_ms + HANDED_MARGIN_MS
        judged += [
            Verdict("xruns, of nothing at most", load, row.callbacks.xruns, xruns, "", row.callbacks.seen),
            Verdict("published -> handed over, p99", load, row.handed.p99, handed_limit, "ms", row.handed.count),
            Verdict("armed start off by, p99", load, row.lateness.p99, LATENESS_LIMIT_MS, "ms", row.lateness.count),
        ]
    order = [verdict.target for verdict in judged[:3]]
    return sorted(judged, key=lambda verdict: order.index(verdict.target))


def missing_engines() -> dict[str, str]:
    """Return the engines that cannot be measured here, and what it takes."""
    missing = {}
    if not native_available:
        missing["native"] = "stopgap's C core was not built; install stopgap again with a C compiler"
    if importlib.util.find_spec("rtmixer") is None:
        missing["rtmixer"] = "not installed: pip install rtmixer"
    return missing


def measure_output(
    engines: Sequence[str] = (), loads: Sequence[str] = LOADS, *, seconds: float = 10.0, block_frames: int = 256,
    device: str | None = None, own_server: bool = True, seed: int = 0,
    advance: Callable[[int], None] = lambda rows: None,
) -> OutputReport:  # fmt: skip
    """Measure *engines* beside *loads*, one after the other, each in a process of its own.

    Args:
        engines: Names of `ENGINES`; none: all that can be had.
        loads: Names of `LOADS`.
        seconds: s of each row.
        block_frames: Frames of a callback.
        device: What to play to if there is no *own_server*; None: the default device.
        own_server: Start a JACK server with a dummy device and play to that.
        seed: Of when the sounds begin.
        advance: Called with 1 after each row.

    Raises:
        UsageError: if an engine or load is unknown, or an engine that was asked for cannot be had.
        OutputError: if the server does not start, or the device does not open.
    """
    missing = missing_engines()
    _check_names(engines, loads, missing)
    chosen = engines or [engine for engine in ENGINES if engine not in missing]
    left_out = () if engines else tuple(f"{engine}: {why}" for engine, why in missing.items())
    if importlib.util.find_spec("stopgap.benchmarks._probe") is None:
        raise OutputError("the probe was not built; install stopgap again with a C compiler")
    with jack_server(rate=RATE, block_frames=block_frames) if own_server else nullcontext() as server:
        rows = []
        for load in loads:
            for engine in chosen:
                rows.append(_measure_row(engine, load, seconds, block_frames, device, server, seed))
                advance(1)
    name = str(server) if server is not None else f"device {device or 'default'}"
    return OutputReport(name, block_frames, tuple(rows), left_out)


def _check_names(engines: Sequence[str], loads: Sequence[str], missing: dict[str, str]) -> None:
    for what, names, known in (("engine", engines, ENGINES), ("load", loads, LOADS)):
        for name in names:
            if name not in known:
                raise UsageError(f"no {what} is called {name!r}; there are {', '.join(known)}")
    for engine in engines:
        if engine in missing:
            raise UsageError(f"engine {engine}: {missing[engine]}")


def _measure_row(
    engine: str, load: str, seconds: float, block_frames: int, device: str | None, server: JackServer | None, seed: int
) -> Row:
    options = ["--engine", engine, "--load", load, "--seconds", str(seconds), "--seed", str(seed)]
    environment = dict(os.environ)
    if server is not None:  # PortAudio adapts blocks of another size than the server's, at the price of one more
        options += ["--jack"]
        environment |= server.environment
    else:
        options += ["--block", str(block_frames)] + ([] if device is None else ["--device", device])
    missed = None if server is None else MissedCycles(server.log)
    data = _run(f"engine {engine} beside {load}", options, environment, seconds + PATIENCE_S, missed)
    data["server_xruns"] = None if missed is None else missed.between(data["first_s"], data["last_s"])
    return Row.from_dict(data)


def _run(
    what: str, options: list[str], environment: dict[str, str], patience_s: float, missed: MissedCycles | None
) -> dict[str, Any]:
    """Let a worker measure, and look after the server meanwhile: the worker itself may not get to."""
    command = [sys.executable, "-m", "stopgap.benchmarks.output._worker", *options]
    until = time.monotonic() + patience_s
    with (
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as complained,
        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=complained) as worker,
    ):
        try:
            while worker.poll() is None:
                time.sleep(LOOK_S)
                if missed is not None:
                    missed.look(time.monotonic())
                if time.monotonic() > until:
                    raise OutputError(f"{what} got stuck; check the audio device")
        finally:
            worker.kill()
        lines, words = _lines(said), _lines(complained)
    if worker.returncode or not lines:
        raise OutputError(f"{what} ended with: {words[-1] if words else f'exit code {worker.returncode}'}")
    data: dict[str, Any] = json.loads(lines[-1])
    if "error" in data:
        raise OutputError(data["error"])
    return data


def _lines(file: IO[bytes]) -> list[str]:
    file.seek(0)
    return [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]

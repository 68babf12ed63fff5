"""Mixing: how many sessions a core carries, beside other frameworks' mixers, and the render function's run times."""

import os
import platform
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stopgap.engine.mixer import NativeMixer, ReferenceMixer, native_available
from stopgap.fillers import Clip, ClipBank, UsageError

from ._engines import (
    CLIP_UNDER_SPEECH,
    FRAME_MS,
    VOICES_AND_REPLY,
    OwnRig,
    Rig,
    Timing,
    Work,
    looping_clips,
)
from ._figures import BATCH, LIVEKIT, NUMPY, PACED, PIPECAT, SINGLE, MixingReport, Row
from ._peers import LiveKitRig, MissingPeerError, PipecatRig, peer_version
from ._render import measure_render

RATES = (24_000, 48_000)
FEWER, FEWEST = 250, 50
"""Sessions at most where each is a call from Python, and of LiveKit's mixers: there, more only take longer."""

Make = Callable[[Sequence[Clip], int, int], Rig]
"""Makes sessions, given looping clips, the rate in Hz and how many."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """An engine at one kind of work."""

    engine: str
    work: Work
    make: Make | None
    """None: the sessions of the one before it, read every 20 ms."""
    native: bool = False
    most: int | None = None
    """Sessions at most."""
    frame_ms: float = FRAME_MS
    """ms that are mixed at a time."""


def _own(make_mixer: Callable[[int], NativeMixer | ReferenceMixer], work: Work, batched: bool = False) -> Make:
    return lambda clips, rate, sessions: OwnRig(make_mixer, work, clips, rate, sessions, batched=batched)


def _pipecat(frame_ms: float) -> Make:
    return lambda clips, rate, sessions: PipecatRig(clips[0].samples, rate, sessions, frame_ms)


def _livekit(block_ms: float) -> Make:
    return lambda clips, rate, sessions: LiveKitRig(clips[0].samples, rate, sessions, block_ms)


def _entrants() -> list[Entrant]:
    entrants = []
    for work in (VOICES_AND_REPLY, CLIP_UNDER_SPEECH):
        most = None if work is VOICES_AND_REPLY else FEWER  # beside others: with as many sessions as they have
        entrants.append(Entrant(BATCH, work, _own(NativeMixer, work, batched=True), native=True, most=most))
        if work is VOICES_AND_REPLY:
            entrants.append(Entrant(PACED, work, None, native=True))
        entrants.append(Entrant(SINGLE, work, _own(NativeMixer, work), native=True, most=FEWER))
        entrants.append(Entrant(NUMPY, work, _own(ReferenceMixer, work), most=FEWER))
    for frame_ms in (FRAME_MS, 40.0):  # 40: what Pipecat's output transport hands over
        entrants.append(Entrant(PIPECAT, CLIP_UNDER_SPEECH, _pipecat(frame_ms), most=FEWER, frame_ms=frame_ms))
    for block_ms in (FRAME_MS, 100.0):  # 100: the default of LiveKit's mixer
        entrants.append(Entrant(LIVEKIT, CLIP_UNDER_SPEECH, _livekit(block_ms), most=FEWEST, frame_ms=block_ms))
    return entrants


ENTRANTS = tuple(_entrants())


def steps(repeat: int) -> int:
    """Return how many steps `measure_mixing` tells *advance* of."""
    return len(RATES) * len(ENTRANTS) * repeat + 1


def measure_mixing(
    sessions: int = 2000, *, repeat: int = 5, seconds: float = 1.0, render_calls: int = 200_000,
    advance: Callable[[int], None] = lambda steps: None,
) -> MixingReport:  # fmt: skip
    """Measure all engines in this process, on one thread, turn by turn.

    Args:
        sessions: Of a batch. What takes a call each has `FEWER` at most, LiveKit's mixers `FEWEST`.
        repeat: Turns of each engine.
        seconds: s of wall time that an engine mixes for in each turn.
        render_calls: Calls of the render function.
        advance: Called with the number of steps done; `steps` says how many there are.

    Raises:
        UsageError: if a number is not possible.
    """
    for name, number in (("sessions", sessions), ("repeat", repeat), ("render_calls", render_calls)):
        if number < 1:
            raise UsageError(f"{name}={number} measures nothing; give at least 1")
    if not 0.0 < seconds < float("inf"):
        raise UsageError(f"seconds={seconds} is no time to measure for; give 1.0 or so")
    before, bank = _load_average(), ClipBank(("en-us",))
    rows: list[Row] = []
    for work in (VOICES_AND_REPLY, CLIP_UNDER_SPEECH):
        for rate in RATES:
            rows += _measure_rows(work, rate, looping_clips(rate, bank), sessions, repeat, seconds, advance)
    render = measure_render(bank, render_calls) if native_available else None
    advance(1)
    versions = {name: found for name in ("pipecat-ai", "livekit") if (found := peer_version(name)) is not None}
    return MixingReport(_machine(), (before, _load_average()), versions, tuple(rows), render)


def _measure_rows(
    work: Work, rate: int, clips: Sequence[Clip], sessions: int, repeat: int, seconds: float,
    advance: Callable[[int], None],
) -> list[Row]:  # fmt: skip
    """Measure what does *work* at *rate*: one after the other, and that *repeat* times."""
    entrants = [entrant for entrant in ENTRANTS if entrant.work is work]
    runs: list[Callable[[float], Timing] | str] = []
    timings: list[list[Timing]] = [[] for _ in entrants]
    with ExitStack() as stack:
        rig: Rig | None = None
        for entrant in entrants:
            if entrant.native and not native_available:
                runs.append("not built: install stopgap again with a C compiler")
            elif entrant.make is None:
                assert isinstance(rig, OwnRig)
                runs.append(partial(rig.run, pace_s=FRAME_MS / 1e3))
            else:
                try:
                    rig = entrant.make(clips, rate, min(sessions, entrant.most or sessions))
                except MissingPeerError as exc:
                    runs.append(str(exc))
                else:
                    stack.callback(rig.close)
                    runs.append(rig.run)
        for _ in range(repeat):
            for run, found in zip(runs, timings, strict=True):
                if not isinstance(run, str):
                    found.append(run(seconds))
                advance(1)
    return [
        Row(
            work.name, entrant.engine, rate, entrant.frame_ms, min(sessions, entrant.most or sessions), tuple(found),
            run if isinstance(run, str) else "",
        )
        for entrant, run, found in zip(entrants, runs, timings, strict=True)
    ]  # fmt: skip


def _machine() -> str:
    """Say what was measured on."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _load_average() -> float:
    """Return the load average of the last minute, or NaN where there is none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")

"""What the probe's records say: when callbacks came, how long they took, when what was asked for began to sound."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._spread import Spread
from ._sounds import LEVELS

CALL = np.dtype(
    [
        ("entry_ns", np.int64), ("exit_ns", np.int64), ("current_s", np.float64), ("dac_s", np.float64),
        ("level", np.float64), ("frames", np.int32), ("flags", np.int32), ("onset", np.int32), ("loud", np.int32),
    ]
)  # fmt: skip
"""``sgp_call`` of _probe.h."""
Calls = NDArray[np.void]
"""An array of `CALL`, in the order of the callbacks."""
OUTPUT_UNDERFLOW = 4
"""PortAudio's flag of an xrun."""
LONGEST_AHEAD_S = 1.0
"""s. PortAudio's times that lie further ahead are garbage; zeros are unknown."""
AROUND_S = 5.0
"""s to both sides of a callback over which the device's clock is levelled."""


@dataclass(frozen=True, slots=True)
class CallbackFigures:
    """The callbacks of a run."""

    block_ms: float
    """ms that one of them has to fill, and may take."""
    seen: int
    expected: float
    arrival: Spread
    """ms from one to the next."""
    duration: Spread
    """ms. Waiting for the interpreter lock is part of it."""
    over_period: int
    """Callbacks that took longer than what they filled lasts."""
    xruns: int
    """Callbacks that PortAudio told of an output underflow."""


def callback_figures(calls: Calls, seconds: float, rate: int) -> CallbackFigures:
    """Summarise the callbacks of a run that lasted *seconds*."""
    frames = float(np.median(calls["frames"])) if len(calls) else float("nan")
    taken_s = (calls["exit_ns"] - calls["entry_ns"]) / 1e9
    return CallbackFigures(
        block_ms=frames / rate * 1e3,
        seen=len(calls),
        expected=seconds * rate / frames,
        arrival=Spread.of(np.diff(calls["entry_ns"]) / 1e6),
        duration=Spread.of(taken_s * 1e3),
        over_period=int(np.sum(taken_s > calls["frames"] / rate)),
        xruns=int(np.sum(calls["flags"] & OUTPUT_UNDERFLOW != 0)),
    )


def device_times(calls: Calls, rate: int) -> NDArray[np.float64] | None:
    """Return when the first frame of each callback reaches the device, s on the monotonic clock.

    PortAudio says so for each callback (entry + DAC time - current time), with the noise of the thread that woke up
    for it. The device itself is exact: between two gaps its frames lie on a line through the frame counter, with the
    nominal rate as its slope. So all callbacks of a stretch without gaps share one line, levelled by the median of
    their residuals over `AROUND_S` to both sides. A gap (cycles that were lost because a callback was late) shows
    as a rise that no later callback takes back: lateness of a thread never lasts, lost frames do.

    Returns:
        None if PortAudio never said anything of use.
    """
    ahead = calls["dac_s"] - calls["current_s"]
    known = np.flatnonzero((ahead > 0.0) & (ahead < LONGEST_AHEAD_S))
    if not len(known):
        return None
    counted = np.concatenate(([0], np.cumsum(calls["frames"])[:-1])) / rate
    entry = calls["entry_ns"] / 1e9
    off = (entry + ahead - counted)[known]
    floor = np.minimum.accumulate(off[::-1])[::-1]
    gaps = np.flatnonzero(np.diff(floor) > 0.5 * float(np.median(calls["frames"])) / rate) + 1
    levels = np.empty(len(off))
    for first, last in zip([0, *gaps], [*gaps, len(off)], strict=True):
        levels[first:last] = _levelled(entry[known[first:last]], off[first:last])
    nearest = np.maximum(np.searchsorted(known, np.arange(len(calls)), side="right") - 1, 0)
    return np.asarray(levels[nearest] + counted, np.float64)


def _levelled(at: NDArray[np.float64], off: NDArray[np.float64]) -> NDArray[np.float64]:
    begins, ends = np.searchsorted(at, at - AROUND_S), np.searchsorted(at, at + AROUND_S, side="right")
    return np.array([np.median(off[begin:end]) for begin, end in zip(begins, ends, strict=True)])


@dataclass(frozen=True, slots=True)
class Onset:
    """A sound that began."""

    handed_s: float
    """s. When the callback that holds its first sample returned."""
    heard_s: float
    """s. When that sample reaches the device; NaN if unknown. Not before it was handed over: a callback that is too
    late is heard later than its place on the device's clock, by an amount that nobody knows."""
    level: float
    """Of its first sample."""


def onsets(calls: Calls, rate: int) -> list[Onset]:
    """Return the sounds that began, in order."""
    times = device_times(calls, rate)
    found = []
    for number in np.flatnonzero(calls["onset"] >= 0):
        call: Any = calls[number]
        handed = float(call["exit_ns"]) / 1e9
        heard = float("nan") if times is None else max(handed, float(times[number]) + int(call["onset"]) / rate)
        found.append(Onset(handed, heard, float(call["level"])))
    return found


def match(
    asked: Sequence[float], sounds: Iterable[tuple[float, int | None]], early: float = 0.0
) -> list[tuple[int, float]]:
    """Assign sounds to requests, all ascending, s on one clock.

    Request number *n* has the code *n* modulo the number of `LEVELS`. A sound answers the last request before it
    that has its code; one without a code, that is several together, the first that still waits. Requests that were
    overtaken stay unanswered: they were dropped, or began while another sound lasted.

    Args:
        asked: When something was asked for.
        sounds: When each sound begins, and what its level says.
        early: s by which a sound may precede its request.

    Returns:
        The number of each answered request and the s from it to its sound.
    """
    delays, first = [], 0
    for begin, code in sounds:
        waiting = range(first, bisect_right(asked, begin + early))
        own = [number for number in waiting if code is None or number % len(LEVELS) == code]
        if not own:
            continue
        number = own[0] if code is None else own[-1]
        delays.append((number, begin - asked[number]))
        first = own[-1] + 1
    return delays

"""The engines that `stopgap bench output` compares, behind one seam; stopgap's own."""

import itertools
import threading
import time
from typing import Any, Protocol

from stopgap.engine import MonotonicClock
from stopgap.engine.mixer import Arm, ArmedCue, HandoffFrames, NativeMixer, ReferenceMixer
from stopgap.engine.outputs import DeviceOutput
from stopgap.fillers import Clip, Kind, Samples, UsageError

from ._peers import NothingEngine, PlainEngine, RtmixerEngine
from ._sounds import ARMED, LOOP, RATE, TRIGGERED, Starts


class Engine(Protocol):
    """One way to play. It plays `LOOP` from the start."""

    def start(self) -> None: ...

    def trigger(self, code: int) -> int:
        """Play `TRIGGERED[code]` now; return when that was asked for, ns on the monotonic clock."""
        ...

    def arm(self, starts: Starts) -> int | None:
        """Play `ARMED[code]` at each of *starts*.

        Returns:
            When the callback had been told, ns; None if it is told only when it is time.
        """
        ...

    def tend(self) -> None:
        """Do what has to be done now and then; called every 20 ms."""
        ...

    def close(self) -> None: ...


def new_engine(name: str, sd: Any, device: int | str | None, block_frames: int, run_s: float) -> Engine:
    """Return the engine called *name*.

    Args:
        name: One of `ENGINES`.
        sd: The module sounddevice.
        device: Index or name.
        block_frames: Frames per callback; 0: the device's own.
        run_s: s for which it will play at most.
    """
    match name:
        case "native":
            return NativeEngine(NativeMixer(RATE), device, block_frames)
        case "numpy":
            return MixerEngine(ReferenceMixer(RATE), device, block_frames)
        case "plain":
            return PlainEngine(sd, device, block_frames)
        case "rtmixer":
            return RtmixerEngine(sd, device, block_frames, run_s)
        case "nothing":
            return NothingEngine(sd, device, block_frames)
    raise UsageError(f"no engine is called {name!r}; there are {', '.join(ENGINES)}")


ENGINES = ("native", "numpy", "plain", "rtmixer", "nothing")


class MixerEngine:
    """stopgap's mixer and device, as a session uses them: one lock around what is posted and read."""

    def __init__(self, mixer: Any, device: int | str | None, block_frames: int) -> None:
        self._mixer = mixer
        self._output = DeviceOutput(device, rate=RATE, block_frames=block_frames)
        self._clock = MonotonicClock()
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._rule = HandoffFrames(min_play=0, max_finish=0, fade=0, gap=0, fade_in=0, declick=0)
        self._triggered = [_clip("trigger", Kind.HESITATION, samples) for samples in TRIGGERED]
        self._armed = [_clip("armed", Kind.HESITATION, samples) for samples in ARMED]

    def start(self) -> None:
        self._mixer.post(Arm((self._cue(_clip("loop", Kind.AMBIENCE, LOOP), 0),)))
        self._output.start(self._mixer, self._clock)

    def trigger(self, code: int) -> int:
        sheet = Arm((self._cue(self._triggered[code], 0),))
        with self._lock:
            asked = time.monotonic_ns()
            self._mixer.post(sheet)
            return self._published_ns(asked)

    def arm(self, starts: Starts) -> int:
        cues = tuple(self._cue(self._armed[code], self._output.frame_at(at)) for at, code in starts)
        with self._lock:
            self._mixer.post(Arm(cues))
            return time.monotonic_ns()

    def tend(self) -> None:
        with self._lock:
            self._output.catch_up(self._clock.now())
            self._mixer.take_events()

    def close(self) -> None:
        self._output.close()

    def _published_ns(self, asked: int) -> int:
        return asked

    def _cue(self, clip: Clip, start: int) -> ArmedCue:
        return ArmedCue(next(self._ids), clip, start, self._rule)


class NativeEngine(MixerEngine):
    """The C core. It stamps in C when a command is in the ring; what Python did before that is not the engine's."""

    def _published_ns(self, asked: int) -> int:
        return int(self._mixer.posted_ns)


def _clip(name: str, kind: Kind, samples: Samples) -> Clip:
    return Clip(id=name, kind=kind, samples=samples, rate=RATE)

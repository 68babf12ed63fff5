"""What stopgap's output is compared with: a plain Python callback, rtmixer, and nothing."""

import importlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from stopgap.fillers import Samples

from ._sounds import ARMED, LOOP, RATE, TRIGGERED, Starts

TORN_S = 1e-3
"""s between two readings of one clock above which the reading of another one in between is of no use."""


class PlainEngine:
    """What one writes first: a Python callback that mixes with numpy, and a thread that sleeps until it is time."""

    def __init__(self, sd: Any, device: int | str | None, block_frames: int) -> None:
        self._told: deque[Samples] = deque()
        self._voices: list[tuple[Samples, int]] = []
        self._position = 0
        self._stream = _mono_or_stereo(
            sd,
            lambda channels: sd.OutputStream(
                device=device, samplerate=RATE, blocksize=block_frames, channels=channels, dtype="float32",
                latency="low", callback=self._callback,
            ),
        )  # fmt: skip

    def start(self) -> None:
        self._stream.start()

    def trigger(self, code: int) -> int:
        asked = time.monotonic_ns()
        self._told.append(TRIGGERED[code])
        return asked

    def arm(self, starts: Starts) -> None:
        threading.Thread(target=self._sleep_and_play, args=(starts,), name="timer", daemon=True).start()

    def tend(self) -> None:
        pass

    def close(self) -> None:
        self._stream.close()

    def _sleep_and_play(self, starts: Starts) -> None:
        for at, code in starts:
            time.sleep(max(0.0, at - time.monotonic()))
            self._told.append(ARMED[code])

    def _callback(self, outdata: Any, frames: int, time_info: Any, status: Any) -> None:
        out = np.take(LOOP, np.arange(self._position, self._position + frames), mode="wrap")
        self._position += frames
        while self._told:
            self._voices.append((self._told.popleft(), 0))
        playing = []
        for samples, offset in self._voices:
            part = samples[offset : offset + frames]
            out[: len(part)] += part
            if offset + frames < len(samples):
                playing.append((samples, offset + frames))
        self._voices = playing
        outdata[:] = out[:, np.newaxis]


class RtmixerEngine:
    """rtmixer: a C callback with a start time on the stream's clock."""

    def __init__(self, sd: Any, device: int | str | None, block_frames: int, run_s: float) -> None:
        rtmixer = importlib.import_module("rtmixer")
        self._stream = _mono_or_stereo(
            sd,
            lambda channels: rtmixer.Mixer(
                device=device, samplerate=RATE, blocksize=block_frames, channels=channels, latency="low", qsize=1024
            ),
        )
        self._loop = np.resize(LOOP, round(run_s * RATE))  # it cannot loop
        self._ahead = 0.0

    def start(self) -> None:
        self._stream.start()
        self._stream.play_buffer(self._loop, channels=1)

    def trigger(self, code: int) -> int:
        asked = time.monotonic_ns()
        self._stream.play_buffer(TRIGGERED[code], channels=1)
        return asked

    def arm(self, starts: Starts) -> int:
        self._compare_clocks()
        for at, code in starts:
            self._stream.play_buffer(ARMED[code], channels=1, start=at + self._ahead)
        return time.monotonic_ns()

    def tend(self) -> None:
        pass

    def close(self) -> None:
        self._stream.close()

    def _compare_clocks(self) -> None:
        """Read how far the stream's clock is ahead of ours, between two readings of ours; keep the last good one."""
        for _ in range(20):
            before = time.monotonic()
            stream = self._stream.time
            after = time.monotonic()
            if after - before < TORN_S:
                self._ahead = stream - (before + after) / 2
                return


class NothingEngine:
    """A C callback that writes zeros: what the machine and the device do by themselves."""

    def __init__(self, sd: Any, device: int | str | None, block_frames: int) -> None:
        from .._probe import ffi, lib

        self._channels = ffi.new("int32_t *", 1)

        def opened(channels: int) -> Any:
            self._channels[0] = channels
            return sd._StreamBase(
                kind="output", device=device, samplerate=RATE, blocksize=block_frames, channels=channels,
                dtype="float32", latency="low", callback=ffi.addressof(lib, "sgp_nothing"), userdata=self._channels,
            )  # fmt: skip

        self._stream = _mono_or_stereo(sd, opened)

    def start(self) -> None:
        self._stream.start()

    def trigger(self, code: int) -> int:
        raise NotImplementedError

    def arm(self, starts: Starts) -> None:
        raise NotImplementedError

    def tend(self) -> None:
        pass

    def close(self) -> None:
        self._stream.close()


def _mono_or_stereo(sd: Any, opened: Callable[[int], Any]) -> Any:
    """Open a stream with one channel, or with two where a device refuses one."""
    try:
        return opened(1)
    except sd.PortAudioError:
        return opened(2)

"""Sound out of a device, through PortAudio (sounddevice)."""

import atexit
import logging
import threading
from typing import Any

import numpy as np

from ...fillers import OutputError
from .._clock import Clock
from ._contract import FrameClock, Source

logger = logging.getLogger("stopgap")

LONGEST_LATENCY_S = 1.0
"""s. PortAudio's own figures beyond this are garbage (89,478 s was seen on a JACK client)."""
MOST_FRAMES = 16_384
"""Frames of the largest callback that is served."""
HANGS_S = 3.0
"""s without a callback after which a device counts as gone (a stopped PulseAudio server never says so)."""
AWAKE_S = 0.5
"""s between two looks up to which this process counts as awake: longer, and it was us who hung."""
CLOSE_S = 2.0
"""s to wait for a device to close: PortAudio waits for ever for one that hangs."""


class DeviceOutput:
    """Plays through an audio device.

    The callback is Python and needs the interpreter lock: it keeps time while the process is light, and stutters
    beside long calls that hold the lock. An error in it, or a device that goes away, silences the output: one
    warning, and the schedule goes on by the clock so that the session never notices.

    Args:
        device: Name (a unique part will do) or index; None: the system's default.
        rate: Hz.
        block_frames: Frames per callback; 0 lets the device choose.

    Raises:
        OutputError: if there is no such device, or no PortAudio.
    """

    def __init__(self, device: str | int | None = None, *, rate: int = 48_000, block_frames: int = 0) -> None:
        self.rate = rate
        self._device = device
        self._block_frames = block_frames
        self._sd = load_sounddevice()
        self._info = find_device(self._sd, device)
        self._stream: Any = None
        self._source: Source | None = None
        self._clock: Clock | None = None
        self._frames = FrameClock(rate, 0.0)
        self._block = np.zeros(MOST_FRAMES, np.float32)
        self._callbacks = 0
        self._callbacks_seen = 0
        self._seen_at = self._looked_at = 0.0
        self._underruns = 0
        self._failed = False
        self._closed = False

    def start(self, source: Source, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._frames = FrameClock(self.rate, clock.now())
        self._seen_at = self._looked_at = clock.now()
        try:
            self._stream = self._open()
            latency = self._latency()
            self._frames = FrameClock(self.rate, clock.now() + latency)
            self._stream.start()
        except self._sd.PortAudioError as exc:
            self.close()
            raise OutputError(
                f"device {self._info['name']!r} does not open at {self.rate} Hz ({exc}); try another rate or device"
            ) from exc

    def frame_at(self, at: float) -> int:
        return self._frames.frame_at(at)

    def time_of(self, frame: int) -> float:
        return self._frames.time_of(frame)

    def catch_up(self, now: float) -> None:
        """Do nothing while the device pulls; once it has failed, keep the schedule moving by the clock."""
        if self._source is None:
            return
        self._watch(now)
        if self._failed:
            self._source.skip_to(max(self._source.position, self._frames.frame_at(now)))

    def statistics(self) -> dict[str, float]:
        return {"callbacks": self._callbacks, "underruns": self._underruns, "failed": float(self._failed)}

    def close(self) -> None:
        self._closed = True
        stream, self._stream = self._stream, None
        if stream is not None:
            closing = threading.Thread(target=self._close, args=(stream,), name="stopgap-close", daemon=True)
            closing.start()
            closing.join(CLOSE_S)
            if closing.is_alive():
                _leave_behind(self._sd, closing)
                logger.warning("the audio device (%s) hangs and was left behind", self._info["name"])
        self._source = None

    def _close(self, stream: Any) -> None:
        try:
            stream.abort()
            stream.close()
        except self._sd.PortAudioError as exc:
            logger.warning("closing the audio device failed: %s", exc)

    def _watch(self, now: float) -> None:
        """Give up a device that asks for nothing although this process was awake to be asked."""
        if self._callbacks != self._callbacks_seen or now - self._looked_at > AWAKE_S:
            self._callbacks_seen, self._seen_at = self._callbacks, now
        self._looked_at = now
        if now - self._seen_at > HANGS_S:
            self._fail("the audio device hangs")

    def _open(self) -> Any:
        """Open the stream, mono; devices that refuse mono get the same on both channels."""
        for channels in (1, 2):
            try:
                return self._sd.OutputStream(
                    device=self._info["index"], samplerate=self.rate, blocksize=self._block_frames, channels=channels,
                    dtype="float32", latency="low", callback=self._callback, finished_callback=self._finished,
                )  # fmt: skip
            except self._sd.PortAudioError:
                if channels == 2:
                    raise
        return None

    def _callback(self, outdata: Any, frames: int, time_info: Any, status: Any) -> None:
        source, clock = self._source, self._clock
        try:
            if source is None or clock is None or self._failed:
                outdata.fill(0.0)
                return
            ahead = time_info.outputBufferDacTime - time_info.currentTime
            if not 0.0 < ahead < LONGEST_LATENCY_S:
                ahead = self._latency()
            self._frames.observe(source.position, clock.now() + ahead)
            block = self._block[:frames]
            source.render(block)
            outdata[:] = block[:, np.newaxis]
            self._callbacks += 1
            self._underruns += bool(status.output_underflow)
        except Exception:
            outdata.fill(0.0)
            self._fail("an error in the audio callback")
            logger.exception("audio callback")

    def _latency(self) -> float:
        latency = float(self._stream.latency) if self._stream is not None else 0.0
        return latency if 0.0 < latency < LONGEST_LATENCY_S else 0.0

    def _finished(self) -> None:
        if not self._closed:
            self._fail("the audio device stopped")

    def _fail(self, why: str) -> None:
        if not self._failed:
            self._failed = True
            logger.warning("%s (%s): no sound from here on, turns go on", why, self._info["name"])


_left_behind: list[threading.Thread] = []
"""Threads that wait for a device which hangs to close."""


def _leave_behind(sd: Any, closing: threading.Thread) -> None:
    """Keep a hanging device from holding up the process's exit, when sounddevice would close it once more."""
    if not _left_behind:
        atexit.unregister(sd._exit_handler)
        atexit.register(_exit, sd)
    _left_behind.append(closing)


def _exit(sd: Any) -> None:
    for closing in _left_behind:
        closing.join(CLOSE_S)
    if not any(closing.is_alive() for closing in _left_behind):
        sd._exit_handler()


def load_sounddevice() -> Any:
    """Import sounddevice.

    Raises:
        OutputError: if PortAudio is not installed, or does not start.
    """
    try:
        import sounddevice
    except OSError as exc:
        raise OutputError(
            "PortAudio is not installed, so no audio device can be used; install it "
            "(Debian and Ubuntu: apt-get install libportaudio2) or write to a file"
        ) from exc
    except Exception as exc:  # PortAudio starts while it is imported, and its error's class is then not to be had
        raise OutputError(f"PortAudio does not start ({exc}); repair the audio system or write to a file") from exc
    return sounddevice


def find_device(sd: Any, device: str | int | None) -> dict[str, Any]:
    """Return PortAudio's facts on the output *device*.

    Raises:
        OutputError: if there is none such, or several match.
    """
    try:
        info: dict[str, Any] = sd.query_devices(device, "output")
    except (ValueError, sd.PortAudioError) as exc:
        names = [d["name"] for d in sd.query_devices() if d["max_output_channels"] > 0]
        there = (
            f"there are: {', '.join(names)}" if names else "there is no output device at all; write to a file instead"
        )
        if device is None:
            raise OutputError("there is no audio output device; write to a file instead") from exc
        raise OutputError(f"audio device {device!r} not found or not unique; {there}") from exc
    return info

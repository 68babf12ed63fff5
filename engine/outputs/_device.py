"""Sound out of a device, through PortAudio (sounddevice)."""

import logging
import threading
from typing import Any

from ...fillers import OutputError, put_right_in_children
from .._clock import Clock
from ..mixer import NativeMixer
from ._contract import Source
from ._native_stream import NativeStream
from ._portaudio import CLOSE_S, find_device, in_background, load_sounddevice, look_again, portaudio
from ._python_stream import PythonStream
from ._stream import Stream
from ._stream_clock import StreamClock

logger = logging.getLogger("stopgap")

OPEN_S = 5.0
"""s to wait for a device to open."""
HANGS_S = 3.0
"""s without a callback after which a device counts as gone (a stopped PulseAudio server never says so)."""
AWAKE_S = 0.5
"""s between two looks up to which this process counts as awake: longer, and it was us who hung."""
RETRY_FIRST_S = 0.5
RETRY_LONGEST_S = 30.0
"""s from losing a device to the first try at opening it again; each further one waits twice as long, up to this."""
STEADY_S = 10.0
"""s after which a device that was opened again counts as well."""
UNATTENDED_S = 10.0
"""s that armed fillers play on while the process gives no sign of life: more than a call holds the interpreter lock."""


class DeviceOutput:
    """Plays through an audio device.

    With the C core the device's callback needs no interpreter and keeps time whatever the process does; with the
    numpy reference it needs the interpreter lock, and stutters beside calls that hold it for long.

    A device that fails, hangs or disappears costs one warning. The schedule then goes on by the clock, so that the
    session never notices, and the device is opened again as soon as it can be.

    Args:
        device: Name (a unique part will do) or index; None: the system's default.
        rate: Hz.
        block_frames: Frames per callback; 0 lets the device choose.
        wait: Where there is no such device yet: True starts silent and opens it once there is, False raises.
        unattended_s: s that armed fillers play on while the process gives no sign of life.
        owns_reply: Whether the reply is written to the session. False: the application plays it by itself.

    Raises:
        OutputError: if there is no PortAudio, or no such device.
    """

    def __init__(
        self,
        device: str | int | None = None,
        *,
        rate: int = 48_000,
        block_frames: int = 0,
        wait: bool = False,
        unattended_s: float = UNATTENDED_S,
        owns_reply: bool = True,
    ) -> None:
        self.rate = rate
        self.owns_reply = owns_reply
        self._device = device
        self._block_frames = block_frames
        self._wait = wait
        self._unattended_frames = round(unattended_s * rate)
        self._sd = load_sounddevice()
        self._name = "default" if device is None else str(device)
        if not wait:
            with portaudio():
                self._name = find_device(self._sd, device)["name"]
        self._source: Source | None = None
        self._clock: Clock | None = None
        self._frames = StreamClock(rate, 0.0)
        self._stream: Stream | None = None
        self._lost: Stream | None = None
        """A stream that was given up and may still be in its callback."""
        self._opened: Stream | None = None
        """What the opening thread has brought."""
        self._refused: OutputError | None = None
        self._opening: threading.Thread | None = None
        self._retry_at = 0.0
        self._retry_s = RETRY_FIRST_S
        self._steady_at = 0.0
        self._stopped = threading.Event()
        self._callbacks_seen = 0
        self._seen_at = self._looked_at = 0.0
        self._failures = self._reopened = 0
        self._counted: dict[str, float] = {}
        self._warned = self._closed = False
        put_right_in_children(self)

    def start(self, source: Source, clock: Clock) -> None:
        now = clock.now()
        self._source, self._clock, self._frames = source, clock, StreamClock(self.rate, now)
        self._opening = in_background(self._open_first)
        self._opening.join(OPEN_S)
        opened, self._opened = self._opened, None
        if opened is not None:
            self._play(opened, clock.now())
            return
        refused = self._refused or OutputError(f"device {self._name!r} does not answer; restart the audio system")
        if not self._wait:
            self.close()
            raise refused
        self._lose(now, str(refused))

    def frame_at(self, at: float) -> int:
        return self._frames.frame_at(at)

    def time_of(self, frame: int) -> float:
        return self._frames.time_of(frame)

    def catch_up(self, now: float) -> None:
        """Look after the device; where there is none, keep the schedule moving by the clock."""
        source = self._source
        if source is None or self._closed:
            return
        if self._stream is not None:
            self._frames.observe_all(self._stream.announced())
            source.attend(source.position + self._unattended_frames)
            self._watch(now, self._stream)
        if self._stream is None and (self._lost is None or self._lost.detach()):
            source.attend(None)
            source.skip_to(max(source.position, self._frames.frame_at(now)))
            self._try_again(now)

    def statistics(self) -> dict[str, float]:
        """Return what the present stream counted, and how often a device was lost and opened again."""
        if self._stream is not None:
            self._counted = self._stream.statistics()
        return {
            "callbacks": 0, "underruns": 0, **self._counted,
            "failed": float(self._stream is None), "failures": self._failures, "reopened": self._reopened,
        }  # fmt: skip

    def close(self) -> None:
        self._closed = True
        self.statistics()  # what the stream has counted outlives it
        streams = [stream for stream in (self._stream, self._lost, self._opened) if stream is not None]
        self._stream = self._lost = self._opened = None
        for stream in streams:
            stream.detach()
        if streams:
            closing = in_background(lambda: self._end(streams))
            closing.join(CLOSE_S)
            if closing.is_alive():
                logger.warning("the audio device (%s) hangs and was left behind", self._name)
        self._source = None

    def after_fork(self) -> None:
        """Leave the device alone: it belongs to the process that this one was forked off."""
        self._closed = True
        self._stream = self._lost = self._opened = self._source = None

    # Losing it and getting it back ---------------------------------------------------------------------------------

    def _watch(self, now: float, stream: Stream) -> None:
        """Give up a device that stopped, or asks for nothing although this process was awake to be asked."""
        callbacks = stream.callbacks
        if callbacks != self._callbacks_seen or now - self._looked_at > AWAKE_S:
            self._callbacks_seen, self._seen_at = callbacks, now
        self._looked_at = now
        if self._stopped.is_set():
            self._lose(now, "the audio device stopped")
        elif not stream.alive:
            self._lose(now, "an error in the audio callback")
        elif now - self._seen_at > HANGS_S:
            self._lose(now, "the audio device hangs")
        elif now >= self._steady_at:
            self._retry_s, self._warned = RETRY_FIRST_S, False

    def _lose(self, now: float, why: str) -> None:
        self._failures += 1
        self._retry_at = now + self._retry_s
        if not self._warned:
            self._warned = True
            logger.warning("%s (%s): no sound until it can be opened again, turns go on", why, self._name)
        if self._stream is not None:
            self._counted = self._stream.statistics()
            self._stream.detach()
            self._lost, self._stream = self._stream, None

    def _try_again(self, now: float) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            self._reopened += 1
            logger.info("the audio device (%s) plays again", self._name)
            self._play(opened, now)
        elif now >= self._retry_at and (self._opening is None or not self._opening.is_alive()):
            self._retry_s = min(2.0 * self._retry_s, RETRY_LONGEST_S)
            self._retry_at = now + self._retry_s
            lost, self._lost = self._lost, None
            self._opening = in_background(lambda: self._open_again(lost))

    def _open_first(self) -> None:
        try:
            self._bring(self._open())
        except OutputError as exc:
            self._refused = exc

    def _open_again(self, lost: Stream | None) -> None:
        if lost is not None:
            self._end([lost])
        try:
            self._bring(self._open())
        except OutputError as exc:
            logger.debug("the audio device does not open yet: %s", exc)
            look_again(self._sd)

    def _bring(self, opened: Stream) -> None:
        """Hand over to whoever catches up, from the thread that opens. `close` first says so, and then looks."""
        self._opened = opened
        if self._closed:
            self._opened = None
            self._end([opened])

    def _open(self) -> Stream:
        """Return a stream that has started and is not attached."""
        sd, source, clock = self._sd, self._source, self._clock
        if source is None or clock is None:
            raise OutputError(f"device {self._name!r} was closed meanwhile")
        info = find_device(sd, self._device)
        self._name = info["name"]
        self._stopped = stopped = threading.Event()

        def open_stream(stream_class: Any, **more: Any) -> Any:
            return stream_class(
                device=info["index"], samplerate=self.rate, blocksize=self._block_frames, dtype="float32",
                latency="low", finished_callback=stopped.set, **more,
            )  # fmt: skip

        try:
            stream: Stream
            if isinstance(source, NativeMixer):
                stream = NativeStream(sd, open_stream, source, clock)
            else:
                stream = PythonStream(sd, open_stream, source, clock)
            stream.start()
        except sd.PortAudioError as exc:
            raise OutputError(
                f"device {self._name!r} does not open at {self.rate} Hz ({exc}); try another rate or device"
            ) from exc
        return stream

    def _play(self, stream: Stream, now: float) -> None:
        source = self._source
        if source is None:
            return
        self._frames.restart(source.position, now + stream.latency_s)
        source.attend(source.position + self._unattended_frames)
        self._callbacks_seen, self._seen_at, self._looked_at, self._steady_at = -1, now, now, now + STEADY_S
        self._stream = stream
        stream.attach()

    def _end(self, streams: list[Stream]) -> None:
        for stream in streams:
            try:
                stream.close()
            except self._sd.PortAudioError as exc:
                logger.debug("closing the audio device failed: %s", exc)

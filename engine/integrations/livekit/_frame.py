"""Fillers as the sink's frames."""

from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
from livekit import rtc

from ....fillers import Samples
from ...outputs import as_pcm16


class FillerFormat:
    """Makes frames that are like the reply's: same rate, same channels.

    Args:
        rate: Hz of the samples that come.
        to_rate: Hz of the frames.
        channels: Of the frames; all get the same.
    """

    def __init__(self, rate: int, to_rate: int, channels: int) -> None:
        self.rate = to_rate
        self.channels = channels
        self._from_rate = rate
        self._begin()

    @property
    def kept_s(self) -> float:
        """s of what came that were kept back."""
        return max(0.0, self._given / self._from_rate - self._made / self.rate)

    def resampled(self, samples: Samples) -> Samples:
        """Return the next *samples*, mono float32, at the frames' rate; the last few are kept back until `end`."""
        if self._resampler is None:
            return samples
        out = np.asarray(self._resampler.resample_chunk(samples), np.float32)
        self._given += len(samples)
        self._made += len(out)
        return out

    def end(self, tail: Samples | None = None) -> tuple[Samples, Samples]:
        """Return what was kept back of a sound that is over, and of its *tail*; what comes next begins anew."""
        tail = np.zeros(0, np.float32) if tail is None else tail
        if self._resampler is None:
            return tail[:0], tail
        if not self._given and not len(tail):
            return tail, tail
        kept = max(0, round(self._given * self.rate / self._from_rate) - self._made)
        rest = np.asarray(self._resampler.resample_chunk(tail, last=True), np.float32)
        self._begin()
        return rest[:kept], rest[kept:]

    def frame(self, samples: Samples) -> rtc.AudioFrame:
        """Return *samples*, at the frames' rate, as a frame."""
        pcm = as_pcm16(samples)
        data = pcm if self.channels == 1 else np.repeat(pcm, self.channels)
        return rtc.AudioFrame(data.tobytes(), self.rate, self.channels, len(samples))

    def _begin(self) -> None:
        rate = self._from_rate
        self._resampler: Any = None if rate == self.rate else soxr.ResampleStream(rate, self.rate, 1, dtype="float32")
        self._given = self._made = 0

    def fits(self, frame: rtc.AudioFrame) -> bool:
        """Return whether *frame* may follow in the same segment."""
        return bool(frame.sample_rate == self.rate and frame.num_channels == self.channels)


def mixed(frame: rtc.AudioFrame, tail: Samples) -> tuple[rtc.AudioFrame, Samples]:
    """Return *frame* with the beginning of *tail*, mono float32 at its rate, added, and what is left of *tail*."""
    count = min(frame.samples_per_channel, len(tail))
    sound: npt.NDArray[np.int32] = np.frombuffer(frame.data, np.int16).astype(np.int32)
    sound[: count * frame.num_channels] += np.repeat(as_pcm16(tail[:count]).astype(np.int32), frame.num_channels)
    data = np.clip(sound, -32768, 32767).astype(np.int16).tobytes()
    both = rtc.AudioFrame(
        data, frame.sample_rate, frame.num_channels, frame.samples_per_channel, userdata=frame.userdata
    )
    return both, tail[count:]

"""Sound into a WAV or FLAC file."""

import logging
from pathlib import Path

import soundfile

from ...fillers import OutputError, Samples
from .._clock import Clock
from ._contract import FrameClock, Source, render_until

logger = logging.getLogger("stopgap")


class FileOutput:
    """Writes what would be heard to a file, following the clock.

    Args:
        path: Ends in ``.wav`` or ``.flac``; its folder exists. Written as 16-bit PCM.
        rate: Hz.

    Raises:
        OutputError: if the file cannot be written.
    """

    def __init__(self, path: str | Path, rate: int = 24_000) -> None:
        self.rate = rate
        self.owns_reply = True
        self.path = Path(path)
        if self.path.suffix.lower() not in (".wav", ".flac"):
            raise OutputError(f"{self.path} is neither .wav nor .flac; name the file so")
        self._frames = FrameClock(rate, 0.0)
        self._source: Source | None = None
        self._failed = False
        try:
            self._file = soundfile.SoundFile(self.path, "w", rate, 1, "PCM_16")
        except (soundfile.LibsndfileError, OSError) as exc:
            raise OutputError(f"{self.path} cannot be written: {exc}; give a path in a folder that exists") from exc

    def start(self, source: Source, clock: Clock) -> None:
        self._source, self._frames = source, FrameClock(self.rate, clock.now())

    def frame_at(self, at: float) -> int:
        return self._frames.frame_at(at)

    def time_of(self, frame: int) -> float:
        return self._frames.time_of(frame)

    def catch_up(self, now: float) -> None:
        if self._source is not None:
            render_until(self._source, self._frames.frame_at(now), self._write)

    def statistics(self) -> dict[str, float]:
        return {"failed": float(self._failed)}

    def close(self) -> None:
        self._source = None
        self._file.close()

    def _write(self, samples: Samples) -> None:
        try:
            if not self._failed:
                self._file.write(samples)
        except (soundfile.LibsndfileError, OSError) as exc:
            self._failed = True
            logger.warning("%s cannot be written any more (%s); the rest is not recorded", self.path, exc)

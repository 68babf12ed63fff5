"""What is seen and heard of a clip on the preview's page: its sound as a ``data:`` address, its wave as a path."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stopgap.fillers import Clip, ClipEntry, Samples

COLUMNS = 900
"""Of a drawn wave: as many as it is wide in pixels on a desk."""
HEIGHT = 200
"""Of a drawn wave, in units of its own: its lines are whole numbers of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Samples to draw and to play."""

    samples: "Samples"
    rate: int
    """Hz."""

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate

    @property
    def peak(self) -> float:
        return float(np.abs(self.samples).max(initial=0.0))

    def address(self) -> str:
        """Return the sound as FLAC in a ``data:`` address: any browser plays it, and nothing is lost."""
        import soundfile

        file = BytesIO()
        soundfile.write(file, self.samples, self.rate, format="FLAC", subtype="PCM_16")
        return f"data:audio/flac;base64,{b64encode(file.getvalue()).decode()}"

    def wave(self, scale: float) -> str:
        """Return the path of an SVG of `COLUMNS` by `HEIGHT`: from the highest to the lowest sample of each column.

        Args:
            scale: What reaches from the middle to the border, as a share of full scale.
        """
        columns = min(COLUMNS, len(self.samples))
        starts = np.arange(columns) * len(self.samples) // columns
        high, low = (of.reduceat(self.samples, starts) for of in (np.maximum, np.minimum))
        top, bottom = (
            np.rint((1.0 - np.clip(side / max(scale, 1e-6), -1.0, 1.0)) * HEIGHT / 2).astype(int)
            for side in (high, low)
        )
        bottom = np.maximum(bottom, top + 1)  # silence is a line, too
        wide = f"{COLUMNS / columns:.4g}"
        there = "".join(f"h{wide}v{down}" for down in np.diff(top))
        back = "".join(f"h-{wide}v{up}" for up in np.diff(bottom[::-1]))
        return f"M0 {top[0]}{there}h{wide}V{bottom[-1]}{back}H0Z"


@dataclass(frozen=True, slots=True, eq=False)
class Previewed:
    """A clip with what the page shows of it."""

    entry: "ClipEntry"
    clip: "Clip"
    sound: Sound
    """As sessions play it."""
    original: Sound | None
    """The recording that it was prepared from, or its piece of that."""
    original_trouble: str | None
    """Why *original* is missing although the manifest names one."""

    @classmethod
    def of(cls, folder: Path, entry: "ClipEntry", clip: "Clip") -> "Previewed":
        """Take *clip*, and read its original."""
        from stopgap.fillers import PackError

        original, trouble = None, None
        try:
            original = _original(folder, entry)
        except PackError as exc:
            trouble = str(exc)
        return cls(entry, clip, Sound(clip.samples, clip.rate), original, trouble)


def _original(folder: Path, entry: "ClipEntry") -> Sound | None:
    from stopgap.fillers.making import Source
    from stopgap.fillers.reading import read_recording

    if entry.original is None:
        return None
    source = Source.of(folder, entry)  # the clip may be a piece of a longer recording
    recording = read_recording(source.original, source.start_frame, source.end_frame)
    return Sound(recording.samples, recording.rate) if len(recording.samples) else None

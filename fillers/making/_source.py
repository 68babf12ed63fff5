"""A recording that is to become a clip, and what is known of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .._kinds import Kind
from .._manifest import ClipEntry, CutMarkEntry, StepEntry, clip_path
from ..reading import recording_rate

GIVEN = "given"
"""Where cut marks come from that somebody set by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A recording, or a piece of a longer one."""

    original: Path
    """The file. It is copied into the pack's ``originals`` unless it lies there; it is never written to."""
    id: str
    """Of the clip that is made of it; one that the pack has already is replaced."""
    kind: Kind
    text: str | None = None
    claims_work: bool = False
    order: int | None = None
    weight: float = 1.0
    language: str | None = None
    """BCP 47 tag; None: the pack's."""
    voice: str | None = None
    licence: str | None = None
    word_ends_ms: tuple[float, ...] = ()
    """ms from the start of the file, or of the piece: where each word ends, if that is known."""
    cut_marks: tuple[CutMarkEntry, ...] = ()
    """Set by hand, likewise; empty: they are to be found."""
    start_frame: int | None = None
    """Of the piece, in the file's own frames; None: from the start."""
    end_frame: int | None = None
    recorded_with: str | None = None
    """What spoke it, as it may be told to anyone."""

    @classmethod
    def of(cls, folder: Path, entry: ClipEntry) -> Self:
        """Return what *entry* of the pack in *folder* was made of: its original, or, without one, its own file.

        Raises:
            PackError: if that cannot be read.
        """
        file = entry.file if entry.original is None else entry.original
        original = clip_path(folder, entry.model_copy(update={"file": file}))
        rate = recording_rate(original)
        before = {step.step: step.facts for step in entry.steps}
        by_hand = entry.original is None or before.get("cut_marks", {}).get("source") == GIVEN
        trimmed_ms = float(before.get("trim", {}).get("start_ms", 0.0))
        piece, recorded = before.get("cut"), before.get("recorded")
        return cls(
            original=original,
            id=entry.id,
            kind=entry.kind,
            text=entry.text,
            claims_work=entry.claims_work,
            order=entry.order,
            weight=entry.weight,
            language=entry.language,
            voice=entry.voice,
            licence=entry.licence,
            word_ends_ms=entry.word_ends_ms,
            cut_marks=moved(entry.cut_marks, trimmed_ms) if by_hand else (),
            start_frame=None if piece is None else round(float(piece["start_ms"]) * rate / 1000),
            end_frame=None if piece is None else round(float(piece["end_ms"]) * rate / 1000),
            recorded_with=None if recorded is None else str(recorded.get("with", "")) or None,
        )

    def steps(self, rate: int, frames: int) -> Iterator[StepEntry]:
        """Yield what had been done before preparation begins.

        Args:
            rate: Hz of the original.
            frames: Its length.
        """
        if self.recorded_with is not None:
            yield StepEntry.of("recorded", **{"with": self.recorded_with})
        if self.start_frame is not None or self.end_frame is not None:
            start, end = self.start_frame or 0, frames if self.end_frame is None else self.end_frame
            yield StepEntry.of("cut", start_ms=round(1000 * start / rate, 2), end_ms=round(1000 * end / rate, 2))


def moved(marks: Iterable[CutMarkEntry], by_ms: float) -> tuple[CutMarkEntry, ...]:
    """Return *marks* moved by *by_ms*, without those that come to lie before the start."""
    return tuple(
        CutMarkEntry(ms=round(mark.ms + by_ms, 2), words=mark.words) for mark in marks if mark.ms + by_ms > 0.0
    )

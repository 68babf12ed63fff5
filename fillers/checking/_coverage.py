"""How much a pack holds of each kind, language by language."""

from collections.abc import Iterable
from dataclasses import dataclass

from .._clip import Clip
from .._kinds import Kind
from .._selection import NO_LANGUAGE


@dataclass(frozen=True, slots=True)
class Tally:
    """The clips of one kind in one language."""

    clips: int
    seconds: float
    """s, all of them together."""


def by_language(clips: Iterable[Clip]) -> dict[str, list[Clip]]:
    """Return *clips* by their language, as a conversation chooses them: upper and lower case are one; ``zxx`` last."""
    found: dict[str, tuple[str, list[Clip]]] = {}
    for clip in clips:
        found.setdefault(clip.language.lower(), (clip.language, []))[1].append(clip)
    return dict(sorted(found.values(), key=lambda pair: pair[0].lower() == NO_LANGUAGE))


def coverage_of(clips: Iterable[Clip]) -> dict[str, dict[Kind, Tally]]:
    """Return what there is of each kind, by language tag; kinds of which there is nothing are left out."""
    return {
        language: {
            kind: Tally(len(found), sum(clip.duration_s for clip in found))
            for kind in Kind
            if (found := [clip for clip in members if clip.kind is kind])
        }
        for language, members in by_language(clips).items()
    }

"""What a pack has already: ids that are taken, and recordings that need not come again."""

from collections.abc import Callable
from pathlib import Path

from .._errors import PackError
from .._manifest import Manifest, clip_path
from ._folder import digest_of

Span = tuple[float, float]
"""ms: start and end of a piece."""
WHOLE: Span = (0.0, float("inf"))


class Present:
    """Ids and recordings of the clips in a pack, and of those that are to come.

    Args:
        folder: Of the pack.
        manifest: Its manifest; None: there is no pack yet.
    """

    def __init__(self, folder: Path, manifest: Manifest | None) -> None:
        self._ids: set[str] = set()
        self._spans: dict[str, list[tuple[Span, str]]] = {}
        for entry in manifest.clips if manifest is not None else ():
            self._ids.add(entry.id)
            cut = next((step.facts for step in entry.steps if step.step == "cut"), None)
            span = WHOLE if cut is None else (float(cut["start_ms"]), float(cut["end_ms"]))
            for file in {entry.file, entry.original or entry.file}:
                try:
                    digest = digest_of(clip_path(folder, entry.model_copy(update={"file": file})))
                except (PackError, OSError):
                    continue  # what is wrong with the pack is told by its check
                self._spans.setdefault(digest, []).append((span if file == entry.original else WHOLE, entry.id))

    def clip_of(self, digest: str, span: Span = WHOLE) -> str | None:
        """Return the id of the clip that is made of this recording, or of most of this piece of it; None: no clip."""
        for other, clip in self._spans.get(digest, ()):
            if span == other or _overlap(span, other) > 0.5 * min(span[1] - span[0], other[1] - other[0]):
                return clip
        return None

    def add(self, digest: str, span: Span, id_of: Callable[[int], str], take: int) -> str:
        """Take an id for a recording, that of *take* or else the next one that is free, and return it."""
        chosen, number = id_of(take), 2
        while chosen in self._ids:
            chosen, number = id_of(number), number + 1
        self._ids.add(chosen)
        self._spans.setdefault(digest, []).append((span, chosen))
        return chosen


def _overlap(one: Span, other: Span) -> float:
    return min(one[1], other[1]) - max(one[0], other[0])

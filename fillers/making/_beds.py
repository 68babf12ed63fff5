"""Beds for a pack that has only speech."""

from pathlib import Path

from .._manifest import clip_path, find_pack, read_manifest
from .._selection import NO_LANGUAGE
from ._source import Source

FROM = "en-us"
"""The bundled pack whose beds they are."""


def bundled_beds(folder: Path) -> tuple[Source, ...]:
    """Return the bundled typing, room, tones and music, for the pack in *folder*; none if it has beds of its own.

    So a pack in the agent's voice is all that a configuration names, and beds lie as far below its speech as they do
    in the bundled pack.

    Raises:
        PackError: if there is a pack in *folder* that cannot be read.
    """
    if (folder / "pack.toml").is_file() and any(not clip.kind.spoken for clip in read_manifest(folder).clips):
        return ()
    bundled = find_pack(FROM)
    return tuple(
        Source(
            original=clip_path(bundled, entry),
            id=entry.id,
            kind=entry.kind,
            weight=entry.weight,
            language=NO_LANGUAGE,
            licence=entry.licence,
        )
        for entry in read_manifest(bundled).clips
        if not entry.kind.spoken
    )

"""Beds beside what is recorded: they lie as far below its speech as they do in the bundled pack."""

from contextlib import suppress
from pathlib import Path

from .._errors import PackError
from .._manifest import clip_path, find_pack, read_manifest
from .._selection import NO_LANGUAGE
from ._source import Source

FROM = "en-us"
"""The bundled pack whose beds they are."""


def bundled_beds() -> tuple[Source, ...]:
    """Return the bundled typing, room, tones and music, for a pack that has only speech.

    So a pack in the agent's voice is all that a configuration names.
    """
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


def has_beds(folder: Path) -> bool:
    """Whether there is a pack in *folder* that has beds.

    Raises:
        PackError: if it cannot be read.
    """
    return (folder / "pack.toml").is_file() and any(not clip.kind.spoken for clip in read_manifest(folder).clips)


def present_beds(folder: Path) -> tuple[Source, ...]:
    """Return the beds that were prepared for the pack in *folder*, to be prepared anew when its speech is.

    Those whose originals cannot be read stay as they are.

    Raises:
        PackError: if the pack cannot be read.
    """
    sources: list[Source] = []
    for entry in read_manifest(folder).clips if has_beds(folder) else ():
        if not entry.kind.spoken and entry.original is not None:
            with suppress(PackError):  # `stopgap pack prepare` tells
                sources.append(Source.of(folder, entry))
    return tuple(sources)

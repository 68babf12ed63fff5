"""The recordings in a pack's ``originals``: found again by what they say and who said it, never changed."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._drafts import remove_leavings, replacing
from .._errors import PackError

FOLDER = "originals"


@dataclass(frozen=True, slots=True)
class Original:
    """A recording that is there."""

    file: Path
    word_ends_ms: tuple[float, ...]
    """ms; empty if the TTS did not tell."""


class Originals:
    """The ``originals`` of the pack in *folder*.

    A take's file is ``<clip id>-<hash>.<ext>``, the next one of the same take ``<clip id>-<hash>-2.<ext>``: files that
    a manifest may name stay. Beside it, ``<clip id>-<hash>.json`` says what the audio does not.

    Args:
        folder: The pack's. Nothing is made until something is kept.

    Raises:
        PackError: if that is a file, or its ``originals`` lie elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise PackError(f"{folder} is a file; give a folder for the pack")
        self._shown = folder / FOLDER
        self._place = folder.resolve() / FOLDER
        if self._place.resolve() != self._place:
            raise PackError(f"{self._shown} leads out of the pack's folder; remove that link")
        if self._place.exists() and not self._place.is_dir():
            raise PackError(f"{self._shown} is a file; move it elsewhere")
        remove_leavings(self._place)

    def stem(self, clip: str, identity: str, text: str, take: int) -> str:
        """Return what a take's files are called without the ending."""
        return f"{clip}-{_hash(identity, text, take)}"

    def find(self, stem: str) -> Original | None:
        """Return the newest recording of that take that was not set aside, or None. Whether it is sound is not seen."""
        for _, name in reversed(self._versions(stem)):
            facts = self._facts(Path(name).stem)
            if "set_aside" not in facts:
                return Original(self._shown / name, _word_ends(facts))
        return None

    def repeated(self, stem: str) -> str | None:
        """Return the name of the recording that this take repeated, or None."""
        same = self._facts(stem).get("same_as")
        if not isinstance(same, str) or "set_aside" in self._facts(Path(same).stem):
            return None
        return same if (self._place / Path(same).name).is_file() else None

    def keep(self, stem: str, audio: bytes, suffix: str, word_ends_ms: tuple[float, ...]) -> Original:
        """Write a recording whole, beside earlier ones of the same take; the very same one is not written twice.

        Raises:
            OSError: if that cannot be done.
        """
        newest = self.find(stem)
        if newest is not None and newest.file.read_bytes() == audio:
            name = newest.file.stem
            suffix = newest.file.suffix[1:]
        else:
            number = max((number for number, _ in self._versions(stem)), default=0) + 1
            name = stem if number == 1 else f"{stem}-{number}"
        # before the audio, which makes it count
        self._write_facts(name, {"word_ends_ms": list(word_ends_ms)} if word_ends_ms else {})
        self._write(f"{name}.{suffix}", audio)
        return Original(self._shown / f"{name}.{suffix}", word_ends_ms)

    def note_repeat(self, stem: str, of: Path) -> None:
        """Remember that this take was the same as the recording *of*, so that it is not asked for again."""
        self._write_facts(stem, {"same_as": of.name})

    def set_aside(self, original: Original, why: str) -> None:
        """Let the file lie, but do not find it any more."""
        name = original.file.stem
        self._write_facts(name, {**self._facts(name), "set_aside": why})

    def _versions(self, stem: str) -> list[tuple[int, str]]:
        """Return the recordings of a take, numbered from 1, ascending. Links are not ours."""
        name = re.compile(rf"{re.escape(stem)}(?:-([2-9]|[1-9]\d+))?\.(?!json$)[a-z0-9]+")
        found = ((name.fullmatch(entry.name), entry) for entry in self._entries())
        return sorted(
            (int(match[1] or 1), entry.name) for match, entry in found if match and entry.is_file(follow_symlinks=False)
        )

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        if self._place.is_dir():
            with os.scandir(self._place) as entries:
                yield from entries

    def _facts(self, name: str) -> dict[str, Any]:
        path = self._place / f"{name}.json"
        try:
            facts = json.loads(path.read_bytes()) if not path.is_symlink() else {}
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def _write_facts(self, name: str, facts: dict[str, Any]) -> None:
        if facts:
            self._write(f"{name}.json", json.dumps(facts).encode())
        else:
            (self._place / f"{name}.json").unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        with replacing(self._place / name) as draft:
            draft.write_bytes(content)


def _hash(identity: str, text: str, take: int) -> str:
    return hashlib.sha256(json.dumps([identity, text, take]).encode()).hexdigest()[:12]


def _word_ends(facts: dict[str, Any]) -> tuple[float, ...]:
    ends = facts.get("word_ends_ms", [])
    if not isinstance(ends, list) or not all(isinstance(end, int | float) for end in ends):
        return ()
    return tuple(float(end) for end in ends)

"""Which files are to be imported."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .._errors import UsageError
from .._kinds import Kind
from ._naming import named_take
from ._raw import RAW_SUFFIXES

AUDIO_SUFFIXES = frozenset((
    ".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".spx", ".mp3", ".mp2", ".aif",
    ".aiff", ".aifc", ".au", ".snd", ".caf", ".voc", ".m4a", ".m4b", ".mp4", ".mov", ".3gp", ".3g2", ".aac", ".wma",
    ".asf", ".webm", ".mka", ".mkv", ".amr", ".awb", ".ac3", ".wv", ".ape", ".tta",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that is not imported."""

    file: Path
    reason: str
    """One sentence that names the file."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found."""

    files: tuple[Path, ...]
    """In the order given; those of a folder by name."""
    refused: tuple[Refusal, ...]
    passed_over: int
    """Hidden files, and those that are neither recordings nor texts of them."""


def gathered(paths: Iterable[Path], *, out: Path) -> Gathered:
    """Find the recordings among *paths*, files and folders; *out*, the pack, is not looked into.

    A link in a folder is followed only to where that folder is: nobody expects a copy of a folder's neighbours.

    Raises:
        UsageError: if one of *paths* does not exist, or is the pack.
    """
    files: dict[Path, None] = {}
    refused: list[Refusal] = []
    others: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist; give recordings, or a folder of them")
        if path.resolve() == out.resolve():
            raise UsageError(f"{path} is the pack itself; put the recordings in another folder")
        for file in _walked(path, out.resolve()) if path.is_dir() else [path]:
            if (shown := _readable(file)) != file:
                refused.append(Refusal(shown, f"{shown} has a name that is not UTF-8; rename it"))
            elif path.is_dir() and not file.resolve().is_relative_to(path.resolve()):
                refused.append(Refusal(file, f"{file} is a link that leads out of {path}; put a copy there instead"))
            elif file.is_dir():
                others.append(file)  # a link within the folder
            elif _is_recording(file):
                files.setdefault(file)
            else:
                others.append(file)
    texts = {file.with_name(f"{stem}.txt") for file in files for stem in (file.stem, named_take(file.stem).stem)}
    return Gathered(tuple(files), tuple(refused), len(set(others) - texts))


def kind_of_folder(file: Path) -> Kind | None:
    """Return the kind after which the folder is named in which *file* lies."""
    name = file.absolute().parent.name.lower()
    return next((kind for kind in Kind if name in (kind.value, f"{kind.value}s")), None)


def _walked(folder: Path, out: Path) -> Iterator[Path]:
    """Yield the files under *folder*, and links to folders."""
    for place, folders, names in os.walk(folder):
        here = Path(place)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(
            name
            for name in folders
            if name not in links and not name.startswith(".") and (here / name).resolve() != out
        )
        yield from (here / name for name in sorted([*names, *links], key=_by_number))


def _by_number(name: str) -> tuple[str, int, str]:
    """Return by what to sort, so that ``um 10`` comes after ``um 2``."""
    stem = Path(name).stem
    digits = stem[len(stem.rstrip("0123456789")) :]
    return stem[: len(stem) - len(digits)], int(digits[:9] or 0), name


def _readable(file: Path) -> Path:
    """Return *file*, with marks for what of its name is no text: such a name can neither be printed nor kept."""
    return Path(os.fsencode(file).decode("utf-8", "replace"))


def _is_recording(file: Path) -> bool:
    suffix = file.suffix.lower()
    return not file.name.startswith(".") and (suffix in AUDIO_SUFFIXES or suffix in RAW_SUFFIXES)

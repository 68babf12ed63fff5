"""What is said in recordings: a spec's lines, found by a file's name or read one after the other."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .._errors import PackError
from .._kinds import Kind
from .._spec import Line, Spec, read_spec, slug
from .._validation import validated
from ._gathering import kind_of_folder
from ._naming import NamedTake

MOST_TEXT = 10_000
"""Bytes of a text file: a minute's speech has a tenth of that."""


@dataclass(frozen=True, slots=True)
class Script:
    """Lines, and how often each is said."""

    lines: tuple[Line, ...] = ()
    takes: tuple[int, ...] = ()
    spec: Spec | None = None
    """None if the lines are those of a folder of texts, or there are none."""

    def readings(self) -> Iterator[tuple[Line, int]]:
        """Yield each line with the number of its take, in the order of a reading."""
        for line, takes in zip(self.lines, self.takes, strict=True):
            yield from ((line, take) for take in range(1, takes + 1))

    def line_of(self, whole: str, named: NamedTake, kind: Kind | None) -> tuple[Line, int] | None:
        """Return the line that a file of this name holds, and its take; None if no line has its name.

        Args:
            whole: The name without its suffix.
            named: The same, taken apart.
            kind: What the file's folder says.

        Raises:
            PackError: if only lines of other kinds have that name.
        """
        others: list[Line] = []
        for name, take in ((whole, 1), (named.stem, named.take)):
            for line in self.lines:
                if _names(name, line):
                    if kind in (None, line.kind):
                        return line, take
                    others.append(line)
        if others:
            raise PackError(f"is in a folder of kind {kind}, and the spec has {others[0].text!r} as {others[0].kind}; "
                            "move it, or correct the spec")  # fmt: skip
        return None


def _names(name: str, line: Line) -> bool:
    """Whether a file of this *name* holds *line*."""
    as_id = _as_id(name)
    return _plain(name) == _plain(line.text) or (as_id is not None and as_id in (line.id, _as_id(line.text)))


def _as_id(text: str) -> str | None:
    """Return *text* as an id; None if letters get lost on the way: all Chinese is one id."""
    letters = [letter for letter in unicodedata.normalize("NFKD", text) if letter.isalnum()]
    return slug(text) if letters and all(letter.isascii() for letter in letters) else None


def _plain(text: str) -> str:
    words = unicodedata.normalize("NFC", text).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in words).split())


def read_script(path: Path | None) -> Script:
    """Read a spec, or a folder of texts: ``hesitation/um.txt``, in the order of their names.

    Raises:
        PackError: if that cannot be; one sentence.
    """
    if path is None:
        return Script()
    if not path.is_dir():
        spec = read_spec(path)
        return Script(spec.lines, tuple(spec.takes_of(line) for line in spec.lines), spec)
    lines: list[Line] = []
    for file in sorted(path.rglob("*.txt")):
        kind = kind_of_folder(file)
        if kind is not None and not file.name.startswith("."):
            fields = {"kind": kind, "text": read_text(file, within=path)}
            lines.append(validated(Line, fields, where=str(file), error=PackError))
    if not lines:
        raise PackError(f"{path} holds no texts; write them as {path / 'hesitation' / 'um.txt'}, or give a spec (TOML)")
    return Script(tuple(lines), (1,) * len(lines))


def read_text(file: Path, *, within: Path) -> str:
    """Return the words in *file*, on one line.

    Raises:
        PackError: if it is outside of *within* (a link), too large, not UTF-8, or empty.
    """
    if not file.resolve().is_relative_to(within.resolve()):
        raise PackError(f"{file} is a link that leads out of {within}; put a copy there instead")
    try:
        if file.stat().st_size > MOST_TEXT:
            raise PackError(f"{file} is larger than {MOST_TEXT} bytes; write only what is said in the recording")
        text = " ".join(file.read_text(encoding="utf-8-sig").split())
    except OSError as exc:
        raise PackError(f"{file} cannot be read ({exc.strerror}); see whether it is yours") from exc
    except UnicodeDecodeError as exc:
        raise PackError(f"{file} is not UTF-8 text; save it as UTF-8") from exc
    if not text:
        raise PackError(f"{file} is empty; write what is said in the recording")
    return text

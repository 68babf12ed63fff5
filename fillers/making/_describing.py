"""What a recording is a clip of: its kind, its words, and whether these promise work."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .._errors import PackError
from .._kinds import Kind
from .._spec import Line, slug
from ._gathering import kind_of_folder
from ._naming import named_take
from ._script import Script, read_text

TextFrom = Literal["sidecar", "spec", "name", "option"]


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a recording besides its sound."""

    kind: Kind
    text: str | None
    text_from: TextFrom | None
    """Whence *text* is; None: there is none."""
    claims_work: bool
    claims_from: Literal["spec", "wording"] | None
    """Whence *claims_work* is; None: nobody could tell."""
    base: str
    """The id of the first take."""
    take: int = 1
    order: int | None = None
    weight: float = 1.0

    def id_of(self, take: int) -> str:
        """Return the id of the *take*-th take."""
        return self.base if take == 1 else f"{self.base[:76]}-{take}"


def described(file: Path, script: Script, kind: Kind | None, language: str) -> Description:
    """Return what *file* holds, by its folder, the text file beside it, the script, and its name.

    Args:
        file: A recording.
        script: The lines that may be in it.
        kind: What it is if neither its folder nor the script says so.
        language: BCP 47 tag of its words.

    Raises:
        PackError: if that does not tell; one sentence that names the file.
    """
    named, placed = named_take(file.stem), kind_of_folder(file)
    try:
        found = script.line_of(file.stem, named, placed)
    except PackError as exc:
        raise PackError(f"{file} {exc}") from None
    sidecar = sidecar_of(file)
    if found is not None:
        line, take = found
        of_line = described_line(line, take)
        return of_line if sidecar is None else replace(of_line, text=sidecar, text_from="sidecar")
    settled = placed or kind
    if settled is None:
        raise PackError(f"{file} is of no known kind; put it in a folder such as hesitation/, or give --kind")
    if not settled.spoken:
        return described_bed(settled, slug(named.stem), named.take)
    text = sidecar or named.text
    if text is None:
        raise PackError(f"{file} has a name that says no words; write what is said into {file.with_suffix('.txt')}")
    return described_words(settled, text, "name" if sidecar is None else "sidecar", language, named.take)


def described_line(line: Line, take: int) -> Description:
    """Return what the *take*-th recording of *line* is."""
    return Description(
        line.kind, line.text, "spec", line.claims_work, "spec", line.clip_id(1), take, line.order, line.weight
    )


def described_bed(kind: Kind, base: str, take: int) -> Description:
    """Return what a recording without words is."""
    return Description(kind, None, None, False, "spec", base, take)


def described_words(kind: Kind, text: str, text_from: TextFrom, language: str, take: int) -> Description:
    """Return what a recording of *text* is, of which nothing else is known."""
    from ..texts import claims_work

    claims = claims_work(text, language)
    return Description(kind, text, text_from, bool(claims), None if claims is None else "wording", slug(text), take)


def sidecar_of(file: Path) -> str | None:
    """Return what the text file beside *file* says: ``um-2.txt``, or ``um.txt`` for all takes.

    Raises:
        PackError: if it cannot be read.
    """
    for name in dict.fromkeys((file.stem, named_take(file.stem).stem)):
        beside = file.with_name(f"{name}.txt")
        if beside.exists():
            return read_text(beside, within=file.parent)
    return None

"""The banks: one TOML file a language, in the format of a spec."""

import re
import tomllib
from collections.abc import Collection, Iterator
from importlib.resources import files

from .._errors import PackError
from .._kinds import Kind
from .._language import primary_language
from .._spec import Spec
from .._validation import validated

_LINE = re.compile(r'\s*\{ kind = "(\w+)"')


def bank_languages() -> tuple[str, ...]:
    """Return the languages that have a bank, without regions: ``de``, ``en`` ..."""
    names = (file.name for file in files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if re.fullmatch(r"[a-z]{2,3}\.toml", name)))


def read_bank(language: str) -> Spec:
    """Return the filler texts for *language*, ready to be recorded.

    Args:
        language: A language tag; a region that has no bank of its own falls back to its language (``es-MX`` to
            ``es``).

    Raises:
        PackError: naming the languages that there are.
    """
    return validated(Spec, tomllib.loads(bank_toml(language)), where=f"bank {language!r}", error=PackError)


def bank_toml(language: str, kinds: Collection[Kind] | None = None) -> str:
    """Return the file behind `read_bank`, comments included; of *kinds* only, if given.

    Raises:
        PackError: as `read_bank`.
    """
    name = primary_language(language)
    if name not in bank_languages():
        raise PackError(f"there are no texts for {language!r}; write one of {', '.join(bank_languages())}")
    text = (files(__package__) / f"{name}.toml").read_text(encoding="utf-8")
    return text if kinds is None else "".join(_of_kinds(text, kinds)).replace("[\n\n", "[\n")


def _of_kinds(text: str, kinds: Collection[str]) -> Iterator[str]:
    """Yield the lines of *text* without those that say something of other kinds; a comment goes with what follows."""
    waiting: list[str] = []
    inside = False
    for row in text.splitlines(keepends=True):
        kind = _LINE.match(row)
        if not inside or row.startswith("]"):
            yield row
        elif kind is None:
            waiting.append(row)
        else:
            if kind[1] in kinds:
                yield from waiting
                yield row
            waiting.clear()
        inside = inside or row.startswith("lines = [")

"""What a pack is to say: the texts from which it is recorded."""

import re
import unicodedata
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ._config import Name
from ._errors import PackError
from ._kinds import Kind
from ._language import LanguageTag
from ._manifest import ClipId
from ._override import Text
from ._preparation import PreparationSettings
from ._validation import Section, read_toml, validated

Takes = Annotated[int, Field(ge=1, le=20)]


def _is_spoken(kind: Kind) -> Kind:
    if not kind.spoken:
        raise ValueError(f"{kind} has no words; a spec lists what is spoken: import beds with `stopgap pack import`")
    return kind


class Line(Section):
    """Something to say."""

    kind: Annotated[Kind, AfterValidator(_is_spoken)]
    text: Text
    """As records and transcripts show it."""
    say: Text | None = None
    """What the TTS reads, where *text* would not come out right."""
    id: ClipId | None = None
    """Of its first take, the others have ``-2``, ``-3`` ... after it; None: made of the text."""
    takes: Takes | None = None
    """None: the spec's."""
    weight: float = Field(default=1.0, gt=0, le=1000)
    claims_work: bool = False
    """The text promises that work is being done: played only while a tool runs."""
    order: int | None = Field(default=None, ge=1, le=100)
    """Progress lines: 1 comes first."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.order is not None and self.kind is not Kind.PROGRESS:
            raise ValueError(f"{self.text!r} has an order, which only progress lines have; leave it out")
        return self

    @property
    def spoken(self) -> str:
        """What the TTS reads."""
        return self.say or self.text

    def clip_id(self, take: int) -> str:
        """Return the id of the clip made of the *take*-th recording, from 1."""
        first = self.id or slug(self.text)
        return first if take == 1 else f"{first[:76]}-{take}"


class Spec(Section):
    """The content of a spec: a pack's texts."""

    format: int = Field(default=1, ge=1, le=1)
    name: Name
    language: LanguageTag
    voice: Name | None = None
    licence: Text = "not stated"
    """Under which terms the recordings may be used: what your TTS's provider allows."""
    takes: Takes = 1
    """Recordings of each line: users notice the very same "um"."""
    preparation: PreparationSettings = PreparationSettings()
    lines: tuple[Line, ...] = Field(min_length=1, max_length=2000)

    @model_validator(mode="after")
    def _clips_have_ids_of_their_own(self) -> Self:
        seen: dict[str, str] = {}
        for line in self.lines:
            for take in range(1, self.takes_of(line) + 1):
                clip = line.clip_id(take)
                if clip in seen:
                    raise ValueError(f"{seen[clip]!r} and {line.text!r} would both be the clip {clip!r}; "
                                     "give one of them an id")  # fmt: skip
                seen[clip] = line.text
        return self

    def takes_of(self, line: Line) -> int:
        return line.takes if line.takes is not None else self.takes


def read_spec(path: Path) -> Spec:
    """Read and check a spec.

    Raises:
        PackError: naming the key and what to write instead.
    """
    return validated(Spec, read_toml(path, PackError, what="spec"), where=str(path), error=PackError)


def slug(text: str) -> str:
    """Return *text* as an id: ASCII letters and digits with hyphens between them, at most 60."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"['’`]", "", plain)
    return re.sub(r"[^a-z0-9]+", "-", plain)[:60].strip("-") or "clip"

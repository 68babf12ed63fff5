"""What an import is told, and what it is going to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from .._config import Name
from .._kinds import Kind
from .._language import LanguageTag
from .._override import Text
from .._preparation import PreparationSettings
from .._validation import Section
from ._building import PackHead
from ._cutting import Piece
from ._describing import Description
from ._gathering import Refusal
from ._raw import RawSettings
from ._source import Source


class ImportSettings(Section):
    """What is not told by files."""

    kind: Kind | None = None
    """Of files that lie in no folder of a kind's name."""
    language: LanguageTag | None = None
    voice: Name | None = None
    licence: Text | None = None
    text: Text | None = None
    """What every piece says, where recordings are cut without a script."""
    raw: RawSettings = RawSettings()
    cut: bool = False
    """Whether each recording holds many clips."""
    silence_ms: float = Field(default=400.0, ge=50, le=10_000)
    """ms of silence between two of them."""


@dataclass(frozen=True, slots=True)
class PlannedClip:
    """A clip that will be made."""

    file: Path
    """The recording, as it was given."""
    source: Source
    described: Description
    piece: Piece | None
    """None: the whole recording."""
    remarks: tuple[str, ...] = ()
    """What its owner may want to look at."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A recording that is there already."""

    file: Path
    clip: str
    piece: Piece | None
    where: Literal["pack", "import"]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What becomes of the files that were given."""

    head: PackHead
    preparation: PreparationSettings | None
    """None: as the pack says."""
    clips: tuple[PlannedClip, ...]
    skipped: tuple[Skip, ...]
    refused: tuple[Refusal, ...]
    passed_over: int
    """Hidden files, and those that are no recordings."""
    pieces: tuple[tuple[Path, Piece], ...] = ()
    """Of recordings that were cut, whether or not they fit the script."""

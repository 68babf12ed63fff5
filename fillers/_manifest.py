"""A pack's manifest: what is in ``pack.toml``."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ._config import Name
from ._errors import PackError
from ._kinds import Kind
from ._language import LanguageTag
from ._override import Text
from ._preparation import PreparationSettings
from ._validation import Section, read_toml, validated

ClipId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]


def _is_path(file: str) -> str:
    if "\0" in file:
        raise ValueError(f"{file!r} is no name of a file; write its path")
    return file


PackPath = Annotated[Name, AfterValidator(_is_path)]
_LONGEST_MS = 3_600_000
"""An hour: no recording lasts as long."""


class CutMarkEntry(Section):
    """A place where the clip may end cleanly."""

    ms: float = Field(gt=0, le=60_000)
    """ms from the start of the file."""
    words: int = Field(ge=0, le=1000)
    """Words of the text spoken by then."""


class StepEntry(BaseModel):
    """Something that was done to a recording; what else it says depends on the step."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    step: Name

    @model_validator(mode="after")
    def _has_its_times(self) -> Self:
        """Refuse times that are none, since clips are made again by them."""
        if self.step == "cut" and not {"start_ms", "end_ms"} <= self.facts.keys():
            raise ValueError("the step cut has no start_ms and end_ms; write what part of the original the clip is")
        for name, value in self.facts.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if name.endswith("_ms") and not (number and 0 <= value <= _LONGEST_MS):
                raise ValueError(f"{name} = {value!r} of the step {self.step} is no time; write ms from 0 on")
        return self

    @classmethod
    def of(cls, step: str, **facts: float | int | str | bool) -> Self:
        """Return the step named *step* with what else it says."""
        return cls.model_validate({"step": step, **facts})

    @property
    def facts(self) -> dict[str, Any]:
        """What it says besides its name."""
        return self.model_extra or {}


class ClipEntry(Section):
    """One clip of a pack."""

    id: ClipId
    file: PackPath
    """Path inside the pack's folder."""
    kind: Kind
    text: Text | None = None
    """What is said; required for spoken kinds."""
    weight: float = Field(default=1.0, gt=0, le=1000)
    """Relative frequency among its kind."""
    claims_work: bool = False
    """The text promises that work is being done ("let me check"): played only while a tool runs."""
    order: int | None = Field(default=None, ge=1, le=100)
    """Progress lines: 1 comes first."""
    language: LanguageTag | None = None
    """BCP 47 tag; default: the pack's. ``zxx`` fits every language."""
    voice: Name | None = None
    licence: Text | None = None
    """Default: the pack's."""
    original: PackPath | None = None
    """Path inside the pack's folder of the recording from which *file* was prepared; never written to."""
    word_ends_ms: tuple[float, ...] = Field(default=(), max_length=1000)
    """ms from the original's start: where each word ends, if the TTS told."""
    steps: tuple[StepEntry, ...] = Field(default=(), max_length=100)
    """What was done to the original, in this order."""
    loudness_dbfs: float | None = Field(default=None, ge=-100, le=0)
    """dBFS. Level of the loud parts (RMS), as measured when the clip was made."""
    cut_marks: tuple[CutMarkEntry, ...] = Field(default=(), max_length=1000)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind.spoken and self.text is None:
            raise ValueError(f"clip {self.id!r} is spoken and has no text; write what is said")
        if self.order is not None and self.kind is not Kind.PROGRESS:
            raise ValueError(f"clip {self.id!r} has an order, which only progress lines have; leave it out")
        times = [mark.ms for mark in self.cut_marks]
        if times != sorted(set(times)):
            raise ValueError(f"clip {self.id!r}: cut_marks must ascend by ms")
        return self


class Manifest(Section):
    """The content of ``pack.toml``."""

    format: int = Field(ge=1, le=1)
    """Version of this format: 1."""
    name: Name
    language: LanguageTag
    voice: Name | None = None
    licence: Text
    preparation: PreparationSettings | None = None
    """How the recordings were prepared; None: by other means."""
    clips: tuple[ClipEntry, ...] = Field(min_length=1, max_length=10_000)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen: set[str] = set()
        for clip in self.clips:
            if clip.id in seen:
                raise ValueError(f"two clips have the id {clip.id!r}; ids are unique within a pack")
            seen.add(clip.id)
        return self


def find_pack(name: str) -> Path:
    """Return the folder of the pack *name*: a bundled one, or a path.

    Raises:
        PackError: if there is no such folder with a ``pack.toml``.
    """
    for folder in (bundled_folder() / name, Path(name)):
        try:
            if (folder / "pack.toml").is_file():
                return folder
        except OSError as exc:  # a folder that one may not look into, a name too long for the disk
            raise PackError(f"pack {name!r} cannot be read ({exc.strerror}); name another") from exc
    raise PackError(
        f"pack {name!r} not found: neither bundled ({', '.join(bundled_packs())}) nor a folder with a pack.toml"
    )


def bundled_packs() -> list[str]:
    """Return the names of the packs that come with stopgap."""
    return sorted(p.parent.name for p in bundled_folder().glob("*/pack.toml"))


def bundled_folder() -> Path:
    return Path(str(files("stopgap.audio_assets")))


def read_manifest(folder: Path) -> Manifest:
    """Read and check *folder*'s ``pack.toml``.

    Raises:
        PackError: naming the key and what to write instead.
    """
    path = folder / "pack.toml"
    return validated(Manifest, read_toml(path, PackError, what="pack"), where=str(path), error=PackError)


def clip_path(folder: Path, entry: ClipEntry) -> Path:
    """Return where *entry*'s file lies.

    Raises:
        PackError: if that is outside *folder*, also through a link, or not a file.
    """
    root = (folder / "pack.toml").resolve().parent  # an editable install links each file: follow the manifest
    path = (root / entry.file).resolve()
    if not path.is_relative_to(root):
        raise PackError(
            f"{folder}: clip {entry.id!r}: file {entry.file!r} is outside the pack's folder; move it inside"
        )
    if not path.is_file():
        advice = "; write / between folders, as every system reads it" if "\\" in entry.file else ""
        raise PackError(f"{folder}: clip {entry.id!r}: file '{entry.file}' is missing{advice}")
    return path

"""A pack for the checks: what of it loads, and why the rest does not."""

from dataclasses import dataclass
from pathlib import Path

from .._clip import Clip, Samples
from .._decode import decode
from .._errors import PackError
from .._loaded import load_clip
from .._manifest import ClipEntry, Manifest, clip_path, read_manifest
from .._problems import problems
from .._validation import read_toml
from ._finding import Finding


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A clip that loads."""

    entry: ClipEntry
    clip: Clip
    raw: Samples
    """What its file holds: *clip* has its edges softened."""

    @property
    def id(self) -> str:
        return self.clip.id

    @property
    def rate(self) -> int:
        """Hz."""
        return self.clip.rate


def load(folder: Path) -> tuple[Manifest | None, list[Loaded], list[Finding]]:
    """Return *folder*'s manifest (None if it cannot be read), the clips that load, and every error."""
    try:
        wrong = problems(Manifest, read_toml(folder / "pack.toml", PackError, what="pack"))
    except PackError as exc:
        wrong = [str(exc)]
    if wrong:
        return None, [], [Finding("error", "manifest", None, sentence) for sentence in wrong]
    manifest = read_manifest(folder)
    loaded: list[Loaded] = []
    errors: list[Finding] = []
    for entry in manifest.clips:
        try:
            clip = load_clip(folder, manifest, entry)
            loaded.append(Loaded(entry, clip, decode(clip_path(folder, entry))[0]))
        except PackError as exc:
            sentence = str(exc).removeprefix(f"{folder}: clip {entry.id!r}: ")
            errors.append(Finding("error", "file", entry.id, sentence))
    return manifest, loaded, errors

"""A pack's folder, written so that nothing is lost and nothing is seen half-done."""

import hashlib
import io
import os
import shutil
from contextlib import suppress
from pathlib import Path

import soundfile

from .._clip import Samples
from .._drafts import draft_of, remove_leavings, replacing
from .._errors import PackError
from .._kinds import Kind
from .._spec import slug

ORIGINALS = "originals"


class PackFolder:
    """Where a pack lies. Clips are drafted beside their places and moved there all at once.

    What runs that were killed had drafted is removed.

    Args:
        root: The folder; made when something is written.

    Raises:
        PackError: if there is a file of that name.
    """

    def __init__(self, root: Path) -> None:
        if root.exists() and not root.is_dir():
            raise PackError(f"{root} is a file; give a folder for the pack")
        self.root = root
        self._drafts: dict[Path, Path] = {}
        self._digests: dict[Path, str] = {}
        """Of files outside of the pack: one long recording holds many clips."""
        for name in ("", ORIGINALS, *Kind):
            remove_leavings(root.resolve() / name)

    @property
    def manifest(self) -> Path:
        return self.root / "pack.toml"

    def keep_original(self, file: Path) -> str:
        """Copy *file* into the pack unless it is there already, and return its path inside the pack."""
        originals = self._inside(ORIGINALS)
        if file.resolve().parent == originals:
            return f"{ORIGINALS}/{file.name}"
        name = f"{slug(file.stem)}{file.suffix.lower()}"
        if file not in self._digests:
            self._digests[file] = digest_of(file)
        digest = self._digests[file]
        if (originals / name).exists() and digest_of(originals / name) != digest:
            name = f"{slug(file.stem)[:50]}-{digest[:10]}{file.suffix.lower()}"
        if not (originals / name).exists():
            with replacing(originals / name) as draft:
                shutil.copyfile(file, draft)
        return f"{ORIGINALS}/{name}"

    def occupied(self, kind: Kind, id: str) -> bool:
        """Whether there is a file where that clip would be written."""
        return self._inside(f"{kind.value}/{id}.flac").exists()

    def draft_clip(self, kind: Kind, id: str, samples: Samples, rate: int) -> str:
        """Write a clip beside its place; `publish` moves it there. Return its path inside the pack."""
        name = f"{kind.value}/{id}.flac"
        target = self._inside(name)
        draft = draft_of(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._drafts[target] = draft
        encoded = io.BytesIO()  # libsndfile does not say that a disk is full, and closes a file without a word
        soundfile.write(encoded, samples, rate, format="FLAC", subtype="PCM_16")
        draft.write_bytes(encoded.getbuffer())
        return name

    def publish(self, manifest: str) -> None:
        """Move all drafts to their places, then write *manifest*, the text of ``pack.toml``, which makes them count."""
        for target, draft in self._drafts.items():
            os.replace(draft, target)
        self._drafts.clear()
        with replacing(self.manifest) as draft:
            draft.write_text(manifest, encoding="utf-8", newline="\n")

    def discard(self) -> None:
        """Remove drafts that were not published."""
        for draft in self._drafts.values():
            with suppress(OSError):  # of a folder that cannot be written to, which has been told
                draft.unlink(missing_ok=True)
        self._drafts.clear()

    def _inside(self, name: str) -> Path:
        """Return where *name* lies, links followed.

        Raises:
            PackError: if that is outside of the pack.
        """
        root = self.root.resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise PackError(f"{self.root / name} leads out of the pack's folder; remove that link")
        return path


def digest_of(file: Path) -> str:
    """Return the SHA-256 of *file*'s content.

    Raises:
        OSError: if it cannot be read.
    """
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

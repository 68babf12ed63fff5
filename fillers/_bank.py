"""All packs a manager speaks from, one copy per rate for every session of the process."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ._clip import Clip
from ._errors import PackError
from ._fork import put_right_in_children
from ._loaded import LoadedPack, Progress, Version, at_rate, load_clip, loaded_pack
from ._manifest import Manifest, find_pack, read_manifest
from ._progress import bar_when_long


@dataclass(frozen=True, slots=True)
class _Content:
    """What a bank holds at one time."""

    packs: tuple[LoadedPack, ...]
    by_rate: dict[int, tuple[Clip, ...]] = field(default_factory=dict)


class ClipBank:
    """The clips of all loaded packs.

    Clips are read-only float32, kept once per requested rate. Banks of one process share the packs that they have in
    common: a second one costs no second copy.

    Args:
        packs: Names of bundled packs or paths of pack folders, in the order of preference.
        clips: Further ones, such as lines that your own TTS spoke at start-up; read-only samples, the end marked.
        progress: Wraps the clips of a pack while it loads, and receives its name; shows a bar when it takes long.

    Raises:
        PackError: naming the pack, the clip and what to do, before anything plays.
    """

    def __init__(
        self,
        packs: Iterable[str | Path] = ("en-us",),
        *,
        clips: Iterable[Clip] = (),
        progress: Progress = bar_when_long,
    ) -> None:
        self._lock, self._reloading = threading.Lock(), threading.Lock()
        put_right_in_children(self)
        self._folders = tuple(find_pack(str(pack)).absolute() for pack in packs)  # a daemon changes its directory
        self._further = tuple(clips)
        self._content = self._read(progress)

    def after_fork(self) -> None:
        self._lock, self._reloading = threading.Lock(), threading.Lock()

    def clips(self, rate: int) -> tuple[Clip, ...]:
        """Return every clip at *rate* Hz; the first call for a rate resamples. The same tuple until a reload."""
        found = self._content.by_rate.get(rate)
        if found is not None:  # without the lock, which whoever converts to another rate holds for long
            return found
        with self._lock:
            return self._at(self._content, rate)

    @property
    def catalog(self) -> tuple[Clip, ...]:
        """Every clip at whatever rate is at hand: for its id, text, kind and the like."""
        return self._listed(self._content)

    @property
    def originals(self) -> tuple[Clip, ...]:
        """Every clip at the rate of its file; decoded anew unless no rate was asked for yet.

        Raises:
            PackError: if the files can no longer be read.
        """
        return (*(clip for pack in self._content.packs for clip in pack.originals()), *self._further)

    @property
    def nbytes(self) -> int:
        """Bytes of sample memory, over the rates that were asked for; banks of one process share it."""
        content = self._content
        held = tuple(content.by_rate.values()) or (self._listed(content),)
        return sum({id(clip.samples): clip.samples.nbytes for clips in held for clip in clips}.values())

    def changed(self) -> Version | None:
        """Return the version of the packs' files if it is not the one that was loaded; no clip is read."""
        packs = self._content.packs
        now = tuple(pack.version_now(folder) for folder, pack in zip(self._folders, packs, strict=True))
        return None if now == tuple(pack.version for pack in packs) else now

    def reload(self, check: Callable[[Sequence[Clip]], object] = lambda clips: None) -> bool:
        """Take in packs whose files have changed, at every rate in use.

        Sessions go on meanwhile with what they have, and so does what sounds.

        Args:
            check: Is given the new clips before they are taken, and raises if they will not do.

        Returns:
            Whether anything had changed.

        Raises:
            PackError: if a pack cannot be used; what was loaded before stays.
        """
        with self._reloading:
            content = self._read(bar_when_long)
            if content.packs == self._content.packs:
                return False
            check(self._listed(content))
            for rate in tuple(self._content.by_rate):
                self._at(content, rate)
            with self._lock:
                for rate in self._content.by_rate:  # asked for meanwhile
                    self._at(content, rate)
                self._content = content
            return True

    def _read(self, progress: Progress) -> _Content:
        content = _Content(tuple(loaded_pack(folder, progress) for folder in self._folders))
        seen: set[str] = set()
        for clip in self._listed(content):  # ids name clips in records
            if clip.id in seen:
                raise PackError(f"two packs have a clip {clip.id!r}; rename one of them")
            seen.add(clip.id)
        return content

    def _listed(self, content: _Content) -> tuple[Clip, ...]:
        return (*(clip for pack in content.packs for clip in pack.catalog()), *self._further)

    def _at(self, content: _Content, rate: int) -> tuple[Clip, ...]:
        if rate not in content.by_rate:
            packs = (clip for pack in content.packs for clip in pack.clips(rate))
            content.by_rate[rate] = (*packs, *(at_rate(clip, rate) for clip in self._further))
        return content.by_rate[rate]


def load_pack(folder: Path) -> tuple[Manifest, tuple[Clip, ...]]:
    """Load one pack, at the rates of its files.

    Raises:
        PackError: at its first problem.
    """
    manifest = read_manifest(folder)
    return manifest, tuple(load_clip(folder, manifest, entry) for entry in manifest.clips)

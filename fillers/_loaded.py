"""Packs in memory: decoded once in the process, however many banks use them."""

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ._clip import Clip, CutMark
from ._decode import decode, resampled, resampled_loop, with_soft_edges
from ._errors import PackError
from ._fork import put_right_in_children
from ._manifest import ClipEntry, Manifest, clip_path, read_manifest
from ._progress import bar_when_long

Progress = Callable[[Sequence[ClipEntry], str], Iterator[ClipEntry]]
Version = tuple[object, ...]
"""Of a pack's files: another one where any of them was written or replaced."""

ATTEMPTS = 3
"""Times that a pack is read anew because its files were changed meanwhile."""


class LoadedPack:
    """One version of a pack's clips: read-only float32, one copy a rate.

    Until a rate is asked for, clips are at their files' own rates; then these are let go, and read again if a further
    rate is wanted. So what stays in memory is what is played.

    Args:
        folder: Of the pack.
        manifest: Of the pack.
        version: Of its files.
        progress: Wraps the clips while they are decoded.

    Raises:
        PackError: naming the clip and what to do.
    """

    def __init__(self, folder: Path, manifest: Manifest, version: Version, progress: Progress) -> None:
        self.folder = folder
        self.manifest = manifest
        self.version = version
        self._lock = threading.Lock()
        put_right_in_children(self)
        self._by_rate: dict[int, tuple[Clip, ...]] = {}
        self._changed: tuple[object, Manifest | None] = None, None
        """The stamp of a manifest that is not this version's, and what it says."""
        self._originals: list[Clip] = [
            load_clip(folder, manifest, entry) for entry in progress(manifest.clips, manifest.name)
        ]

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def clips(self, rate: int) -> tuple[Clip, ...]:
        """Return every clip at *rate* Hz; the first call for a rate resamples."""
        with self._lock:
            if rate not in self._by_rate:
                self._by_rate[rate] = self._made_at(rate)
                self._originals.clear()
            return self._by_rate[rate]

    def catalog(self) -> tuple[Clip, ...]:
        """Return every clip at whatever rate is at hand: for what is known of it besides its samples."""
        with self._lock:
            return next(iter(self._by_rate.values()), None) or tuple(self._originals)

    def originals(self) -> tuple[Clip, ...]:
        """Return every clip at its file's own rate; decoded anew unless they are there still.

        Raises:
            PackError: if the files can no longer be read.
        """
        with self._lock:
            if self._originals:
                return tuple(self._originals)
        return tuple(load_clip(self.folder, self.manifest, entry) for entry in self.manifest.clips)

    def version_now(self, folder: Path) -> Version:
        """Return the version of the files that a pack loaded now would be made of; only a changed manifest is read.

        Args:
            folder: By which the pack is reached; where it is a link, it may lead elsewhere by now.
        """
        stamp = _stamp(folder / "pack.toml")
        if stamp == self.version[0]:
            return pack_version(folder, self.manifest)
        seen, manifest = self._changed
        if seen != stamp:  # read once: that may take 0.1 s, and one that cannot be used may lie there for days
            manifest = _manifest_of(folder)
            self._changed = stamp, manifest
        return (stamp,) if manifest is None else pack_version(folder, manifest)

    def _made_at(self, rate: int) -> tuple[Clip, ...]:
        if not self._by_rate:
            for place, clip in enumerate(self._originals):  # one by one, in place: never all of both, and always all,
                self._originals[place] = at_rate(clip, rate)  # were memory to give out or the process forked meanwhile
            return tuple(self._originals)
        best = self._by_rate[max(self._by_rate)]
        files = zip(self.manifest.clips, self.version[1:], best, strict=True)
        return tuple(at_rate(self._from_file(*file), rate) for file in files)

    def _from_file(self, entry: ClipEntry, stamp: object, resident: Clip) -> Clip:
        """Return the clip as its file has it, or *resident* if that is another by now or gone."""
        try:
            clip = load_clip(self.folder, self.manifest, entry)
        except PackError:
            return resident
        return clip if _stamp(self.folder / entry.file) == stamp else resident


_loaded: weakref.WeakValueDictionary[tuple[Path, Version], LoadedPack] = weakref.WeakValueDictionary()


class _Loading:
    """Only one thread decodes at a time, so that a second one finds what the first has loaded."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        put_right_in_children(self)

    def after_fork(self) -> None:
        self.lock = threading.Lock()


_loading = _Loading()


def loaded_pack(folder: Path, progress: Progress = bar_when_long) -> LoadedPack:
    """Return the pack in *folder* as it is now; the same object as long as its files do not change and it is in use.

    Raises:
        PackError: naming the clip and what to do.
    """
    with _loading.lock:
        for _ in range(ATTEMPTS):
            manifest = read_manifest(folder)
            version = pack_version(folder, manifest)
            key = folder.resolve(), version
            pack = _loaded.get(key)
            if pack is None:
                pack = LoadedPack(folder, manifest, version, progress)
                if pack_version(folder, manifest) != version:
                    continue
                _loaded[key] = pack
            return pack
    raise PackError(f"{folder} is being written to; load it when that is done")


def pack_version(folder: Path, manifest: Manifest) -> Version:
    """Return the version of the files of *manifest*, and of the manifest itself; a missing one counts as such."""
    return (_stamp(folder / "pack.toml"), *(_stamp(folder / entry.file) for entry in manifest.clips))


def _manifest_of(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except PackError:
        return None


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def load_clip(folder: Path, manifest: Manifest, entry: ClipEntry) -> Clip:
    """Decode one clip of a pack, at its file's rate.

    Raises:
        PackError: naming the clip and what to do.
    """
    samples, rate = decode(clip_path(folder, entry))
    marks = tuple(CutMark(round(mark.ms * rate / 1000), mark.words) for mark in entry.cut_marks)
    if marks and marks[-1].frame > len(samples) + 1:
        raise PackError(
            f"{folder}: clip {entry.id!r}: the cut mark at {entry.cut_marks[-1].ms:g} ms is beyond the clip's end "
            f"({1000 * len(samples) / rate:.0f} ms); correct cut_marks"
        )
    clip = Clip(
        id=entry.id,
        kind=entry.kind,
        samples=samples,
        rate=rate,
        text=entry.text,
        language=entry.language or manifest.language,
        voice=entry.voice or manifest.voice,
        weight=entry.weight,
        claims_work=entry.claims_work,
        order=entry.order,
        licence=entry.licence or manifest.licence,
    )
    soft = samples if clip.loops else with_soft_edges(samples, rate)
    soft.setflags(write=False)
    return replace(clip, samples=soft, cut_marks=_closed(marks, len(samples), entry.text))


def _closed(marks: tuple[CutMark, ...], frames: int, text: str | None) -> tuple[CutMark, ...]:
    """Return *marks* with the clip's end as the last one."""
    inner = tuple(mark for mark in marks if mark.frame < frames)
    return (*inner, CutMark(frames, len((text or "").split())))


def at_rate(clip: Clip, rate: int) -> Clip:
    """Return *clip* at *rate* Hz."""
    if rate == clip.rate:
        return clip
    samples = (resampled_loop if clip.loops else resampled)(clip.samples, clip.rate, rate)
    samples = np.ascontiguousarray(samples)
    samples.setflags(write=False)
    inner = (CutMark(round(m.frame * rate / clip.rate), m.words) for m in clip.cut_marks[:-1])
    marks = tuple(mark for mark in inner if 0 < mark.frame < len(samples))
    return replace(
        clip, samples=samples, rate=rate, cut_marks=(*marks, CutMark(len(samples), clip.cut_marks[-1].words))
    )

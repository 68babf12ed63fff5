"""All packs, decoded and resident, one copy per rate for every session of the process."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ._clip import Clip, CutMark
from ._decode import decode, resampled, resampled_loop, with_soft_edges
from ._errors import PackError
from ._fork import put_right_in_children
from ._manifest import ClipEntry, Manifest, clip_path, find_pack, read_manifest
from ._progress import bar_when_long

Progress = Callable[[Sequence[ClipEntry], str], Iterator[ClipEntry]]


class ClipBank:
    """The clips of all loaded packs.

    Clips are decoded once at their own rate and kept once per requested rate as read-only float32.

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
        self._lock = threading.Lock()
        put_right_in_children(self)
        self._by_rate: dict[int, tuple[Clip, ...]] = {}
        loaded: list[Clip] = []
        for pack in packs:
            folder = find_pack(str(pack))
            manifest = read_manifest(folder)
            entries = progress(manifest.clips, manifest.name)
            loaded.extend(_load(folder, manifest, entry) for entry in entries)
        self._originals = _with_unique_ids([*loaded, *clips])

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def clips(self, rate: int) -> tuple[Clip, ...]:
        """Return every clip at *rate* Hz; the first call for a rate resamples."""
        with self._lock:
            if rate not in self._by_rate:
                self._by_rate[rate] = tuple(_at_rate(clip, rate) for clip in self._originals)
            return self._by_rate[rate]

    @property
    def originals(self) -> tuple[Clip, ...]:
        """Every clip at the rate of its file."""
        return self._originals

    @property
    def nbytes(self) -> int:
        """Bytes of sample memory, over all rates."""
        arrays = {id(c.samples): c.samples.nbytes for cs in [self._originals, *self._by_rate.values()] for c in cs}
        return sum(arrays.values())


def load_pack(folder: Path) -> tuple[Manifest, tuple[Clip, ...]]:
    """Load one pack, at the rates of its files.

    Raises:
        PackError: at its first problem.
    """
    manifest = read_manifest(folder)
    return manifest, tuple(_load(folder, manifest, entry) for entry in manifest.clips)


def _load(folder: Path, manifest: Manifest, entry: ClipEntry) -> Clip:
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


def _at_rate(clip: Clip, rate: int) -> Clip:
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


def _with_unique_ids(clips: list[Clip]) -> tuple[Clip, ...]:
    """Return *clips*; an id that an earlier pack has already is an error, since ids name clips in records."""
    seen: set[str] = set()
    for clip in clips:
        if clip.id in seen:
            raise PackError(f"two packs have a clip {clip.id!r}; rename one of them")
        seen.add(clip.id)
    return tuple(clips)

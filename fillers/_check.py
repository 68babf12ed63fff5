"""What is wrong with a pack, or could sound better: for those who make packs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from ._clip import Clip, Samples
from ._decode import decode
from ._errors import PackError
from ._kinds import SPOKEN_KINDS, Kind
from ._level import rms_dbfs
from ._loaded import load_clip
from ._manifest import ClipEntry, Manifest, clip_path, find_pack, read_manifest
from ._validation import Section, _path, _place, _sentence, read_toml

CLIPPED = 0.999
"""Share of full scale from which a sample counts as clipped; fewer than three in a row are mere peaks."""
CLICK = 0.02
"""Share of full scale: a clip that starts or ends above it (-34 dBFS) was cut out of a sound."""
SILENT_DBFS = -60.0
SPREAD_DB = 3.0
"""dB between the loudest and the softest clip of a kind; more is heard as a change of place."""
FEW = 3
"""Clips of a spoken kind below which users hear the same words again soon."""
LONG_S = 0.8
"""s of speech from which a reply should not have to wait for the clip's end."""


@dataclass(frozen=True, slots=True)
class PackReport:
    """What a look at a pack found."""

    folder: Path
    manifest: Manifest | None
    """None if it could not be read."""
    clips: tuple[Clip, ...]
    """Those that load, at the rates of their files."""
    errors: tuple[str, ...]
    """Why a `ClipBank` refuses the pack; empty if it takes it."""
    warnings: tuple[str, ...]
    """What will not sound well."""


def check_pack(name: str) -> PackReport:
    """Look at all of the pack *name*, beyond its first problem.

    Args:
        name: A bundled pack, or the path of a folder.

    Raises:
        PackError: if there is no such pack.
    """
    folder = find_pack(name)
    try:
        found = problems(Manifest, read_toml(folder / "pack.toml", PackError, what="pack"))
    except PackError as exc:
        found = [str(exc)]
    if found:
        return PackReport(folder, None, (), tuple(found), ())
    manifest = read_manifest(folder)
    errors: list[str] = []
    warnings: list[str] = []
    clips: list[Clip] = []
    for entry in manifest.clips:
        try:
            clip = load_clip(folder, manifest, entry)
        except PackError as exc:
            errors.append(str(exc))
        else:
            clips.append(clip)
            warnings += _heard_in(entry, clip, decode(clip_path(folder, entry))[0])
    warnings += _heard_together(clips)
    return PackReport(folder, manifest, tuple(clips), tuple(errors), tuple(warnings))


def problems(model: type[Section], data: Mapping[str, Any]) -> list[str]:
    """Return every reason why *model* cannot be built of *data*, a sentence each, where an error tells the first."""
    try:
        model.model_validate(data)
    except ValidationError as exc:
        by_key: dict[str, list[InitErrorDetails]] = {}
        for found in exc.errors(include_url=False):
            one = InitErrorDetails(type=found["type"], loc=found["loc"], input=found["input"], ctx=found.get("ctx", {}))
            by_key.setdefault(_path(_place(found, data)), []).append(one)
        apart = (ValidationError.from_exception_data(exc.title, several) for several in by_key.values())
        return [_sentence(one, model, data) for one in apart]
    return []


def _heard_in(entry: ClipEntry, clip: Clip, raw: Samples) -> Iterator[str]:
    """Yield what is wrong with one clip. *raw* is its file's content; *clip* has had its edges softened."""
    if rms_dbfs(raw, clip.rate) < SILENT_DBFS:
        yield f"{clip.id}: is silent; record it again"
        return
    clipped = _longest_run(np.abs(raw) >= CLIPPED)
    if clipped >= 3:
        yield f"{clip.id}: is clipped ({clipped} samples in a row at full scale); record it again, softer"
    if clip.loops:
        step, usual = abs(float(raw[0] - raw[-1])), float(np.quantile(np.abs(np.diff(raw)), 0.999))
        if step > max(0.005, 2.0 * usual):
            yield f"{clip.id}: steps by {step:.3f} of full scale where the loop closes, a click; cross-fade its ends"
    else:
        for where, sample in (("starts", raw[0]), ("ends", raw[-1])):
            if abs(sample) > CLICK:
                yield f"{clip.id}: {where} at {abs(sample):.2f} of full scale, which may click; fade that end"
    inner = [mark for mark in entry.cut_marks if mark.ms < 1000.0 * clip.duration_s - 1.0]
    if clip.kind.spoken and not inner and clip.duration_s > LONG_S:
        yield f"{clip.id}: lasts {clip.duration_s:.2f} s without a cut mark before its end; add cut_marks between words"


def _heard_together(clips: Iterable[Clip]) -> Iterator[str]:
    """Yield what is wrong with the clips as a set."""
    kinds: dict[Kind, list[Clip]] = {}
    for clip in clips:
        kinds.setdefault(clip.kind, []).append(clip)
    for kind, members in kinds.items():
        levels = sorted((rms_dbfs(clip.samples, clip.rate), clip.id) for clip in members)
        (softest, soft_id), (loudest, loud_id) = levels[0], levels[-1]
        if loudest - softest > SPREAD_DB:
            yield (
                f"{kind}: loudness spreads over {loudest - softest:.1f} dB, from {soft_id} ({softest:.1f} dBFS) "
                f"to {loud_id} ({loudest:.1f} dBFS); level them"
            )
    for kind in SPOKEN_KINDS:
        count = len(kinds.get(kind, ()))
        if count < FEW and any(k.spoken for k in kinds):
            yield f"{kind}: {count or 'no'} clip{'' if count == 1 else 's'}; at least {FEW} keep users from noticing"


def _longest_run(flags: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))

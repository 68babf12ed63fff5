"""From recordings to a pack: copied in, prepared, written down."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .._clip import Samples
from .._errors import PackError
from .._kinds import Kind
from .._manifest import ClipEntry, CutMarkEntry, Manifest, StepEntry, clip_path, read_manifest
from .._preparation import PreparationSettings
from ..preparation import Levels, Prepared, levels_of, prepare
from ..reading import kept_conversions, read_recording
from ._folder import PackFolder
from ._manifesttext import manifest_text
from ._source import GIVEN, Source, moved

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class PackHead:
    """What a manifest says of the pack as a whole; None: what it says already."""

    name: str | None = None
    language: str | None = None
    voice: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A recording that became no clip."""

    file: Path
    clip: str
    reason: str
    """One sentence that names the file."""


@dataclass(frozen=True, slots=True)
class Built:
    """What came of it."""

    manifest: Manifest | None
    """None: there is no pack, since every recording failed."""
    made: tuple[ClipEntry, ...]
    failures: tuple[Failure, ...]


def build_pack(
    folder: Path,
    head: PackHead,
    sources: Sequence[Source],
    settings: PreparationSettings | None = None,
    *,
    progress: Progress = lambda steps: None,
) -> Built:
    """Make the pack in *folder* of *sources*, or add them to it.

    Originals are copied in and kept; clips are written to their places together, and only then the manifest.

    Args:
        folder: Of the pack; made if need be.
        head: Of a new pack it must say all but the voice.
        sources: The recordings. One that cannot be used is a `Failure`; the others go on.
        settings: None: those that the manifest has, else the defaults. A loudness of ``own`` is that of the
            pack's other speech if there is any, else it is measured here; either way it is written down as a number,
            so that what is added later is as loud.
        progress: Is called with the number of steps done; there are two for each source.

    Raises:
        PackError: if the pack in *folder* cannot be read, or nothing can be written there.
    """
    place = PackFolder(folder)
    present = read_manifest(folder) if place.manifest.is_file() else None
    kept = present.preparation if present is not None else None
    settings = settings or kept or PreparationSettings()
    failures: list[Failure] = []
    ids = {source.id for source in sources}
    others = [entry for entry in (present.clips if present is not None else ()) if entry.id not in ids]
    if settings.loudness == "own" and kept is not None and any(entry.kind.spoken for entry in others):
        settings = settings.model_copy(update={"loudness": kept.loudness})
    measured = _measurable(_noting(sources, failures, progress), folder, others)
    levels = levels_of(measured, settings)
    levels = replace(levels, speech=round(levels.speech, 1))  # as it is written down: the next run must find the same
    failed = {failure.clip for failure in failures}
    made: list[ClipEntry] = []
    language = head.language or (present.language if present is not None else "en")
    try:
        for source in (source for source in sources if source.id not in failed):
            try:
                made.append(_made(place, source, levels, settings, present, language))
            except PackError as exc:
                failures.append(Failure(source.original, source.id, str(exc)))
            progress(1)
        if not made:
            return Built(present, (), tuple(failures))
        before = place.manifest.read_text(encoding="utf-8") if present is not None else None
        settled = settings.model_copy(update={"loudness": levels.speech})
        text, manifest = manifest_text(before, _head(head, settled), made, where=str(place.manifest))
        place.publish(text)
    except OSError as exc:
        raise PackError(f"{folder} cannot be written to ({exc.strerror}); free space there or name another") from exc
    finally:
        place.discard()
    return Built(manifest, tuple(made), tuple(failures))


def prepare_pack(
    folder: Path, settings: PreparationSettings | None = None, *, progress: Progress = lambda steps: None
) -> Built:
    """Prepare the clips of a pack anew: from their originals, or, where there is none yet, from what they are.

    Args:
        folder: Of the pack.
        settings: None: as before.
        progress: As for `build_pack`.

    Raises:
        PackError: as of `build_pack`.
    """
    manifest = read_manifest(folder)
    sources: list[Source] = []
    failures: list[Failure] = []
    with kept_conversions():
        for entry in manifest.clips:
            try:
                sources.append(Source.of(folder, entry))
            except PackError as exc:
                failures.append(Failure(folder / (entry.original or entry.file), entry.id, str(exc)))
        built = build_pack(folder, PackHead(), sources, settings, progress=progress)
    return replace(built, failures=(*failures, *built.failures))


def _noting(
    sources: Iterable[Source], failures: list[Failure], progress: Progress
) -> Iterator[tuple[Samples, int, Kind]]:
    """Yield what *sources* hold; what cannot be read is put among *failures*."""
    for source in sources:
        try:
            recording = read_recording(source.original, source.start_frame, source.end_frame)
        except PackError as exc:
            failures.append(Failure(source.original, source.id, str(exc)))
        else:
            yield recording.samples, recording.rate, source.kind
        progress(1)


def _measurable(
    new: Iterator[tuple[Samples, int, Kind]], folder: Path, others: Iterable[ClipEntry]
) -> Iterator[tuple[Samples, int, Kind]]:
    """Yield *new*, then *others*: a single "um" that is added is levelled by how its pack's voice is measured."""
    yield from new
    for entry in others:
        try:
            recording = read_recording(clip_path(folder, entry))
        except PackError:
            continue  # it is no worse than before; `stopgap pack check` tells
        yield recording.samples, recording.rate, entry.kind


def _made(
    place: PackFolder,
    source: Source,
    levels: Levels,
    settings: PreparationSettings,
    present: Manifest | None,
    language: str,
) -> ClipEntry:
    """Copy, prepare and draft one clip, in *language* unless *source* says otherwise."""
    recording = read_recording(source.original, source.start_frame, source.end_frame)
    try:
        prepared = prepare(
            recording.samples, recording.rate, kind=source.kind, text=source.text,
            language=source.language or language, levels=levels, settings=settings, word_ends_ms=source.word_ends_ms,
        )  # fmt: skip
    except PackError as exc:
        raise PackError(f"{source.original}: clip {source.id!r} {exc}") from exc
    if source.cut_marks:
        prepared = _with_marks(prepared, source.cut_marks)
    own = present is not None and any(entry.file == f"{source.kind}/{source.id}.flac" for entry in present.clips)
    if not own and place.occupied(source.kind, source.id):
        raise PackError(
            f"{place.root / source.kind / source.id}.flac is there and not in the pack's manifest; move it elsewhere"
        )
    original = place.keep_original(source.original)
    return ClipEntry(
        id=source.id,
        file=place.draft_clip(source.kind, source.id, prepared.samples, prepared.rate),
        kind=source.kind,
        text=source.text,
        weight=source.weight,
        claims_work=source.claims_work,
        order=source.order,
        language=source.language,
        voice=source.voice,
        licence=source.licence,
        original=original,
        word_ends_ms=source.word_ends_ms,
        steps=(*source.steps(recording.rate, recording.frames), *recording.steps, *prepared.steps),
        loudness_dbfs=round(prepared.loudness_dbfs, 1),
        cut_marks=prepared.cut_marks,
    )


def _with_marks(prepared: Prepared, given: tuple[CutMarkEntry, ...]) -> Prepared:
    """Return *prepared* with the marks that somebody set in the recording; its end is always one."""
    trimmed_ms = next((float(step.facts["start_ms"]) for step in prepared.steps if step.step == "trim"), 0.0)
    end = prepared.cut_marks[-1]
    inner = tuple(mark for mark in moved(given, -trimmed_ms) if mark.ms < end.ms - 1.0)
    steps = (*(step for step in prepared.steps if step.step != "cut_marks"),
             StepEntry.of("cut_marks", source=GIVEN, inner=len(inner)))  # fmt: skip
    return replace(prepared, cut_marks=(*inner, end), steps=steps)


def _head(head: PackHead, settings: PreparationSettings) -> dict[str, object]:
    return {
        "format": 1,
        "name": head.name,
        "language": head.language,
        "voice": head.voice,
        "licence": head.licence,
        "preparation": settings.model_dump(mode="json", exclude_defaults=True, exclude_none=True) or None,
    }

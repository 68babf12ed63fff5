"""Importing recordings into a pack."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .._errors import UsageError
from .._manifest import Manifest, read_manifest
from .._spec import Spec
from ..reading import kept_conversions
from ._building import PackHead
from ._gathering import gathered
from ._importplan import ImportPlan, ImportSettings
from ._planning import Planner
from ._present import Present
from ._script import Script

Progress = Callable[[Sequence[Path]], Iterable[Path]]


@contextmanager
def planned_import(
    paths: Iterable[Path],
    out: Path,
    script: Script,
    settings: ImportSettings,
    *,
    progress: Progress = lambda files: files,
) -> Iterator[ImportPlan]:
    """Look at recordings, each of which is decoded, and yield what importing them into *out* makes of them.

    Nothing is written to *out*. The files that the plan's sources name are there as long as the block lasts: some are
    copies of headerless ones.

    Args:
        paths: Recordings, and folders of them.
        out: The pack's folder; there need be none yet.
        script: The lines that may be in them.
        settings: What neither files nor *script* tell.
        progress: Wraps the files while they are looked at.

    Raises:
        UsageError: if there are no recordings among *paths*, or no language is told.
        PackError: if *out* is a pack that cannot be read.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; give --out a folder for the pack")
    present = read_manifest(out) if (out / "pack.toml").is_file() else None
    found = gathered(paths, out=out)
    if not found.files and not found.refused:
        raise UsageError(f"there is no recording here ({found.passed_over} other files); give WAV, FLAC, MP3, M4A ...")
    told = _told(script.spec, settings)
    if present is None:
        head = PackHead(
            name=script.spec.name if script.spec is not None else out.resolve().name[:200] or "pack",
            language=told["language"],
            voice=told["voice"],
            licence=told["licence"] or "not stated",
        )
        facts: dict[str, str | None] = {}
    else:  # what the pack says of itself stays; where these clips differ, each says so
        head = PackHead()
        facts = {key: value for key, value in told.items() if value != getattr(present, key)}
    language = told["language"] or _language(present)
    with TemporaryDirectory(prefix="stopgap-") as folder, kept_conversions():
        planner = Planner(Path(folder), Present(out, present), script, settings, language, facts)
        planner.refused += found.refused
        for file in progress(found.files):
            planner.look_at(file)
        if settings.cut:
            planner.match()
        yield ImportPlan(
            head=head,
            preparation=script.spec.preparation if script.spec is not None and present is None else None,
            clips=tuple(planner.clips),
            skipped=tuple(planner.skipped),
            refused=tuple(planner.refused),
            passed_over=found.passed_over,
            pieces=tuple(planner.pieces),
        )


def _told(spec: Spec | None, settings: ImportSettings) -> dict[str, str | None]:
    """Return language, voice and licence: those of the command line, else the spec's."""
    licence = spec.licence if spec is not None and "licence" in spec.model_fields_set else None
    return {
        "language": settings.language or (spec.language if spec is not None else None),
        "voice": settings.voice or (spec.voice if spec is not None else None),
        "licence": settings.licence or licence,
    }


def _language(present: Manifest | None) -> str:
    if present is None:
        raise UsageError("nothing tells the language of the recordings; give --language, for example es-MX")
    return present.language

"""``stopgap pack import``: recordings that are there already become a pack, or join one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .._console import count, new_table, print_json, print_table, progress
from .._options import JsonOption
from ._built import notes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stopgap.fillers.making import Built, Failure, ImportPlan, PlannedClip, Skip

RawFormat = Literal["s16le", "s24le", "f32le", "u8", "ulaw", "alaw"]


def import_recordings(
    recordings: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER|FILES...",
            help="WAV, FLAC, OGG, Opus, MP3, AIFF, headerless; with ffmpeg also M4A, AAC, WMA, WebM, AMR and others.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PACK", help="The pack's folder; one that is there grows.")
    ],
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="Of recordings that are in no folder like hesitation/.")
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(
            metavar="SPEC", help="Lines that are said in the recordings: TOML, or a folder of texts (phrase/wait.txt)."
        ),
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="TAG", help="Such as es-MX; default: the spec's.")] = None,
    voice: Annotated[str | None, typer.Option(metavar="NAME", help="Whose voice it is.")] = None,
    licence: Annotated[str | None, typer.Option(metavar="TEXT", help="Under which the recordings may be used.")] = None,
    cut: Annotated[
        bool, typer.Option("--cut", help="Each recording holds many clips: cut it at its silences.")
    ] = False,
    silence_ms: Annotated[float, typer.Option(metavar="MS", help="Silence between two clips, at least.")] = 400.0,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What every piece says, with --cut and without --spec.")
    ] = None,
    raw_rate: Annotated[int | None, typer.Option(metavar="HZ", help="Of headerless files (.raw, .pcm, .ulaw).")] = None,
    raw_format: Annotated[RawFormat | None, typer.Option(help="Of headerless files; default: by their names.")] = None,
    raw_channels: Annotated[int, typer.Option(metavar="N", help="Of headerless files.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become what.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a pack of recordings, or add them to one; what cannot be used is told, and the rest goes on.

    A recording's kind is the name of its folder, its text is in a file beside it (um.txt), in the spec, or in its name
    (let-me-check.wav); um-1.wav and um-2.wav, or um.wav and um (2).wav, are takes of one text. What is there already
    stays, and is not imported twice.

    With --cut and --spec a recording is the script read aloud: every line, in order, as often as its takes say, with a
    pause after each. Lines that were said again after a mistake are not found out: cut the mistakes away before.
    """
    from stopgap.fillers import ConfigError, UsageError, validated
    from stopgap.fillers.making import ImportSettings, build_pack, only_run, planned_import, read_script

    raw = {"rate": raw_rate, "format": raw_format, "channels": raw_channels}
    given: dict[str, Any] = {
        "kind": kind, "language": language, "voice": voice, "licence": licence, "text": text,
        "cut": cut, "silence_ms": silence_ms, "raw": raw,
    }  # fmt: skip
    settings = validated(ImportSettings, given, where="options", error=ConfigError)
    if text is not None and (spec is not None or not cut):
        raise UsageError("--text is what the pieces of --cut say where there is no --spec; write um.txt beside um.wav")
    script = read_script(spec)
    with only_run(out), planned_import(recordings, out, script, settings, progress=_bar) as plan:
        built: Built | None = None
        if plan.clips and not dry_run:
            sources = [clip.source for clip in plan.clips]
            with progress("preparing", 2 * len(sources)) as advance:
                built = build_pack(out, plan.head, sources, plan.preparation, progress=advance)
    failures, remarks = (built.failures, notes(built)) if built is not None else ((), [])
    if as_json:
        print_json({"pack": str(out), "dry_run": dry_run, **_as_dict(plan, failures), "notes": remarks})
    else:
        _print(out, plan, failures, dry_run=dry_run)
        for remark in remarks:
            typer.echo(f"note: {remark}")
    if plan.refused or failures:
        raise typer.Exit(1)


def _bar(files: "Sequence[Path]") -> "Iterator[Path]":
    with progress("reading", len(files)) as advance:
        for file in files:
            yield file
            advance(1)


def _print(out: Path, plan: "ImportPlan", failures: "Sequence[Failure]", *, dry_run: bool) -> None:
    failed = {failure.clip for failure in failures}
    clips = [clip for clip in plan.clips if clip.source.id not in failed]
    if clips:
        table = new_table("recording", "at", "kind", "clip", "text", "text from", "claims work", "remarks")
        for clip in clips:
            said = clip.described
            table.add_row(
                str(clip.file), str(clip.piece or ""), said.kind, clip.source.id, said.text or "", said.text_from or "",
                _claims(clip), "; ".join(clip.remarks),
            )  # fmt: skip
        print_table(table)
    elif plan.pieces and not plan.skipped:  # of what fits no script, its owner wants to see the pieces
        table = new_table("recording", "piece", "at", "s", right=("piece", "s"))
        for number, (file, piece) in enumerate(plan.pieces, 1):
            start, end = piece.times
            table.add_row(str(file), str(number), str(piece), f"{end - start:.2f}")
        print_table(table)
    for skip in plan.skipped:
        typer.echo(f"skipped: {_skipped(skip)}")
    for reason in (*(refusal.reason for refusal in plan.refused), *(failure.reason for failure in failures)):
        typer.echo(f"refused: {reason}", err=True)
    verb = "would be added to" if dry_run else "added to"
    typer.echo(
        f"{count(len(clips), 'clip')} {verb} {out}, {len(plan.skipped)} skipped, "
        f"{len(plan.refused) + len(failures)} refused, {plan.passed_over} other files passed over"
    )
    guessed = sum(clip.described.text_from == "name" for clip in clips)
    unknown = sum(clip.described.claims_from is None for clip in clips)
    if guessed:
        typer.echo(f"{count(guessed, 'text')} made of file names: see whether that is right in {out / 'pack.toml'}")
    if unknown:
        typer.echo(
            f"whether texts promise work ({count(unknown, 'text')}) is not known in this language: write "
            f"claims_work = true in {out / 'pack.toml'} if one says that something is being done"
        )


def _claims(clip: "PlannedClip") -> str:
    if clip.described.claims_from is None:
        return "unknown: no"
    return "yes" if clip.source.claims_work else ""


def _skipped(skip: "Skip") -> str:
    what = str(skip.file) if skip.piece is None else f"{skip.file} at {skip.piece}"
    there = "is in the pack already" if skip.where == "pack" else "is the same recording as another one here"
    return f"{what} {there}, as {skip.clip}"


def _as_dict(plan: "ImportPlan", failures: "Sequence[Failure]") -> dict[str, Any]:
    failed = {failure.clip for failure in failures}
    return {
        "clips": [_clip_as_dict(clip) for clip in plan.clips if clip.source.id not in failed],
        "skipped": [{"file": str(skip.file), "clip": skip.clip, "reason": _skipped(skip)} for skip in plan.skipped],
        "refused": [
            *({"file": str(refusal.file), "reason": refusal.reason} for refusal in plan.refused),
            *({"file": str(failure.file), "reason": failure.reason} for failure in failures),
        ],
        "passed_over": plan.passed_over,
        "pieces": [
            {"file": str(file), "start_s": round(piece.times[0], 3), "end_s": round(piece.times[1], 3)}
            for file, piece in plan.pieces
        ],
    }


def _clip_as_dict(clip: "PlannedClip") -> dict[str, Any]:
    said, piece = clip.described, clip.piece
    return {
        "id": clip.source.id,
        "file": str(clip.file),
        "kind": said.kind.value,
        "text": said.text,
        "text_from": said.text_from,
        "claims_work": said.claims_work,
        "claims_work_from": said.claims_from,
        "start_s": None if piece is None else round(piece.times[0], 3),
        "end_s": None if piece is None else round(piece.times[1], 3),
        "remarks": list(clip.remarks),
    }

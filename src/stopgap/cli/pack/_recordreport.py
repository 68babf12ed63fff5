"""What ``stopgap pack record`` prints."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .._console import count, new_table, print_json, print_table
from ._built import as_dict, tell

if TYPE_CHECKING:
    from stopgap.fillers.making import Built
    from stopgap.fillers.recording import Outcome, Recorded, RecordOptions, Tts
    from stopgap.fillers.texts import Spec

_SHOWN = 5


def print_plan(spec: "Spec", tts: "Tts", folder: Path, options: "RecordOptions", *, as_json: bool) -> None:
    """Print what would be recorded, and what is there."""
    from stopgap.fillers.recording import Take, Untried, plan

    found = plan(spec, tts, folder, options=options)
    missing = sum(isinstance(outcome, Untried) for outcome in found)
    if as_json:
        rows = [{**_named(outcome), "state": _state(outcome), **_file(outcome)} for outcome in found]
        print_json({"pack": str(folder), "tts": tts.label, "to_record": missing, "takes": rows})
        return
    table = new_table("clip", "kind", "text", "state", "file", title=f"{folder}: with {tts.label}")
    for outcome in found:
        file = outcome.original.name if isinstance(outcome, Take) else ""
        table.add_row(_clip(outcome), outcome.line.kind, outcome.line.spoken, _state(outcome), file)
    print_table(table)
    typer.echo(f"{missing} of {count(len(found), 'take')} to record")


def print_report(folder: Path, label: str, recorded: "Recorded", built: "Built | None", *, as_json: bool) -> None:
    """Print what was recorded and made, and what failed."""
    if as_json:
        print_json(_as_dict(folder, label, recorded, built))
        return
    for note in recorded.notes():
        typer.echo(f"note: {note}")
    for failure in recorded.failures:
        typer.echo(f"failed: {failure.reason}", err=True)
    for untried in recorded.untried:
        typer.echo(f"not tried: {untried.line.text!r} ({_clip(untried)})", err=True)
    cached = sum(take.cached for take in recorded.takes)
    missing = len(recorded.failures) + len(recorded.untried)
    there = f", {cached} there before" if cached else ""
    failed = f", {missing} missing: the same command tries them again" if missing else ""
    typer.echo(f"{folder}: {count(len(recorded.takes) - cached, 'take')} recorded with {label}{there}{failed}")
    if built is not None:
        tell(built, folder)
        if left := clips_left(built, recorded):
            more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
            typer.echo(
                f"note: clips of earlier recordings that are not in this spec stay: {', '.join(left[:_SHOWN])}{more}; "
                f"to drop one, delete its [[clips]] from {folder / 'pack.toml'}"
            )


def clips_left(built: "Built", recorded: "Recorded") -> list[str]:
    """Return the ids of clips that were recorded from lines or takes which the spec no longer has."""
    outcomes: list[Outcome] = [*recorded.takes, *recorded.failures, *recorded.repeats, *recorded.untried]
    asked = {_clip(outcome) for outcome in outcomes}
    clips = built.manifest.clips if built.manifest is not None else ()
    return [clip.id for clip in clips if clip.id not in asked and any(step.step == "recorded" for step in clip.steps)]


def _as_dict(folder: Path, label: str, recorded: "Recorded", built: "Built | None") -> dict[str, Any]:
    return {
        "tts": label,
        "takes": [{**_named(take), **_file(take), "rate": take.rate, "cached": take.cached} for take in recorded.takes],
        "notes": recorded.notes(),
        "repeats": [_named(repeat) for repeat in recorded.repeats],
        "not_recorded": [{**_named(failure), "reason": failure.reason} for failure in recorded.failures],
        "not_tried": [_named(untried) for untried in recorded.untried],
        "not_in_spec": [] if built is None else clips_left(built, recorded),
        **({"pack": str(folder), "made": [], "failures": []} if built is None else as_dict(built, folder)),
    }


def _named(outcome: "Outcome") -> dict[str, Any]:
    return {"clip": _clip(outcome), "text": outcome.line.text, "take": outcome.number}


def _file(outcome: "Outcome") -> dict[str, Any]:
    from stopgap.fillers.recording import Take

    return {"original": str(outcome.original)} if isinstance(outcome, Take) else {}


def _clip(outcome: "Outcome") -> str:
    return outcome.line.clip_id(outcome.number)


def _state(outcome: "Outcome") -> str:
    from stopgap.fillers.recording import Repeat, Take

    match outcome:
        case Take():
            return "there"
        case Repeat():
            return "repeats itself"
        case _:
            return "to record"

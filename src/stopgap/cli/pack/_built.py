"""What making clips came to, for people and for programs."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .._console import count
from .._toml import as_toml

if TYPE_CHECKING:
    from stopgap.fillers.making import Built


def as_dict(built: "Built", folder: Path) -> dict[str, Any]:
    """Return what was made, and what was not."""
    return {
        "pack": str(folder),
        "made": [
            {"id": entry.id, "kind": entry.kind.value, "file": entry.file, "original": entry.original,
             "steps": [{"step": step.step, **step.facts} for step in entry.steps]}
            for entry in built.made
        ],
        "failures": [{"file": str(failure.file), "clip": failure.clip, "reason": failure.reason}
                     for failure in built.failures],
    }  # fmt: skip


def tell(built: "Built", folder: Path) -> None:
    """Print a line on what was made, notes on clips that are not what was asked for, and every failure."""
    for note in notes(built):
        typer.echo(f"note: {note}")
    for failure in built.failures:
        typer.echo(f"failed: {failure.reason}", err=True)
    left = f", {len(built.failures)} failed" if built.failures else ""
    typer.echo(f"{folder}: {count(len(built.made), 'clip')} prepared{left}")
    if built.manifest is not None and built.made:
        typer.echo(f"look and listen: stopgap pack preview {_shown(folder)}")
        use = as_toml({"packs": [str(folder)], "language": built.manifest.language}).splitlines()
        typer.echo(f"use it: {' and '.join(use)} in the configuration")


def notes(built: "Built") -> list[str]:
    """Return what is to be known of clips besides that they were made."""
    found = ((entry.id, _note(step.step, step.facts)) for entry in built.made for step in entry.steps)
    return [f"{id} {note}" for id, note in found if note]


def _note(step: str, facts: dict[str, Any]) -> str | None:
    match step:
        case "peak":
            loudness = "is {softer_db} dB softer than the others, or its peaks would pass {limit_dbtp} dBTP"
            return loudness.format_map(facts)
        case "clipped":
            return f"is clipped ({facts['samples']} samples in a row at full scale); record it again, softer"
        case _:
            return None


def _shown(folder: Path) -> str:
    """Return *folder* as an argument on a command line."""
    name = str(folder)
    return shlex.quote(f"./{name}" if name.startswith("-") else name)

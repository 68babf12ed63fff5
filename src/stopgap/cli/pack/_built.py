"""What making clips came to, for people and for programs."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .._console import count

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
    for entry in built.made:
        for step in entry.steps:
            if step.step == "peak":
                typer.echo(f"{entry.id}: {told(step.facts)}")
    for failure in built.failures:
        typer.echo(f"failed: {failure.reason}", err=True)
    left = f", {len(built.failures)} failed" if built.failures else ""
    typer.echo(f"{folder}: {count(len(built.made), 'clip')} prepared{left}")
    if built.manifest is not None and built.made:
        typer.echo(f"look and listen: stopgap pack preview {shlex.quote(str(folder))}")
        typer.echo(f'use it: packs = ["{folder}"] and language = "{built.manifest.language}" in the configuration')


def told(facts: dict[str, Any]) -> str:
    """Return *facts* as words."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())

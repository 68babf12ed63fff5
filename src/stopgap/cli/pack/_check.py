"""``stopgap pack check``: whether packs are fit to be used."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._console import count, new_table, print_json, print_table
from .._options import ConfigOption

if TYPE_CHECKING:
    from rich.table import Table
    from stopgap.fillers.checking import PackReport, Tally


def check(
    packs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PACK]...", help="Bundled packs or folders; default: those of --config, else all bundled."
        ),
    ] = None,
    config: ConfigOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings end with 1, too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: of one PACK an object, otherwise a list of them.")
    ] = False,
) -> None:
    """Check packs: errors keep them from loading, warnings from sounding well."""
    from stopgap.fillers import bundled_packs, load_config
    from stopgap.fillers.checking import check_pack

    names = packs or (list(load_config(config).packs) if config is not None else bundled_packs())
    reports = [(name, check_pack(name)) for name in names]
    if as_json:
        found = [_as_dict(name, report) for name, report in reports]
        print_json(found[0] if packs is not None and len(packs) == 1 else found)
    else:
        for name, report in reports:
            _print(name, report)
    if any(report.errors or (strict and report.warnings) for _, report in reports):
        raise typer.Exit(1)


def coverage_table(report: "PackReport", *, title: str) -> "Table":
    """Return how many clips there are of each kind, and how long they sound in all, by language."""
    from stopgap.fillers import NO_LANGUAGE, Kind
    from stopgap.fillers.checking import coverage_of

    coverage = coverage_of(report.clips)
    heads = ["any (zxx)" if language.lower() == NO_LANGUAGE else language for language in coverage]
    heads += ["all"] if len(heads) > 1 else []
    table = new_table("kind", *heads, title=title, right=tuple(heads))
    for kind in [*Kind, None]:
        row = [[t for k, t in tallies.items() if kind in (k, None)] for tallies in coverage.values()]
        row += [[tally for cell in row for tally in cell]] if len(row) > 1 else []
        if any(row):
            table.add_row("all" if kind is None else kind.value, *map(_tally, row))
    return table


def _tally(tallies: "Sequence[Tally]") -> str:
    if not tallies:
        return "–"
    return f"{sum(tally.clips for tally in tallies)} ({sum(tally.seconds for tally in tallies):.1f} s)"


def _print(name: str, report: "PackReport") -> None:
    if report.clips:
        print_table(coverage_table(report, title=name))
    for severity, findings in (("error", report.errors), ("warning", report.warnings)):
        for finding in findings:
            typer.echo(f"{severity}: {finding}")
    state = "cannot be used" if report.errors else "can be used"
    typer.echo(
        f"{name} {state}: {count(len(report.clips), 'clip')}, {count(len(report.errors), 'error')}, "
        f"{count(len(report.warnings), 'warning')}"
    )


def _as_dict(name: str, report: "PackReport") -> dict[str, Any]:
    from stopgap.fillers.checking import coverage_of

    return {
        "pack": name,
        "ok": not report.errors,
        "clips": len(report.clips),
        "errors": [str(finding) for finding in report.errors],
        "warnings": [str(finding) for finding in report.warnings],
        "findings": [
            {"severity": one.severity, "check": one.check, "clip": one.clip, "message": one.message}
            for one in report.findings
        ],
        "coverage": {
            language: {
                kind.value: {"clips": tally.clips, "seconds": round(tally.seconds, 3)}
                for kind, tally in tallies.items()
            }
            for language, tallies in coverage_of(report.clips).items()
        },
    }

"""``stopgap compare``: versions of a behaviour against each other, from records of turns."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._console import print_json, print_table
from .._options import ConfigOption, JsonOption
from ._metrics import chosen_metrics

if TYPE_CHECKING:
    from stopgap.engine.metrics import TurnFacts


def compare(
    turns: Annotated[
        list[str],
        typer.Argument(
            metavar="TURNS...", help="Files of turn records, one a line (.jsonl), as `TurnRecord.as_dict` gives them."
        ),
    ],
    behavior: Annotated[
        str | None, typer.Option(metavar="NAME", help="The behaviour; needed where the turns tell of several.")
    ] = None,
    control: Annotated[
        int | None, typer.Option(metavar="VERSION", help="The version to compare with; the lowest by default.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", metavar="NAME", help="Only this metric; may be given more than once."),
    ] = None,
    definitions: Annotated[
        Path | None, typer.Option("--metrics", metavar="FILE", help="A TOML file with metrics of your own.")
    ] = None,
    alpha: Annotated[
        float, typer.Option(metavar="SHARE", help="How often the whole report may ever be wrong, however often made.")
    ] = 0.05,
    share: Annotated[
        list[str] | None,
        typer.Option(metavar="VERSION=SHARE", help="How a version was to be dealt, one for each: checks the dealing."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the differences: a .png, .svg or .pdf file.")
    ] = None,
) -> None:
    """Compare versions of a behaviour: every metric of each, the difference, how sure it is, and a verdict.

    Look whenever you like: intervals and verdicts hold at all times, so stopping at a difference is no mistake.

    The fewer metrics are compared, the sooner they are decided: name those that matter with --metric.
    """
    if plot is not None:
        from .._plot import load_pyplot

        load_pyplot()
    from stopgap.engine.metrics import compared

    from .._comparetable import comparison_table, reading

    report = compared(
        _read(turns), chosen_metrics(metric, definitions, config).values(),
        behavior=behavior, control=control, alpha=alpha, shares=_shares(share),
    )  # fmt: skip
    if plot is not None:
        from .._compareplot import plot_comparison

        plot_comparison(report, plot)
    if as_json:
        print_json({"turns": turns, **report.as_dict()})
        return
    print_table(comparison_table(report))
    for line in reading(report):
        typer.echo(line)
    if plot is not None:
        typer.echo(f"wrote {plot}")


def _read(paths: Sequence[str]) -> "list[TurnFacts]":
    from stopgap.fillers import UsageError

    from .._turnfiles import read_facts

    found: list[TurnFacts] = []
    places: dict[str, str] = {}
    for path in paths:
        turns = read_facts(path)
        twice = next((turn.id for turn in turns if turn.id in places), None)
        if twice is not None:
            raise UsageError(f"turn {twice!r} is in {places[twice]} and in {path}; give each turn once")
        places |= {turn.id: path for turn in turns}
        found += turns
    return found


def _shares(given: Sequence[str] | None) -> dict[int, float] | None:
    from stopgap.fillers import UsageError

    if not given:
        return None
    shares: dict[int, float] = {}
    for text in given:
        version, _, share = text.partition("=")
        try:
            number, part = int(version), float(share)
        except ValueError:
            raise UsageError(f"--share {text!r} is no VERSION=SHARE; write for example --share 1=0.5") from None
        if number in shares:
            raise UsageError(f"--share names version {number} twice; give each version one share")
        shares[number] = part
    return shares

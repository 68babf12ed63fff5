"""``stopgap service report``: versions of a behaviour against each other, from the service's database."""

from pathlib import Path
from typing import Annotated

import typer

from .._console import print_json, print_table
from .._extras import check_service_extra
from .._options import JsonOption
from ._options import DEFAULT_DATABASE, DEFAULT_ORGANIZATION, DatabaseOption, OrganizationOption


def report(
    behavior: Annotated[
        str, typer.Argument(metavar="BEHAVIOR", help="A behaviour set's id, or the name of a configured behaviour.")
    ],
    database: DatabaseOption = DEFAULT_DATABASE,
    organization: OrganizationOption = DEFAULT_ORGANIZATION,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            "-m",
            metavar="NAME",
            help="Name of a built-in metric, or any one's id; may be repeated.",
        ),
    ] = None,
    control: Annotated[
        int | None, typer.Option(metavar="VERSION", help="The version to compare with; the lowest by default.")
    ] = None,
    alpha: Annotated[
        float, typer.Option(metavar="SHARE", help="How often the whole report may ever be wrong, however often made.")
    ] = 0.05,
    as_json: JsonOption = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the differences: a .png, .svg or .pdf file.")
    ] = None,
) -> None:
    """Compare versions of a behaviour: every metric of each, the difference, how sure it is, and a verdict.

    Look whenever you like: intervals and verdicts hold at all times, so stopping at a difference is no mistake.
    """
    check_service_extra()
    if plot is not None:
        from .._plot import load_pyplot

        load_pyplot()
    from stopgap.engine.service._settings import behavior_id
    from stopgap.engine.service.metrics._evaluating import Evaluating, builtin_id
    from stopgap.engine.service.metrics._reporting import Reporting
    from stopgap.engine.service.storage import Arms, BehaviorSets, Database

    from .._comparetable import comparison_table, reading

    opened = Database.open(database)
    try:
        evaluating = Evaluating(opened)
        names = {evaluating.builtin[id].name for id in evaluating.builtin}
        ids = [builtin_id(name) if name in names else name for name in metric or ()]
        found, due = Reporting(Arms(opened), BehaviorSets(opened), evaluating).report(
            organization, behavior_id(behavior), metrics=ids, control=control, alpha=alpha
        )
    finally:
        opened.close()
    if plot is not None:
        from .._compareplot import plot_comparison

        plot_comparison(found, plot)
    if as_json:
        print_json({**found.as_dict(), "not_evaluated": due})
        return
    print_table(comparison_table(found))
    for line in reading(found):
        typer.echo(line)
    if due:
        typer.echo(f"{due} of these conversations are not evaluated yet, or not again: see a minute after their end")
    if plot is not None:
        typer.echo(f"wrote {plot}")

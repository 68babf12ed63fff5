"""``stopgap bench perceived``: what users feel under every policy."""

from pathlib import Path
from typing import Annotated

import typer

from .._console import print_json, print_table, progress
from .._files import written_whole
from .._options import ConfigOption, JsonOption, cores


def perceived(
    traces: Annotated[
        list[str],
        typer.Argument(
            metavar="TRACE...", help="Files, or voice_mixed_dev, llm_ttft_dev, web_search_dev, which are bundled."
        ),
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="none, ladder, predictive, vocode, lex, agora, short, median-gate, best-ladder, best-sheet or oracle; "
            "may be repeated. Default: all.",
        ),
    ] = None,
    config: ConfigOption = None,
    known_after_ms: Annotated[
        float, typer.Option(min=0.0, max=60_000.0, help="The end of speech becomes known that much later.")
    ] = 0.0,
    slow_down: Annotated[
        float | None,
        typer.Option(min=0.1, max=10.0, metavar="FACTOR", help="Make the waits of each second half that much longer."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Search 80 ladders instead of 380, and do not sweep the weights.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes. Default: one a core.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report with pictures, one file.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the figures.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what users feel under every policy, on the same turns, through the real engine.

    First what needs no assumption (silence, held-back replies, fillers, prediction), then the cost model under
    swept weights, with the targets. Policies: the product's modes (none, ladder, predictive); the documented defaults
    of others (vocode, lex, agora), one "um" (short), a phrase where waits have been long (median-gate); and bounds that
    know the trace: the best of 380 ladders, the best single cue sheet, and an oracle that knows each wait. With all
    policies and weights a trace of a thousand turns takes a core about 12 minutes; --quick 1.5.
    """
    from stopgap import benchmarks
    from stopgap.benchmarks.perceived._perceived import compare, rounds
    from stopgap.benchmarks.perceived._report import PerceivedReport, TraceReport
    from stopgap.benchmarks.policies import missing_kinds
    from stopgap.benchmarks.traces import slowed
    from stopgap.fillers import ClipBank, TraceError

    from ._perceivedtable import sentences, tables

    names = tuple(dict.fromkeys(policy or benchmarks.NAMES))
    benchmarks.check_policies(names)
    settings = benchmarks.benchmark_config(None, config)
    read = {trace: benchmarks.read_trace(trace) for trace in traces}
    for trace, turns in read.items():
        if not turns:
            raise TraceError(f"{trace} holds no turns; give a trace with at least one row below its header")
    if slow_down is not None:
        read = {trace: slowed(turns, slow_down) for trace, turns in read.items()}
    _check_pictures(html, plot)
    bank = ClipBank(settings.packs)
    for name in names:
        for kind in missing_kinds(name, settings, bank):
            typer.echo(f"{name} goes without {kind}: the packs have no such clip, or the kind is disabled", err=True)
    reports = []
    with progress("replaying", len(read) * rounds(settings, names, quick=quick)) as advance:
        for trace, turns in read.items():
            outcomes = compare(
                turns, settings, names, bank=bank, known_after_ms=known_after_ms, quick=quick, advance=advance,
                workers=workers or cores(),
            )  # fmt: skip
            reports.append(TraceReport(trace, turns, outcomes, slow_down))
    report = PerceivedReport(tuple(reports), quick, known_after_ms, settings.seed)
    if plot is not None:
        from ._perceivedplot import plot_perceived

        plot_perceived(report, plot)
    if html is not None:
        from ._perceivedhtml import page

        text = page(report)
        with written_whole(html) as file:
            file.write(text)
    if as_json:
        print_json(report.as_dict())
        return
    for one in report.traces:
        for table in tables(one):
            print_table(table)
    for sentence in sentences(report):
        typer.echo(sentence)


def _check_pictures(html: Path | None, plot: Path | None) -> None:
    """Raise `UsageError` for what could not be drawn or written, before minutes of replays."""
    from stopgap.fillers import UsageError

    from .._plot import load_pyplot

    if plot is not None and plot.suffix not in (".png", ".svg", ".pdf"):
        raise UsageError(f"{plot} cannot be drawn; name a .png, .svg or .pdf")
    for path in (html, plot):
        if path is not None:
            load_pyplot()
            if not path.parent.is_dir():
                raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")

"""``stopgap replay``: a latency trace through the real engine, and its figures."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._console import print_json, print_table, progress
from ._files import written_whole
from ._options import ConfigOption, JsonOption, cores

if TYPE_CHECKING:
    from stopgap.benchmarks import ReplayedTurn


def replay(
    trace: Annotated[
        str,
        typer.Argument(
            metavar="TRACE", help="A file, or voice_mixed_dev, llm_ttft_dev or web_search_dev, which are bundled."
        ),
    ],
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="none, ladder or predictive; what others do: vocode, lex, agora, short or median-gate; or a bound "
            "that knows the trace: best-ladder (takes minutes), best-sheet or oracle. Default: the configuration's "
            "mode.",
        ),
    ] = None,
    config: ConfigOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the choice of clips.")] = None,
    known_after_ms: Annotated[
        float, typer.Option(min=0.0, max=60_000.0, help="The end of speech becomes known that much later.")
    ] = 0.0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a JSON line a turn; `-` means standard output.")
    ] = None,
    best_ladder: Annotated[
        bool, typer.Option("--best-ladder", help="Compare with the best of 380 fixed ladders; takes minutes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Replay a trace of measured waits and print what users would have felt.

    Rate limits per minute and per conversation are off unless the configuration sets them.
    """
    from stopgap import benchmarks
    from stopgap.fillers import ClipBank, TraceError

    from ._figures import Comparison, Report

    if policy is not None:
        benchmarks.check_policies([policy])
    settings = benchmarks.benchmark_config(None, config)
    name = policy or settings.mode
    if seed is not None:
        settings = settings.model_copy(update={"seed": seed})
    turns = benchmarks.read_trace(trace)
    if not turns:
        raise TraceError(f"{trace} holds no turns; give a trace with at least one row below its header")
    bank = ClipBank(settings.packs)
    best = None
    if best_ladder or name == benchmarks.BEST_LADDER:
        with progress("trying every ladder", len(list(benchmarks.ladder_grid()))) as advance:
            best = benchmarks.best_ladder(
                turns, settings, bank=bank, known_after_ms=known_after_ms, advance=advance, workers=cores()
            )
    chosen = benchmarks.contender(name, settings, ladder=best[0] if best is not None else None)
    with progress(f"replaying {name}", len(turns)) as advance:
        replayed = chosen.replay(turns, bank=bank, known_after_ms=known_after_ms, advance=advance)
    if out is not None:
        _write(replayed, out)
    score = benchmarks.score(replayed, settings.costs)
    comparison = None
    if best_ladder and best is not None:
        comparison = Comparison(*best, ratio=score.cost / best[1].cost if best[1].cost else float("nan"))
    report = Report(trace, name, settings.seed, known_after_ms, score, comparison)
    aside = out == Path("-")
    if as_json:
        print_json(report.as_dict(), err=aside)
    else:
        print_table(report.as_table(), err=aside)
        for sentence in report.sentences():
            typer.echo(sentence, err=aside)


def _write(replayed: "list[ReplayedTurn]", out: Path) -> None:
    from stopgap.benchmarks import write_jsonl

    if out == Path("-"):
        write_jsonl(replayed, sys.stdout)
        sys.stdout.flush()
    else:
        with written_whole(out) as file:
            write_jsonl(replayed, file)

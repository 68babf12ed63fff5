"""``stopgap tune``: better settings for one's own traffic."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .._console import print_json, print_table, progress
from .._files import written_whole
from .._options import ConfigOption, JsonOption, cores
from ._listen import listen_app


class _SearchByDefault(TyperGroup):
    """``stopgap tune TRACE`` is short for ``stopgap tune search TRACE``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = ["search", *args]
        return super().resolve_command(ctx, args)


tune_app = typer.Typer(
    name="tune", help="Search better settings for your own traffic.", cls=_SearchByDefault, no_args_is_help=True
)


tune_app.add_typer(listen_app)


@tune_app.command()
def search(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help="Your traffic, or a bundled trace: at least 50 turns.")],
    config: ConfigOption = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The configuration that is written.")] = Path(
        "stopgap.tuned.toml"
    ),
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report with pictures, one file.")] = None,
    trials: Annotated[
        int, typer.Option(min=2, max=1_000_000, help="Finished trials, those of earlier runs included.")
    ] = 200,
    mode: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="ladder or predictive. Default: half of the trials each.")
    ] = None,
    max_delay_ms: Annotated[
        float | None, typer.Option(min=0.0, help="Replies may be held back by that much on average.")
    ] = None,
    max_over_1s: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share of turns that may have over 1 s of silence.")
    ] = None,
    max_spoken: Annotated[float | None, typer.Option(min=0.0, help="Spoken fillers per minute of waiting.")] = None,
    max_needless: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of first fillers that may begin < 0.25 s before the reply."),
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="Compare with the best ladder of a plain grid of ten times as many trials.")
    ] = False,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Database of the trials; several machines may share one. Default: an SQLite file."
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name in the database. Default: the trace's.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes. Default: one a core.")] = None,
    known_after_ms: Annotated[
        float, typer.Option(min=0.0, max=60_000.0, help="The end of speech becomes known that much later.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Search delays, kinds, handoff and limits on the first 70 % of TRACE, and judge on the rest.

    The yardstick is the cost of your configuration, within what you allow. Trials are kept as they finish: an
    interrupted run goes on where it stopped when it is started again, and further ones, here or elsewhere, may share
    its database.
    """
    from stopgap import benchmarks
    from stopgap.fillers import ClipBank, UsageError, load_config

    try:
        from stopgap.benchmarks.tuning._search import steps, tune
        from stopgap.benchmarks.tuning._study import Study, storage_at
    except ImportError as exc:
        if exc.name not in ("optuna", "sqlalchemy"):
            raise
        raise UsageError("tuning needs Optuna: pip install 'stopgap[tune]'") from None
    from stopgap.benchmarks.tuning._space import MODES
    from stopgap.benchmarks.tuning._trial import Demands, split

    modes = tuple(dict.fromkeys(mode or MODES))
    for name in modes:
        if name not in MODES:
            raise UsageError(f"--mode {name!r} is unknown; choose {' or '.join(MODES)}")
    _check_files(out, html)
    configured, turns = load_config(config), benchmarks.read_trace(trace)
    base = configured if configured.seed is not None else configured.model_copy(update={"seed": 0})
    split(turns)
    label = Path(trace).stem
    url = storage or f"sqlite:///{label}.tune.db"
    demands = Demands(max_delay_ms, max_over_1s, max_spoken, max_needless)
    bank = ClipBank(base.packs)
    each = -(-trials // len(modes))
    compared = 10 * each if grid and "ladder" in modes else 0
    try:
        with storage_at(url) as opened:
            studies = [
                Study(opened, f"{study or label} {name}", name, base, turns, demands, seed, known_after_ms)
                for name in modes
            ]
            with progress("tuning", steps(studies, each, compared)) as advance:
                found = tune(
                    turns, base, studies, each, demands, bank=bank, grid=compared, workers=workers or cores(),
                    known_after_ms=known_after_ms, advance=advance,
                )  # fmt: skip
    except KeyboardInterrupt:
        typer.echo("interrupted; finished trials are kept: start the same command again to go on", err=True)
        raise
    _report(found, trace, configured, out, html, as_json)


def _report(found: Any, trace: str, configured: Any, out: Path, html: Path | None, as_json: bool) -> None:
    from stopgap.benchmarks.tuning._report import as_dict, sentences

    from ._page import front_table, page, tables
    from ._toml import tuned_toml

    text = tuned_toml(found, trace, configured)
    with written_whole(out) as file:
        file.write(text)
    if html is not None:
        report = page(found, trace, text)
        with written_whole(html) as file:
            file.write(report)
    if as_json:
        print_json({"trace": trace, "wrote": str(out), **as_dict(found)})
        return
    for table in (*tables(found), front_table(found)):
        print_table(table)
    for sentence in (*sentences(found), f"wrote {out}"):
        typer.echo(sentence)


def _check_files(out: Path, html: Path | None) -> None:
    """Raise `UsageError` for what could not be written, before minutes of replays."""
    from stopgap.fillers import UsageError

    from .._plot import load_pyplot

    if html is not None:
        load_pyplot()
    for path in (out, html):
        if path is not None and not path.resolve().parent.is_dir():
            raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")

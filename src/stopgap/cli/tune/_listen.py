"""The listening test: a blinded set of recordings, and what its listeners preferred."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._console import new_table, print_json, print_table, progress
from .._options import JsonOption
from ._folders import check_place, folder_written_whole

if TYPE_CHECKING:
    from rich.table import Table
    from stopgap.benchmarks.listening._score import ListeningScore, Preferences
    from stopgap.benchmarks.listening._set import Side
    from stopgap.fillers import Config

listen_app = typer.Typer(name="listen", help="Let people judge two configurations blindly.", no_args_is_help=True)


@listen_app.command()
def make(
    trace: Annotated[
        str,
        typer.Argument(
            metavar="TRACE", help="A CSV file, or voice_mixed_dev, llm_ttft_dev or web_search_dev, which are bundled."
        ),
    ],
    a: Annotated[str, typer.Option("--a", metavar="CONFIG", help="A file, or ladder, none or predictive.")],
    b: Annotated[str, typer.Option("--b", metavar="CONFIG", help="What it is compared with.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the set goes.")],
    turns: Annotated[int, typer.Option(min=1, max=99, help="Pairs to listen to.")] = 12,
    seed: Annotated[
        int | None, typer.Option(help="Draws turns, clips and orders. Default: a new one, noted in the key.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier set, with the answers in it.")] = False,
) -> None:
    """Render turns of a trace under two configurations, as pairs that do not tell which is which.

    The folder holds the recordings, all equally loud, the answer sheet index.html, which works from the folder, and
    key.json, which tells which is which: keep that back from listeners.
    """
    import secrets

    from stopgap.benchmarks import read_trace
    from stopgap.benchmarks.listening._listening import listening_pairs
    from stopgap.benchmarks.listening._set import KEY, PAGE, is_set, write_set

    config_a, config_b = _config(a), _config(b)
    check_place(out, may_replace=is_set if force else None)
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    read = read_trace(trace)
    with folder_written_whole(out) as draft:
        with progress("rendering", turns) as advance:
            pairs = listening_pairs(read, config_a, config_b, count=turns, seed=seed, advance=advance)
        write_set(draft, pairs, trace=trace, seed=seed, a=_side(a, config_a), b=_side(b, config_b))
    typer.echo(f"wrote {len(pairs)} pairs to {out}")
    typer.echo(f"Take {KEY} out before you hand the folder on; listeners open {PAGE} and send back what it saves.")


@listen_app.command()
def score(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The set, with its key.")],
    answers: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[ANSWERS]...", help="What listeners saved. Default: all answers-*.json in FOLDER."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell which configuration listeners preferred, and how sure that is."""
    from stopgap.benchmarks.listening._score import score_answers
    from stopgap.benchmarks.listening._set import read_key

    key = read_key(folder)
    scored = score_answers(key, answers or sorted(folder.glob("answers-*.json")))
    if as_json:
        print_json(scored.as_dict())
        return
    typer.echo(f"{len(key.a_is)} pairs of {key.trace}\nA: {key.a.name}\nB: {key.b.name}")
    print_table(_table(scored))
    for sentence in scored.sentences():
        typer.echo(sentence)


def _config(name: str) -> "Config":
    from stopgap.benchmarks import POLICIES, benchmark_config

    return benchmark_config(name) if name in POLICIES else benchmark_config(None, name)


def _side(name: str, config: "Config") -> "Side":
    from stopgap.benchmarks.listening._set import Side

    from .._toml import as_toml

    return Side(name, as_toml(config.model_dump(mode="json")))


def _table(scored: "ListeningScore") -> "Table":
    counts = ("preferred A", "preferred B", "no difference", "unanswered")
    table = new_table("listener", *counts, right=counts)
    for one in scored.listeners:
        table.add_row(*_row(one))
    table.add_section()
    table.add_row(*_row(scored.all))
    return table


def _row(one: "Preferences") -> tuple[str, ...]:
    return (one.listener, str(one.a), str(one.b), str(one.same), str(one.unanswered))

"""What the commands print with: tables, a bar while something takes long, and JSON."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_table(table: "Table", *, err: bool = False) -> None:
    """Print *table* on stdout (or stderr), as wide as it needs where no terminal sets a width."""
    from rich.console import Console

    width = None if (sys.stderr if err else sys.stdout).isatty() else 200
    Console(stderr=err, width=width, markup=False, highlight=False, emoji=False).print(table)


def new_table(*columns: str, title: str | None = None, right: tuple[str, ...] = ()) -> "Table":
    """Return an empty table; the columns named in *right* hold numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table


def count(number: int, what: str) -> str:
    """Return *number* with the noun *what*: 1 clip, 2 clips."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def print_json(data: Any, *, err: bool = False) -> None:
    """Print *data* as JSON; what is not a number (NaN) becomes null."""
    typer.echo(json.dumps(_finite(data), ensure_ascii=False, indent=2), err=err)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr if that is a terminal; yield the function that moves it on by a number of steps."""
    console = _terminal()
    if console is None:
        yield lambda steps: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


def _terminal() -> "Console | None":
    """Return stderr if a bar can move there; on a terminal without a cursor, rich would leave empty lines instead."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_interactive else None


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data

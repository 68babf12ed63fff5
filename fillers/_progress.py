"""A progress bar for what takes long."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

PATIENCE_S = 1.0
"""s after which somebody at a terminal wants to see that something happens."""


def bar_when_long(items: Sequence[Item], name: str) -> Iterator[Item]:
    """Yield *items*; once that has taken a second and stderr is a terminal, with a bar that says *name*."""
    began = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - began > PATIENCE_S and sys.stderr.isatty():
            yield from _with_bar(items, name, done)
            return
        yield item


def _with_bar(items: Sequence[Item], name: str, done: int) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_interactive:  # a terminal without a cursor, where rich would leave an empty line
        yield from items[done:]
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"loading {name}", total=len(items), completed=done)
        for item in items[done:]:
            yield item
            progress.advance(task)

"""``stopgap tuner``: a local page to look at a trace under two policies, listen to its turns, and save settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from .._files import written_whole
from .._options import ConfigOption
from .._toml import as_toml


@dataclass(frozen=True)
class SavedFile:
    """The one file that the page may write."""

    path: Path

    def as_text(self, data: Mapping[str, Any]) -> str:
        """Return *data* as TOML."""
        return as_toml(data)

    def save(self, text: str) -> None:
        """Write *text*, whole or not at all.

        Raises:
            UsageError: if that cannot be done.
        """
        with written_whole(self.path) as file:
            file.write(text)


def tuner(
    trace: Annotated[
        str,
        typer.Argument(
            metavar="TRACE", help="A CSV file, or voice_mixed_dev, llm_ttft_dev or web_search_dev, which are bundled."
        ),
    ],
    config: ConfigOption = None,
    save: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the page saves a configuration; nothing else is written.")
    ] = Path("stopgap.tuned.toml"),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on this machine; 0: any that is free.")] = 8765,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser.")] = False,
) -> None:
    """Open a local page: waits, cue sheets, two policies side by side on a trace, each turn to look at and hear.

    Only this machine can reach it. Ctrl+C ends it.
    """
    import threading
    import webbrowser

    from stopgap.fillers import TraceError, UsageError

    if not all(map(find_spec, ("starlette", "uvicorn"))):
        raise UsageError("the tuner needs starlette and uvicorn: pip install 'stopgap[tuner]'")
    from stopgap.benchmarks import read_trace
    from stopgap.benchmarks.tuner import MOST_TURNS, Tuned, Workbench, bound, serve, tuner_app

    listening = bound(port)
    with listening:
        turns = read_trace(trace)
        if not turns:
            raise TraceError(f"{trace} holds no turns; give a trace with at least one row below its header")
        if len(turns) > MOST_TURNS:
            typer.echo(f"{trace} has {len(turns)} turns: the last {MOST_TURNS} are shown", err=True)
        app = tuner_app(Workbench(trace, turns, Tuned.from_file(config)), SavedFile(save))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        typer.echo(f"the tuner is at {address} (Ctrl+C ends it)")
        if not no_open:
            # the socket listens already: the page waits for what follows, which must not wait for a text browser
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        serve(app, listening)

"""All commands, and what becomes of errors.

Exit codes: 0 fine, 1 a check found something, 2 wrong usage or a wrong file, 130 interrupted. Modules of commands
import what is heavy inside the commands, so that ``--help`` is quick.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import stopgap
import typer

from ._config import config_app
from ._devices import devices
from ._doctor import doctor
from ._play import play
from ._replay import replay
from ._trace import trace_app
from .bench import bench_app
from .demo import demo
from .metrics import compare, metrics
from .pack import pack_app
from .service import serve, service_app
from .tune import tune_app, tuner

app = typer.Typer(
    name="stopgap",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command()(play)
app.command()(devices)
app.command()(doctor)
app.command()(replay)
app.command()(metrics)
app.command()(compare)
app.command()(tuner)
app.command()(serve)
app.add_typer(pack_app)
app.add_typer(config_app)
app.add_typer(bench_app)
app.add_typer(tune_app)
app.add_typer(trace_app)
app.add_typer(service_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stopgap {stopgap.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Fill the gap between a user's last word and a voice agent's first."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code.

    Args:
        arguments: What follows the program's name; None: what the process was started with.
    """
    try:
        try:
            app(arguments, prog_name="stopgap")
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader, `head` for example, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as exc:
        if exc.filename is None:
            raise
        # whatever looks whether a file is there fails so where one may not look, or the name is too long
        typer.echo(f"stopgap: {exc.filename} cannot be used ({exc.strerror}); name another", err=True)
        sys.exit(2)
    except Exception as exc:
        from stopgap.fillers import StopgapError

        if not isinstance(exc, StopgapError):
            raise
        sentence = " ".join(str(exc).splitlines())
        typer.echo(f"stopgap: {sentence}", err=True)
        sys.exit(2)

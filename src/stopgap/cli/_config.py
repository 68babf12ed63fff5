"""``stopgap config``: write, check and show configurations."""

from pathlib import Path
from typing import Annotated

import typer

from ._console import print_json
from ._files import written_whole
from ._options import JsonOption

config_app = typer.Typer(name="config", help="Write, check and show configurations.", no_args_is_help=True)


@config_app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="[PATH]", help="The file to write.")] = Path("stopgap.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a commented configuration that holds every default."""
    from importlib.resources import files

    from stopgap.fillers import UsageError

    if path.exists() and not force:
        raise UsageError(f"{path} exists already; --force replaces it")
    with written_whole(path) as file:
        file.write((files("stopgap.cli") / "example.toml").read_text(encoding="utf-8"))
    typer.echo(f"wrote {path}")


@config_app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A configuration, as TOML.")], as_json: JsonOption = False
) -> None:
    """Check a configuration with its packs and phrases."""
    from ._configcheck import check_config

    found = check_config(file)
    if as_json:
        print_json(
            {"file": str(file), "ok": not found.problems, "problems": found.problems, "warnings": found.warnings}
        )
    else:
        for problem in found.problems:
            typer.echo(f"error: {problem}")
        for warning in found.warnings:
            typer.echo(f"warning: {warning}")
        if not found.problems:
            typer.echo(f"{file} is fine")
    if found.problems:
        raise typer.Exit(1)


@config_app.command()
def show(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: the built-in defaults.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is in effect: FILE with the defaults of all that it leaves out."""
    from stopgap.fillers import load_config

    from ._toml import as_toml

    data = load_config(file).model_dump(mode="json")
    if as_json:
        print_json(data)
    else:
        typer.echo(as_toml(data), nl=False)

"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Configuration; see `stopgap config init`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

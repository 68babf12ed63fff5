"""What several commands' options need."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Configuration; see `stopgap config init`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1

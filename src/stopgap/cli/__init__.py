"""The command line: ``stopgap``."""

from ._app import main

__all__ = ["main"]

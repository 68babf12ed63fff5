"""``stopgap pack``."""

from ._app import pack_app

__all__ = ["pack_app"]

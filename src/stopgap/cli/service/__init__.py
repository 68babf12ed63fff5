"""``stopgap serve`` and ``stopgap service``."""

from ._app import service_app
from ._serve import serve

__all__ = ["serve", "service_app"]

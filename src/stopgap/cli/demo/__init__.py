"""``stopgap demo``."""

from ._demo import demo

__all__ = ["demo"]

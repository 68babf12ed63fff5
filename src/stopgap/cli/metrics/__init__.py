"""``stopgap metrics`` and ``stopgap compare``."""

from ._compare import compare
from ._metrics import metrics

__all__ = ["compare", "metrics"]

"""``stopgap tune`` and ``stopgap tuner``."""

from ._app import tune_app
from ._tuner import tuner

__all__ = ["tune_app", "tuner"]

"""INSERT ... ON CONFLICT, which SQLAlchemy has only by dialect."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Insert
from sqlalchemy.dialects import postgresql, sqlite


def by_dialect(built: Callable[[Any], Any]) -> Mapping[str, Insert]:
    """Return what *built* makes of each dialect's ``insert``, by the dialect's name."""
    return {"postgresql": built(postgresql.insert), "sqlite": built(sqlite.insert)}

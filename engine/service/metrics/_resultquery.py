"""Which results of metrics a caller wants, and in which order."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

from ..storage import SOURCES, ResultFilter

SourceType = Literal["post-session", "manual", "simulation"]
ORDERS = "^[+-]created_at$"
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]", re.ASCII)


def _written_out(value: Any) -> Any:
    if isinstance(value, str) and _TIME.match(value) is None:  # pydantic takes numbers for times
        raise PydanticCustomError("datetime", "write a time as 2026-01-31T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


def result_filter(
    *,
    metrics: Sequence[str],
    sources: Sequence[SourceType],
    conversations: Sequence[str],
    simulations: Sequence[str],
    since: datetime | None,
    until: datetime | None,
) -> ResultFilter:
    """Return which results a query asks for: of each filter that is there, one value must fit.

    Nothing here comes from simulations: who asks for those of some gets none.
    """
    wanted = () if simulations else tuple(source for source in SOURCES if not sources or source in sources)
    return ResultFilter(
        metrics=tuple(metrics) or None,
        sources=wanted,
        conversations=tuple(conversations) or None,
        since=None if since is None else since.timestamp(),
        until=None if until is None else until.timestamp(),
    )

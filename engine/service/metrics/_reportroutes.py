"""The API's endpoint that compares versions of a behaviour. It is this service's own."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from .._access import Asking, Organization, Parts, admit
from .._problems import RATE_HEADERS, answers
from .._settings import Id
from ..identity import Permission
from ._reporting import MOST_COMPARED

router = APIRouter(prefix="/v1/{organization}/behavior")


class VersionCount(BaseModel):
    version: int
    conversations: int


class LeftOut(BaseModel):
    """Conversations that are not compared."""

    several_versions: int
    no_version: int


class BehaviorReport(BaseModel):
    """Versions of a behaviour, compared."""

    behavior: str
    """Its id."""
    randomized: bool
    """Whether conversations count under the version that they were dealt; else under the one that they saw in force,
    and may differ in other ways."""
    control: int
    versions: list[VersionCount]
    left_out: LeftOut
    not_evaluated: int
    """Conversations of which metrics are yet to be evaluated, or again: a minute after their last interaction."""
    alpha: float
    """Probability that anything in the report is ever wrong, however often it is asked for."""
    comparisons: int
    sample_ratio: dict[str, Any] | None
    notes: list[str]
    """What must be known to read the figures, the most important first."""
    metrics: list[dict[str, Any]]


@router.get(
    "/{behavior_id}/report",
    responses={200: {"headers": RATE_HEADERS}, **answers(400, 401, 403, 404, 408, 413, 422, 429, 500, 503)},
)
async def get_behavior_report(
    organization: Organization,
    behavior_id: Annotated[Id, Path(description="A behavior set's id, or that of a configured behaviour.")],
    response: Response,
    parts: Parts,
    asking: Asking,
    metric_id: Annotated[
        list[Id], Query(default_factory=list, max_length=MOST_COMPARED, description="None: the built-in ones.")
    ],
    control: Annotated[
        int | None, Query(ge=0, description="The version to compare with; left out: the lowest.")
    ] = None,
    alpha: Annotated[float, Query(gt=0, lt=1, description="Probability that anything in it is ever wrong.")] = 0.05,
) -> BehaviorReport:
    """Compare the versions of a behaviour: every metric of each, the difference, how sure it is, and a verdict."""
    allowance = await admit(parts, asking, Permission.GET_METRIC_EVALUATION_RESULT, organization, "metric_results")
    report, due = await asyncio.to_thread(
        parts.metrics.reporting.report, organization, behavior_id, metrics=metric_id, control=control, alpha=alpha
    )
    response.headers.update(allowance.headers)
    return BehaviorReport(**report.as_dict(), not_evaluated=due)

"""The API's endpoints for metrics."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from .._access import Asking, Organization, Parts, admit
from .._body import parsed_json
from .._openapi import body
from .._problems import RATE_HEADERS, answers
from .._settings import Id
from .._wire import first_key
from ..identity import Permission
from ..storage import MOST_METRICS_LISTED, MOST_RESULTS, MOST_VALUES
from ._forms import (
    EvaluatedMetric,
    EvaluatedMetrics,
    EvaluateRequest,
    FilterValues,
    MetricCreated,
    MetricList,
    MetricRequest,
    MetricResult,
    MetricResults,
)
from ._listing import listed
from ._resultquery import ORDERS, Moment, SourceType, result_filter

router = APIRouter(prefix="/v1/{organization}/metric")
MOST_TOKEN = (1 << 53) - 1
"""What JSON's readers take for a whole number."""
Ids = Annotated[list[Id], Query(default_factory=list, max_length=MOST_VALUES)]


@router.post(
    "/evaluate",
    responses={200: {"headers": RATE_HEADERS}, **answers(400, 401, 403, 404, 408, 413, 422, 429, 500, 503)},
    openapi_extra=body(EvaluateRequest),
)
async def evaluate_metrics(
    organization: Organization, request: Request, response: Response, parts: Parts, asking: Asking
) -> EvaluatedMetrics:
    """Evaluate metrics of a conversation as it stands. Results are kept; evaluated again, they are overwritten."""
    asking.require(Permission.GET_METRIC_EVALUATION_RESULT, organization)
    allowance = await admit(parts, asking, Permission.EVALUATE_METRIC, organization, "metric_evaluate")
    wanted = await parsed_json(request, EvaluateRequest)
    found = await asyncio.to_thread(
        parts.metrics.evaluating.evaluate, organization, wanted.conversation_id, wanted.metric_ids,
        up_to=wanted.evaluate_to_interaction_id, source="manual", invoked_by=asking.user,
    )  # fmt: skip
    response.headers.update(allowance.headers)
    return EvaluatedMetrics(metrics=[EvaluatedMetric.of(one) for one in found])


@router.get(
    "/metric_evaluation_result",
    responses={200: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)},
)
async def get_metric_evaluation_results(
    organization: Organization,
    response: Response,
    parts: Parts,
    asking: Asking,
    metric_id: Ids,
    conversation_id: Ids,
    simulation_unit_test_set_run_id: Annotated[
        list[Id], Query(default_factory=list, max_length=MOST_VALUES, description="There are no simulations: none.")
    ],
    source_type: Annotated[list[SourceType], Query(default_factory=list, max_length=MOST_VALUES)],
    sort_by: Annotated[
        list[str],
        Query(
            default_factory=list,
            description="`+created_at` (in a URL `%2Bcreated_at`) or `-created_at`, the latest first.",
            json_schema_extra={"items": {"type": "string", "pattern": ORDERS}},
        ),
    ],
    timestamp_after: Annotated[Moment | None, Query(description="First evaluated then, or later.")] = None,
    timestamp_before: Annotated[Moment | None, Query(description="First evaluated then, or earlier.")] = None,
    limit: Annotated[int, Query(ge=0, le=MOST_RESULTS, description="Results at most.")] = MOST_RESULTS,
    continuation_token: Annotated[
        int, Query(ge=0, le=MOST_TOKEN, description="From the page before; 0: the first page.")
    ] = 0,
) -> MetricResults:
    """List what metrics have found, in the order in which it was first found.

    What is found meanwhile makes no page show one twice, or leave one out. What is overwritten meanwhile keeps its
    place: a page that is yet to come shows what it is then.
    """
    allowance = await admit(
        parts, asking, Permission.GET_METRIC_EVALUATION_RESULT, organization, "metric_results"
    )  # fmt: skip
    descending = first_key(sort_by, "created_at") == "-created_at"
    wanted = result_filter(
        metrics=metric_id, sources=source_type, conversations=conversation_id,
        simulations=simulation_unit_test_set_run_id, since=timestamp_after, until=timestamp_before,
    )  # fmt: skip
    page = await asyncio.to_thread(
        parts.metrics.results.page, organization, wanted,
        newest_first=descending, after=continuation_token, limit=limit,
    )  # fmt: skip
    filters = None
    if continuation_token == 0:
        filters = FilterValues(metric_ids=list(await asyncio.to_thread(parts.metrics.results.metrics, organization)))
    response.headers.update(allowance.headers)
    last = page.results[-1].number if page.results else continuation_token
    return MetricResults(
        metric_evaluation_results=[MetricResult.of(stored) for stored in page.results],
        has_more=page.has_more,
        continuation_token=last if page.has_more else None,
        filter_values=filters,
    )


@router.post(
    "/",
    status_code=201,
    responses={201: {"headers": RATE_HEADERS}, **answers(400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503)},
    openapi_extra=body(MetricRequest),
)
async def create_metric(
    organization: Organization, request: Request, response: Response, parts: Parts, asking: Asking
) -> MetricCreated:
    """Define a metric: an expression for each turn, and how a conversation's turns become one value."""
    allowance = await admit(parts, asking, Permission.CREATE_METRIC, organization, "metric_create")
    new = await parsed_json(request, MetricRequest)
    await asyncio.to_thread(new.check)
    stored = await asyncio.to_thread(
        parts.metrics.definitions.define, organization, new.name, new.definition(), creator=asking.user
    )  # fmt: skip
    response.headers.update(allowance.headers)
    return MetricCreated(id=stored.id)


@router.get(
    "/", responses={200: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)}
)  # fmt: skip
async def get_metrics(
    organization: Organization,
    response: Response,
    parts: Parts,
    asking: Asking,
    limit: Annotated[int, Query(ge=0, le=MOST_METRICS_LISTED, description="Metrics at most.")] = MOST_METRICS_LISTED,
    continuation_token: Annotated[
        int, Query(ge=0, le=MOST_TOKEN, description="From the page before; 0: the first page.")
    ] = 0,
) -> MetricList:
    """List metrics: those that are built in, then the organization's, the oldest first."""
    allowance = await admit(parts, asking, Permission.GET_METRIC, organization, "metric_list")
    page = await asyncio.to_thread(
        listed, parts.metrics.evaluating, parts.metrics.definitions, organization, after=continuation_token, limit=limit
    )  # fmt: skip
    response.headers.update(allowance.headers)
    return page

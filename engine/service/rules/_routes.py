"""The API's endpoints for rules and what they deliver."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from .._access import Asking, Organization, Parts, admit
from .._body import parsed_json
from .._openapi import body
from .._problems import RATE_HEADERS, answers
from .._rates import Allowance
from .._runtime import Runtime
from .._settings import Id
from ..identity import Permission, Principal
from ..storage import NewRule
from ._forms import (
    DeliveriesTold,
    DeliveryTold,
    RuleCreated,
    RuleRequest,
    RuleSecret,
    RulesTold,
    RuleTold,
    State,
)

MOST_LISTED = 100
router = APIRouter(prefix="/v1/{organization}/rule")
RuleId = Annotated[Id, Path(description="The rule's id.")]
Limit = Annotated[int, Query(ge=1, le=MOST_LISTED, description="At most so many.")]
Token = Annotated[Id | None, Query(description="From the page before; left out: the first page.")]


async def _may_change(parts: Runtime, asking: Principal, organization: str) -> Allowance:
    """Check both permissions that it takes to have metrics evaluated when a behaviour was triggered."""
    asking.require(Permission.EVALUATE_METRIC, organization)
    return await admit(
        parts, asking, Permission.UPDATE_DYNAMIC_BEHAVIOR_INSTRUCTION, organization, "rule_change"
    )  # fmt: skip


async def _may_read(parts: Runtime, asking: Principal, organization: str) -> Allowance:
    return await admit(parts, asking, Permission.GET_METRIC_EVALUATION_RESULT, organization, "rule_read")


@router.post(
    "/",
    status_code=201,
    responses={201: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)},
    openapi_extra=body(RuleRequest),
)
async def create_rule(
    organization: Organization, request: Request, response: Response, parts: Parts, asking: Asking
) -> RuleCreated:
    """Create a rule: when a behaviour was triggered in an interaction, these metrics are evaluated over the
    conversation up to there, then this URL is called with what they came to."""
    allowance = await _may_change(parts, asking, organization)
    new = await parsed_json(request, RuleRequest)
    target = None if new.url is None else parts.rules.webhooks.checked(new.url)
    await asyncio.to_thread(parts.metrics.evaluating.metrics, organization, new.metric_ids)  # there are these
    rule = NewRule(
        new.name, new.behavior_id, new.version, tuple(new.metric_ids),
        None if target is None else target.url, "" if target is None else target.host,
    )  # fmt: skip
    made = await asyncio.to_thread(parts.rules.definitions.create, organization, rule, creator=asking.user)
    response.headers.update(allowance.headers)
    return RuleCreated(id=made.id, secret=parts.rules.webhooks.secret_of(made.id))


@router.get("/", responses={200: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)})
async def get_rules(
    organization: Organization,
    response: Response,
    parts: Parts,
    asking: Asking,
    limit: Limit = MOST_LISTED,
    continuation_token: Token = None,
) -> RulesTold:
    """List the rules there are, the newest first. What is created meanwhile makes no page show one twice."""
    allowance = await _may_read(parts, asking, organization)
    page = await asyncio.to_thread(parts.rules.definitions.listed, organization, after=continuation_token, limit=limit)
    response.headers.update(allowance.headers)
    return RulesTold(
        rules=[RuleTold.of(rule) for rule in page.rules],
        has_more=page.has_more,
        continuation_token=page.rules[-1].id if page.has_more else None,
    )


@router.delete(
    "/{rule_id}",
    status_code=204,
    responses={204: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)},
)
async def delete_rule(
    organization: Organization, rule_id: RuleId, response: Response, parts: Parts, asking: Asking
) -> None:
    """Delete a rule. What it still had to deliver has failed then; what it delivered can be read on."""
    allowance = await _may_change(parts, asking, organization)
    await asyncio.to_thread(parts.rules.definitions.delete, organization, rule_id)
    response.headers.update(allowance.headers)


@router.get(
    "/{rule_id}/secret",
    responses={200: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)},
)
async def get_rule_secret(
    organization: Organization, rule_id: RuleId, response: Response, parts: Parts, asking: Asking
) -> RuleSecret:
    """Tell once more what a rule's webhooks are signed with, to whoever may create one."""
    allowance = await _may_change(parts, asking, organization)
    rule = await asyncio.to_thread(parts.rules.definitions.find, organization, rule_id)
    response.headers.update(allowance.headers)
    return RuleSecret(secret=parts.rules.webhooks.secret_of(rule.id))


@router.get(
    "/{rule_id}/delivery/",
    responses={200: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)},
)
async def get_deliveries(
    organization: Organization,
    rule_id: RuleId,
    response: Response,
    parts: Parts,
    asking: Asking,
    state: Annotated[State | None, Query(description="Only those; left out: all.")] = None,
    limit: Limit = MOST_LISTED,
    continuation_token: Token = None,
) -> DeliveriesTold:
    """List what a rule delivered, or will, the newest first. The rule may have been deleted."""
    allowance = await _may_read(parts, asking, organization)
    page = await asyncio.to_thread(
        parts.rules.deliveries.listed, organization, rule_id, state=state, after=continuation_token, limit=limit
    )
    response.headers.update(allowance.headers)
    return DeliveriesTold(
        deliveries=[DeliveryTold.of(delivery) for delivery in page.deliveries],
        has_more=page.has_more,
        continuation_token=page.deliveries[-1].id if page.has_more else None,
    )


@router.post(
    "/{rule_id}/delivery/{delivery_id}/retry",
    responses={200: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 409, 413, 422, 429, 500, 503)},
)
async def retry_delivery(
    organization: Organization,
    rule_id: RuleId,
    delivery_id: Annotated[Id, Path(description="The delivery's id.")],
    response: Response,
    parts: Parts,
    asking: Asking,
) -> DeliveryTold:
    """Have a failed delivery tried again, as often as a new one, and with the same body."""
    allowance = await _may_change(parts, asking, organization)
    found = await asyncio.to_thread(parts.rules.deliveries.again, organization, rule_id, delivery_id)
    parts.rules.delivering.wake()
    response.headers.update(allowance.headers)
    return DeliveryTold.of(found)

"""The endpoint for turns of agents that run elsewhere."""

import asyncio

from fastapi import APIRouter, Request, Response

from .._access import Asking, Organization, Parts, admit
from .._body import parsed_json
from .._openapi import body
from .._problems import RATE_HEADERS, answers
from ..identity import Permission
from ._postedturns import MOST_TURNS_BODY, PostedTurns, TurnsRequest, new_turns

router = APIRouter(prefix="/v1/{organization}/turn")


@router.post(
    "/",
    status_code=201,
    responses={201: {"headers": RATE_HEADERS}, **answers(400, 401, 403, 404, 408, 413, 422, 429, 500, 503)},
    openapi_extra=body(TurnsRequest),
)
async def post_turns(
    organization: Organization, request: Request, response: Response, parts: Parts, asking: Asking
) -> PostedTurns:
    """Store turns of agents that run elsewhere, all or none; those that are there already stay as they are.

    All turns of a session are one conversation, which is finished and tagged `posted turns`.
    """
    allowance = await admit(parts, asking, Permission.CREATE_CONVERSATION, organization, "turns")
    sent = await parsed_json(request, TurnsRequest, most=MOST_TURNS_BODY)
    turns = await asyncio.to_thread(new_turns, sent.turns)
    posted = await asyncio.to_thread(
        parts.metrics.turns.post, organization, turns, user=asking.user, service=sent.service_id
    )  # fmt: skip
    response.headers.update(allowance.headers)
    return PostedTurns(
        conversation_ids=list(posted.conversations), interaction_ids=list(posted.interactions), new_turns=posted.new
    )

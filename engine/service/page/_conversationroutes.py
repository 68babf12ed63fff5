"""The API's endpoints that list conversations and their turns."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from .._access import Asking, Organization, Parts, admit
from .._problems import RATE_HEADERS, answers
from .._runtime import Runtime
from .._settings import Id
from .._wire import first_key, told_time
from ..identity import Permission, Principal
from ..storage import MOST_CONVERSATIONS, MOST_TOKEN, MOST_TURNS_LISTED, ConversationPage, TurnPage, Wanted
from ._conversationforms import (
    SUMMED_TURNS,
    ConversationsTold,
    ConversationTold,
    Summary,
    TurnsTold,
    TurnTold,
)

MOST_SUMMED = 25
"""Conversations of a page that are summed up."""
MOST_VALUES = 100
"""Values of a filter."""
MOST_NUMBER = 999_999_999
ORDERS = "^[+-]created_at$"
router = APIRouter(prefix="/v1/{organization}/conversation")
Ids = Annotated[list[Id], Query(default_factory=list, max_length=MOST_VALUES)]


@router.get(
    "/",
    responses={200: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)},
)
async def get_conversations(
    organization: Organization,
    response: Response,
    parts: Parts,
    asking: Asking,
    user_id: Ids,
    service_id: Ids,
    id: Ids,
    tag: Annotated[list[str], Query(default_factory=list, max_length=0, description="Not supported: leave it out.")],
    sort_by: Annotated[
        list[str],
        Query(
            default_factory=list,
            description="`+created_at` (in a URL `%2Bcreated_at`) or `-created_at`, as without it: the newest first.",
            json_schema_extra={"items": {"type": "string", "pattern": ORDERS}},
        ),
    ],
    is_finished: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_CONVERSATIONS, description="At most.")] = MOST_CONVERSATIONS,
    continuation_token: Annotated[
        int, Query(ge=0, le=MOST_TOKEN, description="From the page before; 0: the first page.")
    ] = 0,
    with_summary: Annotated[
        bool,
        Query(description=f"Sum up the first {MOST_SUMMED} of the page: dead air, and behaviours that were in force."),
    ] = False,
) -> ConversationsTold:  # fmt: skip
    """List conversations: the caller's own, or with the permission to get users' info all of the organization's."""
    allowance = await admit(parts, asking, Permission.GET_CONVERSATION, organization, "conversations_read")
    wanted = Wanted(tuple(user_id), tuple(service_id), tuple(id), is_finished)
    page = await asyncio.to_thread(
        parts.listing.conversations, organization, wanted, user=_whose(asking, organization),
        oldest_first=first_key(sort_by, "created_at") == "+created_at", token=continuation_token, limit=limit,
    )  # fmt: skip
    summed = with_summary and asking.may(Permission.GET_INTERACTION_INSIGHTS, organization)
    told = await asyncio.to_thread(
        _told, parts, page, with_message=asking.may(Permission.GET_MESSAGE, organization), summed=summed
    )
    response.headers.update(allowance.headers)
    return told


@router.get(
    "/{conversation_id}/turn/",
    responses={200: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)},
)
async def get_conversation_turns(
    organization: Organization,
    conversation_id: Annotated[Id, Path()],
    response: Response,
    parts: Parts,
    asking: Asking,
    limit: Annotated[int, Query(ge=1, le=MOST_TURNS_LISTED, description="At most.")] = MOST_TURNS_LISTED,
    continuation_token: Annotated[
        int, Query(ge=0, le=MOST_NUMBER, description="From the page before; 0: the first page.")
    ] = 0,
) -> TurnsTold:
    """List a conversation's turns in order. Actions and records are there with the permission to get insights."""
    allowance = await admit(parts, asking, Permission.GET_CONVERSATION, organization, "conversations_read")
    asking.require(Permission.GET_MESSAGE, organization)
    page = await asyncio.to_thread(
        parts.listing.turns, organization, conversation_id,
        user=_whose(asking, organization), after=continuation_token, limit=limit,
    )  # fmt: skip
    told = await asyncio.to_thread(
        _told_turns, page, with_insights=asking.may(Permission.GET_INTERACTION_INSIGHTS, organization)
    )
    response.headers.update(allowance.headers)
    return told


def _whose(asking: Principal, organization: str) -> str | None:
    """Return whose conversations *asking* may see; None: everybody's."""
    return None if asking.may(Permission.GET_USER_INFO, organization) else asking.user


def _told(parts: Runtime, page: ConversationPage, *, with_message: bool, summed: bool) -> ConversationsTold:
    ids = [one.conversation.id for one in page.conversations[:MOST_SUMMED]] if summed else []
    records = parts.listing.records(ids, last=SUMMED_TURNS) if ids else {}
    summaries = {one: Summary.of(records.get(one, ())) for one in ids}
    return ConversationsTold(
        conversations=[
            ConversationTold.of(one, with_message=with_message, summary=summaries.get(one.conversation.id))
            for one in page.conversations
        ],
        has_more=page.next_token is not None,
        continuation_token=page.next_token,
    )


def _told_turns(page: TurnPage, *, with_insights: bool) -> TurnsTold:
    stored = page.conversation
    return TurnsTold(
        conversation_id=stored.id,
        user_id=stored.user,
        service_id=stored.service,
        created_at=told_time(stored.created_at),
        is_finished=stored.finished_at is not None,
        tags=dict(stored.tags),
        num_interactions=stored.interaction_count,
        turns=[TurnTold.of(turn, with_insights=with_insights) for turn in page.interactions],
        has_more=page.has_more,
        continuation_token=page.interactions[-1].number if page.has_more else None,
    )

"""The API's endpoints."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from ...fillers import Behaviors
from ._access import Asking, Organization, Parts, admit, allowed, origin
from ._agents import AgentRequest, Message
from ._body import parsed_json
from ._filter import LONGEST, ActionFilter, action_filter
from ._form import FORM_SCHEMA, parsed_form
from ._interaction import Interaction, Service
from ._problems import RATE_HEADERS, answers, refused
from ._runtime import Runtime
from ._settings import Id
from ._speech import decoded, parsed_audio_config
from ._storing import StoredUnit
from ._stream import EventStream
from ._tags import Tags
from ._wire import told_time
from .identity import Permission, Principal
from .storage import Lease, NewConversation, Words

HISTORY = 200
"""Interactions before this one that an agent is told of."""
REMEMBERED = 50
"""Interactions whose fillers are looked up where a conversation goes on in another process, or after a while."""
router = APIRouter(prefix="/v1/{organization}")
Format = Literal["text", "voice"]
ActionType = Annotated[
    str,
    Query(max_length=LONGEST, description="Regular expression on the type of actions to be sent; `^$`: none."),
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
_EVENTS: dict[str, Any] = {
    "description": "Events, one JSON object a line. The status says nothing of what comes: an `error` may follow.",
    "headers": RATE_HEADERS,
    "content": {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Event"}}},
}


class SignedIn(BaseModel):
    id_token: str
    expires_at: datetime


class ConversationRequest(BaseModel):
    """A conversation to begin."""

    service_id: Id
    service_version_set_name: str = Field(default="release", max_length=100)
    """Only ``release`` exists here."""
    initial_message: Text | None = None
    """None: the agent opens."""
    initial_message_type: Literal["user-message", "external-event"] | None = None
    tags: Tags = {}
    is_test: bool = False


@router.post(
    "/user/signin_with_api_key",
    responses={200: {"headers": RATE_HEADERS}, **answers(401, 408, 413, 422, 429, 500, 503)},
)
async def sign_in_with_api_key(
    organization: Organization,
    request: Request,
    response: Response,
    parts: Parts,
    x_api_key: Annotated[str, Header(max_length=200)],
    x_api_key_id: Annotated[str, Header(max_length=64)],
    x_user_id: Annotated[str, Header(max_length=64)],
) -> SignedIn:
    """Exchange an API key for a token."""
    address = origin(request)
    # checking a key is dear: nobody may ask for many, whichever organization and user they name
    await allowed(parts, "sign_in_origin", "any", address)
    allowance = await allowed(parts, "sign_in", organization, f"{address} {x_user_id}")
    token = await parts.signing_in.run(parts.identity.sign_in, organization, x_user_id, x_api_key_id, x_api_key)
    response.headers.update(allowance.headers)
    return SignedIn(id_token=token.text, expires_at=told_time(token.expires_at))


@router.post(
    "/conversation/",
    status_code=201,
    response_class=Response,
    responses={201: _EVENTS, **answers(400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ConversationRequest.model_json_schema()}},
        }
    },
)
async def create_conversation(
    organization: Organization,
    http_request: Request,
    parts: Parts,
    asking: Asking,
    response_format: Format,
    current_agent_action_type: ActionType = "^.*$",
) -> Response:
    """Begin a conversation. It is stored when its first interaction is complete, and not at all if that fails."""
    allowance = await admit(parts, asking, Permission.CREATE_CONVERSATION, organization, "create")
    wanted = action_filter(current_agent_action_type)
    body = await parsed_json(http_request, ConversationRequest)
    service = _service(parts, body.service_id, response_format)
    if body.service_version_set_name != "release":
        raise refused(404, "there is no such version set; write release")
    if body.initial_message_type is not None and body.initial_message is None:
        raise refused(400, "initial_message_type needs an initial_message")
    new = NewConversation(body.service_id, body.tags, body.is_test)
    lease = await asyncio.to_thread(parts.stores.leases.reserve, organization, asking.user)
    unit = _unit(parts, lease, new)
    try:
        open_ones = await asyncio.to_thread(
            parts.history.unfinished, organization, asking.user, service=body.service_id
        )
        if open_ones:
            raise refused(400, "another conversation of this user with this service is not finished; finish it first")
        request = AgentRequest(
            organization, asking.user, lease.conversation, service.name, response_format,
            message_type=body.initial_message_type or ("user-message" if body.initial_message else "skip"),
            text=body.initial_message,
        )  # fmt: skip
        behaviors = await parts.behaviors.stored.of(organization, body.service_id, lease.conversation)
        return _stream(parts, asking, service, request, unit, wanted, 201, allowance.headers, behaviors)
    except BaseException:
        await unit.release()
        raise


@router.post(
    "/conversation/{conversation_id}/interact",
    response_class=Response,
    responses={200: _EVENTS, **answers(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503)},
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM_SCHEMA}}}},
)
async def interact_with_conversation(
    organization: Organization,
    conversation_id: Annotated[Id, Path()],
    http_request: Request,
    parts: Parts,
    asking: Asking,
    request_format: Format,
    response_format: Format,
    current_agent_action_type: ActionType = "^.*$",
    request_audio_config: Annotated[str | None, Query(max_length=200, description="JSON; voice requests only.")] = None,
) -> Response:
    """Send a message, and get the answer as it comes. A failed interaction leaves nothing behind."""
    allowance = await admit(parts, asking, Permission.INTERACT_WITH_CONVERSATION, organization, "interact")
    wanted, audio_config = action_filter(current_agent_action_type), parsed_audio_config(request_audio_config)
    sent = await parsed_form(http_request, speech=request_format == "voice")
    found = await asyncio.to_thread(
        parts.stores.leases.resume, organization, conversation_id, user=asking.user, last=HISTORY
    )
    unit = _unit(parts, found.lease, None)
    try:
        service = _service(parts, found.service, response_format)
        if sent.audio is not None and service.settings.agent_url is not None:
            raise refused(400, "this service does not hear; send text")
        if not parts.sessions.knows(conversation_id, found.interactions):
            heard = await asyncio.to_thread(parts.history.heard, conversation_id, last=REMEMBERED)
            parts.sessions.begin(conversation_id, found.interactions, heard)
        # only now: it is dear, and nobody should have it done for a conversation that is not theirs
        audio = None if sent.audio is None else await parts.decoding.run(decoded, sent.audio, audio_config)
        request = AgentRequest(
            organization, asking.user, conversation_id, service.name, response_format,
            message_type=sent.message_type, text=sent.text, audio=audio, external_events=sent.external_events,
            history=_history(found.words),
        )  # fmt: skip
        behaviors = await parts.behaviors.stored.of(organization, found.service, conversation_id)
        return _stream(parts, asking, service, request, unit, wanted, 200, allowance.headers, behaviors)
    except BaseException:
        await unit.release()
        raise


@router.post(
    "/conversation/{conversation_id}/finish/",
    status_code=204,
    responses={204: {"headers": RATE_HEADERS}, **answers(400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503)},
)
async def finish_conversation(
    organization: Organization,
    conversation_id: Annotated[Id, Path()],
    response: Response,
    parts: Parts,
    asking: Asking,
) -> None:
    """End a conversation."""
    allowance = await admit(parts, asking, Permission.FINISH_CONVERSATION, organization, "finish")
    await asyncio.to_thread(parts.stores.conversations.finish, organization, conversation_id, user=asking.user)
    parts.sessions.forget(conversation_id)
    response.headers.update(allowance.headers)


def _service(parts: Runtime, service_id: str, response_format: Format) -> Service:
    service = parts.services.get(service_id)
    if service is None:
        raise refused(404, "there is no such service")
    if response_format == "voice" and not service.settings.voice:
        raise refused(400, "this service has no voice; ask for text")
    return service


def _unit(parts: Runtime, lease: Lease, creates: NewConversation | None) -> StoredUnit:
    def on_end(stored: bool) -> None:
        if stored or creates is None:
            parts.sessions.give_back(lease.conversation, stored=stored)
        else:
            parts.sessions.forget(lease.conversation)

    return StoredUnit(parts.stores, lease, creates=creates, on_end=on_end)


def _stream(
    parts: Runtime,
    asking: Principal,
    service: Service,
    request: AgentRequest,
    unit: StoredUnit,
    wanted: ActionFilter,
    status: int,
    headers: dict[str, str],
    behaviors: Behaviors,
) -> EventStream:
    if parts.stopping:
        raise refused(503, "the service is being stopped; try again in a moment", {"Retry-After": "1"})
    sees_actions = asking.may(Permission.GET_INTERACTION_INSIGHTS, request.organization)
    interaction = Interaction(
        service, request, parts.sessions.take(request.conversation_id), unit,
        wanted=wanted if sees_actions else None, creates=status == 201, behaviors=behaviors,
    )  # fmt: skip
    parts.run(interaction)
    return EventStream(interaction, status=status, headers=headers)


def _history(words: Words) -> tuple[Message, ...]:
    said = []
    for user_message, answer in words:
        if user_message is not None:
            said.append(Message("user", user_message))
        said.append(Message("agent", answer))
    return tuple(said)

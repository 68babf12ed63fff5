"""The API's endpoints for dynamic behavior sets."""

import asyncio
from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from .._access import Asking, Organization, Parts, admit
from .._body import parsed_json
from .._openapi import body
from .._problems import RATE_HEADERS, answers, refused
from .._runtime import Runtime
from .._settings import Id
from .._wire import first_key
from ..identity import Permission
from ..storage import MOST_LISTED, MOST_SETS, NewBehavior
from ._forms import (
    SetCreated,
    SetInstance,
    SetRequest,
    Sets,
    SetUpdate,
    Version,
    VersionCreated,
    VersionRequest,
    Versions,
)
from ._stored import rule_of
from ._versionquery import EVERY, MOST_VERSION, ORDERS, VERSIONS, parsed_range

MOST_SETS_LISTED = 50
router = APIRouter(prefix="/v1/{organization}/dynamic_behavior_set")
SetId = Annotated[Id, Path(description="The set's id.")]


@router.post(
    "/",
    status_code=201,
    responses={201: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)},
    openapi_extra=body(SetRequest),
)
async def create_dynamic_behavior_set(
    organization: Organization, request: Request, response: Response, parts: Parts, asking: Asking
) -> SetCreated:
    """Create a set with its first version."""
    allowance = await admit(
        parts, asking, Permission.UPDATE_DYNAMIC_BEHAVIOR_INSTRUCTION, organization, "behavior_create"
    )
    wanted = await parsed_json(request, SetRequest)
    new, behavior = wanted.new(), wanted.initial_version.behavior()
    # in a thread: fifty patterns take a while to be read
    await asyncio.to_thread(_check, parts, behavior, wanted.applied_to_services)
    first = await asyncio.to_thread(parts.behaviors.versions.create, organization, new, behavior, creator=asking.user)
    parts.behaviors.stored.forget(organization)
    response.headers.update(allowance.headers)
    return SetCreated(dynamic_behavior_set_id=first.set)


@router.get("/", responses={200: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)})
async def get_dynamic_behavior_sets(
    organization: Organization,
    response: Response,
    parts: Parts,
    asking: Asking,
    id: Annotated[list[Id], Query(default_factory=list, max_length=50, description="Only these.")],
    applied_to_service: Annotated[
        list[Id], Query(default_factory=list, max_length=50, description="Only those that apply to one of these.")
    ],
    is_active: Annotated[bool | None, Query(description="Only those that are active, or are not.")] = None,
    limit: Annotated[int, Query(ge=0, le=MOST_SETS_LISTED, description="Sets at most.")] = MOST_SETS_LISTED,
    continuation_token: Annotated[
        int, Query(ge=0, le=MOST_SETS, description="From the page before; 0: the first page.")
    ] = 0,
) -> Sets:
    """List the organization's sets, the oldest first: what is created meanwhile comes last."""
    allowance = await admit(
        parts, asking, Permission.GET_DYNAMIC_BEHAVIOR_INSTRUCTION, organization, "behavior_versions"
    )
    found = [
        one
        for one in await asyncio.to_thread(parts.behaviors.sets.all, organization)
        if (not id or one.id in id)
        and (not applied_to_service or set(applied_to_service) & set(one.services))
        and is_active in (None, one.is_active)
    ]
    end = continuation_token + limit
    response.headers.update(allowance.headers)
    return Sets(
        dynamic_behavior_sets=[SetInstance.of(one) for one in found[continuation_token:end]],
        has_more=len(found) > end,
        continuation_token=end if len(found) > end else None,
    )


@router.post(
    "/{dynamic_behavior_set_id}/",
    status_code=204,
    responses={204: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)},
    openapi_extra=body(SetUpdate),
)
async def update_dynamic_behavior_set(
    organization: Organization, dynamic_behavior_set_id: SetId, request: Request, parts: Parts, asking: Asking
) -> Response:
    """Change a set: its name, whether it is active, where it applies, which versions conversations are dealt."""
    allowance = await admit(
        parts, asking, Permission.UPDATE_DYNAMIC_BEHAVIOR_INSTRUCTION, organization, "behavior_create"
    )
    changes = (await parsed_json(request, SetUpdate)).changes()
    _check_services(parts, changes.get("services", ()))
    await asyncio.to_thread(
        parts.behaviors.sets.update, organization, dynamic_behavior_set_id, changes, user=asking.user
    )
    parts.behaviors.stored.forget(organization)
    return Response(status_code=204, headers=allowance.headers)


@router.post(
    "/{dynamic_behavior_set_id}/version/",
    status_code=201,
    responses={201: {"headers": RATE_HEADERS}, **answers(400, 401, 403, 404, 408, 413, 422, 429, 500, 503)},
    openapi_extra=body(VersionRequest),
)
async def create_dynamic_behavior_set_version(
    organization: Organization,
    dynamic_behavior_set_id: SetId,
    request: Request,
    response: Response,
    parts: Parts,
    asking: Asking,
    version: Annotated[
        int | None, Query(gt=1, description="The number that it has to get: where another is next, none is created.")
    ] = None,
) -> VersionCreated:
    """Create a set's next version."""
    allowance = await admit(
        parts, asking, Permission.UPDATE_DYNAMIC_BEHAVIOR_INSTRUCTION, organization, "behavior_create"
    )
    behavior = (await parsed_json(request, VersionRequest)).behavior()
    await asyncio.to_thread(_check, parts, behavior)
    added = await asyncio.to_thread(
        parts.behaviors.versions.add,
        organization,
        dynamic_behavior_set_id,
        behavior,
        creator=asking.user,
        number=version,
    )
    parts.behaviors.stored.forget(organization)
    response.headers.update(allowance.headers)
    return VersionCreated(new_version_number=added.number)


@router.get(
    "/{dynamic_behavior_set_id}/version/",
    responses={200: {"headers": RATE_HEADERS}, **answers(401, 403, 404, 408, 413, 422, 429, 500, 503)},
)
async def get_dynamic_behavior_set_versions(
    organization: Organization,
    dynamic_behavior_set_id: SetId,
    response: Response,
    parts: Parts,
    asking: Asking,
    sort_by: Annotated[
        list[str],
        Query(
            default_factory=list,
            description="`+version` (in a URL `%2Bversion`) or `-version`, the latest first; more keys break ties.",
            json_schema_extra={"items": {"type": "string", "pattern": ORDERS}},
        ),
    ],
    version: Annotated[
        str,
        Query(
            description="A number, `latest`, or a range that includes both its bounds; left out: every version.",
            examples=["1", "1-latest", "2-5", "latest"], json_schema_extra={"pattern": VERSIONS},
        ),
    ] = EVERY,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Versions at most.")] = MOST_LISTED,
    continuation_token: Annotated[
        int, Query(ge=0, le=MOST_VERSION, description="From the page before; 0: the first page.")
    ] = 0,
) -> Versions:  # fmt: skip
    """List a set's versions. What is created meanwhile makes no page show one twice, or leave one out."""
    allowance = await admit(
        parts, asking, Permission.GET_DYNAMIC_BEHAVIOR_INSTRUCTION, organization, "behavior_versions"
    )
    wanted, descending = parsed_range(version), first_key(sort_by, "version") == "-version"
    page = await asyncio.to_thread(
        parts.behaviors.versions.versions, organization, dynamic_behavior_set_id, wanted,
        newest_first=descending, after=continuation_token, limit=limit,
    )  # fmt: skip
    response.headers.update(allowance.headers)
    return Versions(
        dynamic_behavior_set_versions=[Version.of(stored) for stored in page.versions],
        has_more=page.has_more,
        continuation_token=page.versions[-1].number if page.has_more else None,
    )


def _check(parts: Runtime, behavior: NewBehavior, services: Iterable[str] = ()) -> None:
    """Check that a version can be in force, and that there are the services that it is for.

    Raises:
        UsageError: if it cannot.
        HTTPException: 404.
    """
    parts.behaviors.stored.check(rule_of(behavior, 1))
    _check_services(parts, services)


def _check_services(parts: Runtime, services: Iterable[str]) -> None:
    for service in services:
        if service not in parts.services:
            raise refused(404, f"there is no service {service}")

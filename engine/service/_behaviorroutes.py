"""The API's endpoints for dynamic behavior sets."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from ._access import Asking, Organization, Parts, admit
from ._behaviors import SetCreated, SetRequest, Version, VersionCreated, VersionRequest, Versions, body
from ._body import parsed_json
from ._problems import RATE_HEADERS, answers
from ._settings import Id
from ._versionquery import EVERY, MOST_VERSION, ORDERS, VERSIONS, newest_first, parsed_range
from .identity import Permission
from .storage import MOST_LISTED

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
    new = await parsed_json(request, SetRequest)
    behavior = new.behavior()
    first = await asyncio.to_thread(parts.behaviors.create, organization, new.name, behavior, creator=asking.user)
    response.headers.update(allowance.headers)
    return SetCreated(dynamic_behavior_set_id=first.set)


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
    added = await asyncio.to_thread(
        parts.behaviors.add, organization, dynamic_behavior_set_id, behavior, creator=asking.user, number=version
    )
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
    wanted, descending = parsed_range(version), newest_first(sort_by)
    page = await asyncio.to_thread(
        parts.behaviors.versions, organization, dynamic_behavior_set_id, wanted,
        newest_first=descending, after=continuation_token, limit=limit,
    )  # fmt: skip
    response.headers.update(allowance.headers)
    return Versions(
        dynamic_behavior_set_versions=[Version.of(stored) for stored in page.versions],
        has_more=page.has_more,
        continuation_token=page.versions[-1].number if page.has_more else None,
    )

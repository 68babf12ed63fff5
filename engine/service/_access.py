"""Who asks, what they may do, and how often."""

import asyncio
import ipaddress
from typing import Annotated

from fastapi import Depends, Path, Request, Security
from fastapi.security import APIKeyHeader

from ._openapi import ISSUER
from ._problems import refused
from ._rates import Allowance
from ._runtime import Runtime
from .identity import Permission, Principal, parsed_authorization

Organization = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The organization's id.")]
_ISSUER = APIKeyHeader(
    name="X-ORG-ID", scheme_name=ISSUER, auto_error=False,
    description="The organization that issued the token, where it is not the one asked.",
)  # fmt: skip


async def runtime(request: Request) -> Runtime:
    """Return the process's parts. Not a plain function: that would be run in a thread."""
    found: Runtime = request.app.state.runtime
    return found


Parts = Annotated[Runtime, Depends(runtime)]


async def principal(
    request: Request,
    parts: Parts,
    issuer: Annotated[str | None, Security(_ISSUER)],
) -> Principal:
    """Return who asks."""
    credentials = parsed_authorization(request.headers.get("authorization"))
    return await asyncio.to_thread(parts.identity.principal, credentials, issued_by=issuer)


Asking = Annotated[Principal, Depends(principal)]


async def admit(
    parts: Runtime, asking: Principal, permission: Permission, organization: str, endpoint: str
) -> Allowance:
    """Return what the rate limit says, once the permission is there.

    Raises:
        ForbiddenError: if it is not.
        HTTPException: 429, if there were too many requests.
    """
    asking.require(permission, organization)
    return await allowed(parts, endpoint, organization, asking.user)


def origin(request: Request) -> str:
    """Return where *request* comes from: its address, of IPv6 the network, of which one caller has all addresses."""
    host = request.client.host if request.client is not None else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)).network_address)


async def allowed(parts: Runtime, endpoint: str, organization: str, user: str) -> Allowance:
    """Count a request.

    Raises:
        HTTPException: 429, if there were too many.
    """
    if parts.rates.shared:
        allowance = await asyncio.to_thread(parts.rates.hit, endpoint, organization, user)
    else:
        allowance = parts.rates.hit(endpoint, organization, user)
    if not allowance.allowed:
        raise refused(429, f"more than {allowance.limit} requests a minute", allowance.headers)
    return allowance

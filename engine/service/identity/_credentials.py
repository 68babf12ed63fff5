"""What a request says of who sends it: the ``Authorization`` header."""

import base64
import binascii
from dataclasses import dataclass, field

from ..storage import is_id, is_organization
from ._errors import NotAuthenticatedError

MOST_HEADER = 8192
"""Characters of an ``Authorization`` header that are looked at."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, and whose the sender says it is."""

    token: str = field(repr=False)
    organization: str | None = None
    """None: only the token tells (Bearer)."""
    user: str | None = None


def parsed_authorization(header: str | None) -> Credentials:
    """Return what an ``Authorization`` header says.

    Two forms, the token being the JWT from signing in:

    - ``Bearer TOKEN``
    - ``Basic …`` with user name ``{organization}_{user}`` and the token as password. An organization's id may hold
      ``_`` and a user's cannot, so the last one divides them.

    Raises:
        NotAuthenticatedError: if it is missing, or of no such form.
    """
    if not header:
        raise NotAuthenticatedError("there is no Authorization header; send Bearer or Basic credentials")
    if len(header) > MOST_HEADER:
        raise NotAuthenticatedError(f"the Authorization header is longer than {MOST_HEADER} characters")
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if not value:
        raise NotAuthenticatedError("the Authorization header holds no credentials; send Bearer or Basic credentials")
    match scheme.lower():
        case "bearer":
            return Credentials(value)
        case "basic":
            return _basic(value)
        case _:
            raise NotAuthenticatedError("the Authorization header is neither Bearer nor Basic")


def _basic(value: str) -> Credentials:
    try:
        text = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise NotAuthenticatedError("the Basic credentials are not base64 of UTF-8") from None
    name, colon, token = text.partition(":")
    organization, line, user = name.rpartition("_")
    if not (colon and line and token and is_organization(organization) and is_id(user)):
        raise NotAuthenticatedError("the Basic credentials are not {organization}_{user}:{token}")
    return Credentials(token, organization, user)

"""Tokens: who has signed in, signed, for a while."""

import time
from dataclasses import dataclass, field

import jwt

from ....fillers import UsageError
from ..storage import is_id, is_organization
from ._errors import NotAuthenticatedError
from ._secret import checked_secret

LIFETIME_S = 3600.0
LONGEST_S = 86_400.0
LEEWAY_S = 10.0
"""s by which clocks of several machines may differ."""
MOST_TOKEN = 4096
"""Characters."""
ISSUER = "stopgap"
AUDIENCE = "stopgap-service"
_ALGORITHM = "HS256"
_REQUIRED = ["exp", "iat", "sub", "org", "iss", "aud"]
_INVALID = "the token is not valid; sign in again"  # which of the checks failed is of use only to who is trying


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is given out."""

    text: str = field(repr=False)
    expires_at: float
    """s since the epoch, a whole number."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says."""

    organization: str
    user: str
    expires_at: float
    """s since the epoch."""


class Tokens:
    """Issues and checks JSON Web Tokens, signed with HMAC-SHA256 and never with anything else.

    Args:
        secret: At least 32 bytes.
        lifetime_s: s that a token is valid, at most a day.
        issuer: ``iss``.
        audience: ``aud``: a token of another service with the same secret is not one of this service's.

    Raises:
        ConfigError: if *secret* is too short.
        UsageError: if *lifetime_s* is out of range.
    """

    def __init__(
        self, secret: bytes, *, lifetime_s: float = LIFETIME_S, issuer: str = ISSUER, audience: str = AUDIENCE
    ) -> None:
        if not 1.0 <= lifetime_s <= LONGEST_S:
            raise UsageError(f"lifetime_s = {lifetime_s}: write 1 to {LONGEST_S:.0f} seconds")
        self._secret = checked_secret(secret, "secret")
        self._lifetime_s = lifetime_s
        self._issuer = issuer
        self._audience = audience

    def issue(self, organization: str, user: str, *, now: float | None = None) -> Token:
        """Return a token for a user.

        Args:
            organization: The user's.
            user: Who has signed in.
            now: s since the epoch; None: the clock's.
        """
        issued = int(time.time() if now is None else now)
        expires = int(issued + self._lifetime_s)
        claims = {
            "iss": self._issuer, "aud": self._audience, "sub": user, "org": organization,
            "iat": issued, "exp": expires,
        }  # fmt: skip
        return Token(jwt.encode(claims, self._secret, algorithm=_ALGORITHM), float(expires))

    def check(self, text: str) -> Claims:
        """Return what a token says.

        Raises:
            NotAuthenticatedError: if it is not valid, or no longer.
        """
        if len(text) > MOST_TOKEN:
            raise NotAuthenticatedError(f"the token is longer than {MOST_TOKEN} characters")
        if not text.isascii():
            raise NotAuthenticatedError(_INVALID)
        try:
            claims = jwt.decode(
                text, self._secret, algorithms=[_ALGORITHM], audience=self._audience, issuer=self._issuer,
                leeway=LEEWAY_S, options={"require": _REQUIRED},
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise NotAuthenticatedError("the token has expired; sign in again") from None
        except (jwt.PyJWTError, ValueError, RecursionError):  # its header is read before the signature is checked
            raise NotAuthenticatedError(_INVALID) from None
        organization, user = claims["org"], claims["sub"]
        if not (isinstance(organization, str) and is_organization(organization) and is_id(user)):
            raise NotAuthenticatedError(_INVALID)
        return Claims(organization, user, float(claims["exp"]))

    def __repr__(self) -> str:
        return f"Tokens(lifetime_s={self._lifetime_s})"

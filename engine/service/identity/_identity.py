"""Who is asking: from a key to a token, and from a token to a principal."""

from dataclasses import dataclass, field

from ..storage import Accounts, NotFoundError, new_id
from ._credentials import Credentials
from ._errors import NotAuthenticatedError
from ._keys import KeyChecker, new_key
from ._permissions import Principal, known_permissions
from ._tokens import Token, Tokens

WRONG_KEY = "the API key, its id or the user is wrong"
"""One sentence for all of it: who asks does not learn which keys and users exist."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """An API key at the only time that it can be seen."""

    id: str
    user: str
    key: str = field(repr=False)


class Identity:
    """Lets users in. All calls block, for the database and (keys) for the hash: use ``await asyncio.to_thread(...)``.

    Args:
        accounts: Who there is.
        tokens: What they carry.
        keys: What they sign in with; None: a new checker.
    """

    def __init__(self, accounts: Accounts, tokens: Tokens, keys: KeyChecker | None = None) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._keys = keys if keys is not None else KeyChecker()

    def sign_in(self, organization: str, user: str, key_id: str, key: str) -> Token:
        """Exchange an API key for a token.

        A key that does not exist, is another user's or is revoked takes as long as a wrong one.

        Raises:
            NotAuthenticatedError: if the key is not the user's, or no longer.
            DatabaseError: if the database does not answer.
        """
        stored = self._accounts.key(organization, user, key_id)
        found = self._accounts.user(organization, user)
        fits = self._keys.check(key, None if stored is None else stored.hash)
        if not fits or stored is None or stored.revoked_at is not None or found is None or found.disabled_at:
            raise NotAuthenticatedError(WRONG_KEY)
        self._accounts.key_was_used(stored)
        return self._tokens.issue(organization, user)

    def principal(self, credentials: Credentials, *, issued_by: str | None = None) -> Principal:
        """Return who sends *credentials*. Users are looked up each time: who is disabled is out at once.

        Args:
            credentials: From the ``Authorization`` header.
            issued_by: From the ``X-ORG-ID`` header: the organization that must have issued the token; None: whichever.

        Raises:
            NotAuthenticatedError: if the token is not valid, not the named user's or not of that organization.
            DatabaseError: if the database does not answer.
        """
        claims = self._tokens.check(credentials.token)
        if credentials.user is not None and (credentials.organization, credentials.user) != (
            claims.organization,
            claims.user,
        ):
            raise NotAuthenticatedError("the token was issued to another user than the one named beside it")
        if issued_by is not None and issued_by != claims.organization:
            raise NotAuthenticatedError("the token was issued by another organization than X-ORG-ID says")
        user = self._accounts.user(claims.organization, claims.user)
        if user is None or user.disabled_at is not None:
            raise NotAuthenticatedError("the token's user does not exist any more; sign in again")
        return Principal(claims.organization, claims.user, known_permissions(user.permissions))


def issue_key(accounts: Accounts, keys: KeyChecker, organization: str, user: str) -> IssuedKey:
    """Make an API key for a user, and keep its hash.

    Raises:
        NotFoundError: if there is no such user, or a disabled one.
        DatabaseError: if the database does not answer.
    """
    found = accounts.user(organization, user)
    if found is None or found.disabled_at is not None:
        raise NotFoundError(f"there is no user {user} in {organization}")
    key = new_key()
    stored = accounts.add_key(organization, user, keys.hash(key), id=new_id())
    return IssuedKey(stored.id, user, key)

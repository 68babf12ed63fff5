"""Who is asking, and what they may do."""

from ._credentials import Credentials, parsed_authorization
from ._errors import ForbiddenError, NotAuthenticatedError
from ._identity import Identity, IssuedKey, issue_key
from ._keys import KeyChecker, new_key
from ._permissions import Permission, Principal, parsed_permissions
from ._secret import create_secret, read_secret, secret_file
from ._tokens import Claims, Token, Tokens

__all__ = [
    "Claims",
    "Credentials",
    "ForbiddenError",
    "Identity",
    "IssuedKey",
    "KeyChecker",
    "NotAuthenticatedError",
    "Permission",
    "Principal",
    "Token",
    "Tokens",
    "create_secret",
    "issue_key",
    "new_key",
    "parsed_authorization",
    "parsed_permissions",
    "read_secret",
    "secret_file",
]

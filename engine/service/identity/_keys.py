"""API keys: made, hashed, checked."""

import secrets
import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

KEY_BYTES = 32
MOST_KEY = 128
"""Characters of a key that are looked at; ours have 43."""
AT_ONCE = 4
"""Keys checked at once: anybody may send any, and each check takes `_MEMORY_KIB`."""

_MEMORY_KIB = 19_456
_PASSES = 2
_LANES = 1
# A key is 256 random bits, which no hash needs to protect from being guessed. These are the least that OWASP names for
# passwords, and the same for every key: what a check costs tells nothing.
_HASHER: Final = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)


def new_key() -> str:
    """Return a key that no one can guess, URL-safe."""
    return secrets.token_urlsafe(KEY_BYTES)


class KeyChecker:
    """Hashes keys and checks them, some 20 ms of a processor and 19 MiB each.

    The work is done in C without the interpreter's lock; from an event loop use ``await asyncio.to_thread(...)``, and
    count the request against a limit of where it comes from first: checks wait for each other in their threads.
    """

    def __init__(self) -> None:
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._nobodys = _HASHER.hash(new_key())

    def hash(self, key: str) -> str:
        """Return what to keep of *key*."""
        with self._room:
            return _HASHER.hash(key)

    def check(self, key: str, stored: str | None) -> bool:
        """Return whether *key* is the one of which *stored* was kept.

        With None, or with a key that is too long, the same work is done on a hash that no key fits, so that the time
        taken does not tell which keys exist.
        """
        given = key[:MOST_KEY].encode("utf-8", "surrogatepass")
        fits = self._verified(given, self._nobodys if stored is None else stored)
        return fits and stored is not None and len(key) <= MOST_KEY

    def _verified(self, key: bytes, stored: str) -> bool:
        with self._room:
            try:
                return _HASHER.verify(stored, key)
            except (VerificationError, InvalidHashError):
                return False

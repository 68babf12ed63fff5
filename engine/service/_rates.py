"""How often a user may call each endpoint."""

import hashlib
import logging
import math
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

from ...fillers import UsageError
from ._perminute import PER_MINUTE

logger = logging.getLogger("stopgap")

PATIENCE_S = 0.5
"""s that Redis may take to answer."""
RETRY_S = 10.0
"""s for which it is then left alone."""
SWEEP_S = 5.0
"""s between two sweeps of counts that have run out."""
_PLAIN = re.compile(r"[\w.:@-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the limit says of one request."""

    allowed: bool
    limit: int
    """Requests a minute."""
    remaining: int
    """Requests that would be allowed at once."""
    resets_at: float
    """s since the epoch: when there is room for one more than now."""
    retry_after_s: int
    """s until then, at least 1, if it is not allowed; else 0."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers to answer with, allowed or not."""
        found = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(math.ceil(self.resets_at)),
        }
        return found if self.allowed else {**found, "Retry-After": str(self.retry_after_s)}


class RateLimits:
    """Counts requests over the last minute (a moving window), per endpoint, organization and user.

    A call blocks with Redis: from an event loop use ``await asyncio.to_thread(...)`` then. Where Redis does not answer,
    one warning is logged and each process counts for itself, as without Redis: limits become laxer, requests go on.

    Args:
        storage: ``memory://``: each process counts for itself; ``redis://HOST:PORT``: all count together.
        per_minute: Requests a minute by endpoint, put over `PER_MINUTE`.

    Raises:
        UsageError: if *storage* or a number cannot be used.
    """

    def __init__(self, storage: str = "memory://", per_minute: Mapping[str, int] | None = None) -> None:
        wanted = {**PER_MINUTE, **(per_minute or {})}
        for endpoint, number in wanted.items():
            if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 100_000:
                raise UsageError(f"{endpoint} = {number} requests a minute: write a whole number from 1 to 100000")
        self._items = {endpoint: RateLimitItemPerMinute(number) for endpoint, number in wanted.items()}
        self._memory = MemoryStorage()
        self._sweep_at = 0.0
        self._own = MovingWindowRateLimiter(self._memory)
        self._shared = None if storage == "memory://" else MovingWindowRateLimiter(_redis(storage))
        self._skip_until = 0.0
        self._warned = False

    @property
    def shared(self) -> bool:
        """Whether processes count together, which takes a network."""
        return self._shared is not None

    def hit(self, endpoint: str, organization: str, user: str) -> Allowance:
        """Count a request, if it is allowed, and return what the limit says of it.

        Args:
            endpoint: A key of `PER_MINUTE`.
            organization: Whose.
            user: Whose. Before anybody has signed in: where the request comes from, lest one caller use up what is
                another's.
        """
        try:
            item = self._items[endpoint]
        except KeyError:
            raise UsageError(f"there is no endpoint {endpoint!r}; there are {', '.join(self._items)}") from None
        names = (endpoint, _short(organization), _short(user))
        if self._shared is not None and time.monotonic() >= self._skip_until:
            try:
                return _asked(self._shared, item, names)
            except StorageError as exc:
                self._skip_until = time.monotonic() + RETRY_S
                if not self._warned:
                    self._warned = True
                    logger.warning("rate limits are counted per process: Redis does not answer: %s", exc.storage_error)
        return self._counted_here(item, names)

    def _counted_here(self, item: RateLimitItemPerMinute, names: tuple[str, ...]) -> Allowance:
        """Count in memory. The library by itself starts a thread to drop old counts up to a hundred times a second."""
        now = time.monotonic()
        due = now >= self._sweep_at
        self._memory.timer = _DUE if due else _TO_COME
        if due:
            self._sweep_at = now + SWEEP_S
        return _asked(self._own, item, names)


class _Sweep(threading.Timer):
    """Tells the library's storage whether a sweep is to come: where none is, it begins one."""

    def __init__(self, *, alive: bool) -> None:
        self._alive = alive

    def is_alive(self) -> bool:
        return self._alive


_DUE, _TO_COME = _Sweep(alive=False), _Sweep(alive=True)


def _asked(limiter: MovingWindowRateLimiter, item: RateLimitItemPerMinute, names: tuple[str, ...]) -> Allowance:
    allowed = limiter.hit(item, *names)
    resets_at, remaining = limiter.get_window_stats(item, *names)
    wait_s = 0 if allowed else max(1, math.ceil(resets_at - time.time()))
    return Allowance(allowed, item.amount, max(0, remaining), resets_at, wait_s)


def _short(name: str) -> str:
    """Return *name*, or what stands for it where it is long or could be taken for two."""
    if _PLAIN.fullmatch(name):
        return name
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _redis(url: str) -> RedisStorage:
    if not url.startswith(("redis://", "rediss://", "redis+unix://")):
        raise UsageError("rate limits are counted in memory:// or redis://HOST:PORT")
    try:
        pool = ConnectionPool.from_url(
            url.replace("redis+unix://", "unix://"),
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            retry=Retry(NoBackoff(), 1),  # for a connection that a restarted server has forgotten
        )
        return RedisStorage(url, connection_pool=pool, wrap_exceptions=True)
    except (ConfigurationError, ValueError) as exc:
        raise UsageError(f"the URL of Redis cannot be used: {exc}") from exc

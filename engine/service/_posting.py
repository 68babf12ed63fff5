"""Calling a webhook: one request, one connection, bounded in time and in what is read."""

import asyncio
import contextlib
from dataclasses import dataclass
from importlib.metadata import version

import httpx

TOTAL_S = 10.0
"""s that a call may take, from the name's look-up to the answer."""
MOST_READ = 65_536
"""Bytes of an answer's body that are read, and forgotten, so that its sender may end in order."""


class NoAnswerError(Exception):
    """There was no answer; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What is looked at of an answer."""

    status: int
    retry_after: str | None


class Poster:
    """Calls webhooks. Redirects are not followed, and the environment's proxies not used.

    Each call has a connection of its own: on one that is kept, what a receiver sends after its answer would be taken
    for the answer to the next call.

    Args:
        total_s: s that a call may take.
    """

    def __init__(self, *, total_s: float = TOTAL_S) -> None:
        self._total_s = total_s
        self._client = httpx.AsyncClient(
            trust_env=False, follow_redirects=False, timeout=total_s,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"user-agent": f"stopgap/{version('stopgap')}", "connection": "close"},
        )  # fmt: skip

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answered:
        """Send *body*, which is JSON.

        Raises:
            NoAnswerError: if there was none in time. What the receiver did is not known then.
        """
        answered: Answered | None = None
        try:
            async with (
                asyncio.timeout(self._total_s),
                self._client.stream(
                    "POST", url, content=body, headers={"content-type": "application/json", **headers}
                ) as response,
            ):
                answered = Answered(response.status_code, response.headers.get("retry-after"))
                await _read(response)
        except TimeoutError:
            if answered is None:
                raise NoAnswerError(f"the receiver did not answer within {self._total_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as exc:  # a ValueError: a name no DNS takes
            if answered is None:
                raise NoAnswerError(f"the receiver cannot be reached: {str(exc) or type(exc).__name__}") from exc
        return answered

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()


async def _read(response: httpx.Response) -> None:
    seen = 0
    async with contextlib.aclosing(response.aiter_raw()) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            seen += len(chunk)
            if seen > MOST_READ:
                return

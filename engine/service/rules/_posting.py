"""Calling a webhook: one request, one connection, bounded in time and in what is read."""

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version

import httpcore
import httpx

TOTAL_S = 10.0
"""s that a call may take, from the name's look-up to the answer."""
CONNECT_S = 3.0
"""s that one of a name's addresses is given, unless it is the last: one that swallows all leaves the others time."""
MOST_READ = 65_536
"""Bytes of an answer's body that are read, and forgotten, so that its sender may end in order."""
LOOKUPS = 8
"""Names looked up at once."""
_UNREACHED = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError, ValueError)


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
        self._resolving = ThreadPoolExecutor(LOOKUPS, "stopgap-resolving")
        self._tls = httpx.create_ssl_context()
        self._headers = {
            "user-agent": f"stopgap/{version('stopgap')}", "accept": "*/*", "connection": "close",
            "content-type": "application/json",
        }  # fmt: skip

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answered:
        """Send *body*, which is JSON.

        Raises:
            NoAnswerError: if there was none in time. What the receiver did is not known then.
        """
        parsed = httpx.URL(url)
        told = {"host": parsed.netloc.decode("ascii"), "content-length": str(len(body)), **self._headers, **headers}
        target = httpcore.URL(
            scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path
        )  # of the parts, lest another parser see another host in it than the one that was checked
        answered: Answered | None = None
        network = _Network(self._resolving)
        try:
            async with (
                asyncio.timeout(self._total_s),
                httpcore.AsyncConnectionPool(self._tls, network_backend=network) as pool,
                pool.stream("POST", target, headers=list(told.items()), content=body) as response,
            ):
                found = {name.lower(): value for name, value in response.headers}
                retry_after = found.get(b"retry-after")
                answered = Answered(response.status, None if retry_after is None else retry_after.decode("latin-1"))
                await _read(response)
        except TimeoutError:
            if answered is None:
                raise NoAnswerError(f"the receiver did not answer within {self._total_s:g} s") from None
        except _UNREACHED as exc:  # a ValueError: a name that no DNS takes
            if answered is None:
                raise NoAnswerError(f"the receiver cannot be reached: {str(exc) or type(exc).__name__}") from exc
        finally:
            await network.close()
        return answered

    def close(self) -> None:
        """Look nothing up any more."""
        self._resolving.shutdown(wait=False, cancel_futures=True)


class _Network(httpcore.AsyncNetworkBackend):
    """The connections of one call.

    Names are looked up in threads of their own: the event loop would do so in those that requests wait for the database
    in, which are few, and a look-up that hangs is not ended by a timeout.

    Args:
        resolving: These threads.
    """

    def __init__(self, resolving: ThreadPoolExecutor) -> None:
        self._backend = httpcore.AnyIOBackend()
        self._threads = resolving
        self._streams: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of a name's addresses that answers."""
        looking = self._threads.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = dict.fromkeys(str(address[0]) for *_, address in await asyncio.wrap_future(looking))
        problem: Exception = OSError(f"{host} has no address")
        for left, address in zip(reversed(range(len(found))), found, strict=True):
            patience_s = CONNECT_S if left else timeout
            try:
                stream = await self._backend.connect_tcp(address, port, patience_s, local_address, socket_options)
            except (httpcore.NetworkError, httpcore.TimeoutException) as exc:
                problem = exc
            else:
                self._streams.append(stream)
                return stream
        raise problem

    async def close(self) -> None:
        """Close what the pool has not: of a call that is cut in the middle of a TLS handshake it forgets the socket."""
        for stream in self._streams:
            with contextlib.suppress(*_UNREACHED):
                await stream.aclose()


async def _read(response: httpcore.Response) -> None:
    seen = 0
    async with contextlib.aclosing(response.aiter_stream()) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            seen += len(chunk)
            if seen > MOST_READ:
                return

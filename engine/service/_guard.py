"""What every request passes first: maintenance, the bounds of its body, the log."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._problems import answer

logger = logging.getLogger("stopgap.service.access")

HEALTH = ("/healthz", "/readyz")
DRAIN_S = 5.0
"""s for which a body that nobody wants is read on."""
HUNG_UP = 499
"""What the log says where the client did not stay for an answer."""


class Guard:
    """ASGI middleware.

    Args:
        app: What follows.
        most_bytes: Of a request's body.
        body_s: s from a request's beginning to its body's end.
        in_maintenance: Whether to answer 503, health checks aside.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int, body_s: float, in_maintenance: Callable[[], bool]) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._body_s = body_s
        self._in_maintenance = in_maintenance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_at, status = time.monotonic(), 0
        body = _Body(scope, receive, self._most_bytes, self._body_s)

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if not await body.let_go():  # what still comes would be taken for the next request
                    message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        try:
            if scope["path"] not in HEALTH and self._in_maintenance():
                await answer(503, "temporary maintenance", {"Retry-After": "60"})(scope, receive, noted)
                return
            try:
                if body.problem is None:
                    await self._app(scope, body.receive, noted)
            except ClientDisconnect:  # in the middle of its request, or so it was made to look
                status = status or (HUNG_UP if body.problem is None else 0)
            if body.problem is not None and not status:
                await answer(*body.problem)(scope, receive, noted)
        except Exception:
            status = status or 500
            raise
        finally:
            if scope["path"] not in HEALTH:
                logger.info(
                    "request",
                    extra={
                        "method": scope["method"], "path": scope["path"], "status": status,
                        "duration_ms": round(1000.0 * (time.monotonic() - began_at), 1),
                    },
                )  # fmt: skip


class _Body:
    """A request's body as it comes.

    Args:
        scope: The request's.
        receive: ASGI's.
        most_bytes: That may come.
        body_s: s within which they have to.
    """

    def __init__(self, scope: Scope, receive: Receive, most_bytes: int, body_s: float) -> None:
        self._receive = receive
        self._most_bytes = most_bytes
        self._body_s = body_s
        self._until = asyncio.get_running_loop().time() + body_s
        self._seen = 0
        self._complete = False
        self.problem: tuple[int, str] | None = None
        """What to answer, where it came too slowly, or too much of it."""
        if _length(scope) > most_bytes:
            self._is_too_large()

    async def receive(self) -> Message:
        """ASGI's *receive*. After a `problem` it looks as if the client had hung up: then nobody reads on."""
        if self.problem is not None:
            return {"type": "http.disconnect"}
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self.problem = 408, f"the body did not come within {self._body_s:g} s"
            return {"type": "http.disconnect"}
        self._count(message)
        if self._seen > self._most_bytes:
            self._is_too_large()
            return {"type": "http.disconnect"}
        return message

    async def let_go(self) -> bool:
        """Read what still comes and forget it: most clients read no answer before they have sent everything.

        That is bounded in bytes and time.

        Returns:
            Whether that was all of it.
        """
        if self.problem is not None and self.problem[0] == 408:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while not self._complete and self._seen <= 10 * self._most_bytes:
                    self._count(await self._receive())
        return self._complete

    def _count(self, message: Message) -> None:
        self._seen += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)

    def _is_too_large(self) -> None:
        self.problem = 413, f"the body is larger than {self._most_bytes} bytes"


def _length(scope: Scope) -> int:
    value = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(value) if value.isdigit() else 0

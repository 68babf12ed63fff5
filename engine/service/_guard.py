"""What every request passes first: maintenance, the size of its body, the log."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._problems import answer

logger = logging.getLogger("stopgap.service.access")

HEALTH = ("/healthz", "/readyz")
DRAIN_S = 5.0
"""s for which a body that is too large is read on."""


class Guard:
    """ASGI middleware.

    Args:
        app: What follows.
        most_bytes: Of a request's body.
        in_maintenance: Whether to answer 503, health checks aside.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int, in_maintenance: Callable[[], bool]) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._in_maintenance = in_maintenance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_at, status, seen, too_large = time.monotonic(), 0, 0, False

        async def counted() -> Message:
            nonlocal seen, too_large
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most_bytes:
                too_large = True
                return {"type": "http.disconnect"}  # nobody reads on, and what was read is let go
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if scope["path"] not in HEALTH and self._in_maintenance():
                await answer(503, "temporary maintenance", {"Retry-After": "60"})(scope, receive, noted)
            elif _length(scope) > self._most_bytes:
                await self._refuse(scope, receive, noted)
            else:
                try:
                    await self._app(scope, counted, noted)
                except Exception:
                    if not too_large or status:
                        raise
                if too_large and not status:
                    await self._refuse(scope, receive, noted)
        finally:
            if scope["path"] not in HEALTH:
                logger.info(
                    "request",
                    extra={
                        "method": scope["method"], "path": scope["path"], "status": status,
                        "duration_ms": round(1000.0 * (time.monotonic() - began_at), 1),
                    },
                )  # fmt: skip

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413, once what comes has been read and let go of: most clients read no answer before they have sent.

        That is bounded in bytes and time; whoever sends more finds the connection closed.
        """
        left = 10 * self._most_bytes
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while left > 0 and (body := await receive()).get("more_body"):
                    left -= len(body["body"])
        message = f"the body is larger than {self._most_bytes} bytes"
        await answer(413, message, {"Connection": "close"})(scope, receive, send)


def _length(scope: Scope) -> int:
    value = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(value) if value.isdigit() else 0

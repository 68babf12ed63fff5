"""An interaction as a response: one JSON object a line, each sent when it happens."""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ._interaction import Interaction


class EventStream(Response):
    """Sends an interaction's events, and stops it when the client goes away.

    Args:
        interaction: Already started.
        status: 200, or 201 where a conversation is created.
        headers: Further ones.
    """

    media_type = "application/x-ndjson"

    def __init__(self, interaction: Interaction, *, status: int, headers: dict[str, str]) -> None:
        super().__init__(
            status_code=status, headers={**headers, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        del self.headers["content-length"]
        self._interaction = interaction

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        going = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, going}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
        except OSError:  # the socket is closed
            pass
        finally:
            self._interaction.cancel()
            for task in (sending, going):
                task.cancel()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._interaction.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    """Return when the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass

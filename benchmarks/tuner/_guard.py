"""Who may talk to the tuner: the pages that it served itself, on this machine."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class Guard:
    """Refuses what other sites' pages could send, and tells browsers to load nothing from elsewhere.

    The Host header must name this machine: a foreign name that was made to point here (DNS rebinding) would make a
    stranger's page one of ours. A POST must come from a page of this address, and be JSON, which no form can send.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = _refused(scope)
        answer: ASGIApp = PlainTextResponse(f"{refused[1]}\n", refused[0]) if refused else self._app
        await answer(scope, receive, send_guarded)


def _refused(scope: Scope) -> tuple[int, str] | None:
    """Return the status and reason with which a request is refused, or None."""
    headers = Headers(scope=scope)
    port = scope["server"][1]
    host = headers.get("host", "")
    if host not in (f"127.0.0.1:{port}", f"localhost:{port}"):
        return 403, f"this is http://127.0.0.1:{port}; open that address"
    if scope["method"] in ("GET", "HEAD"):
        return None
    if headers.get("origin", f"http://{host}") != f"http://{host}":
        return 403, "requests from other sites are refused"
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return 415, "send JSON, as application/json"
    return None

"""A page that shows conversations. It asks the API as any other client does, and holds no right of its own."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

from fastapi import APIRouter, Request, Response

from .._problems import refused

# what users, agents and metrics say is shown: whatever of it passed for a script would not be run, nor sent anywhere
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)
INDEX = "index.html"
TYPES = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
)
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page."""

    body: bytes
    media_type: str
    tag: str
    """Of this content: browsers ask with it whether there is another one."""


@lru_cache(maxsize=1)
def page_files() -> MappingProxyType[str, PageFile]:
    """Return the page's files by name: these and no others can be asked for."""
    found = {}
    for file in (files(__package__) / "static").iterdir():
        kind = TYPES.get(file.name[file.name.rfind(".") :])
        if kind is not None:
            body = file.read_bytes()
            found[file.name] = PageFile(body, kind, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
    return MappingProxyType(found)


@router.api_route("/", methods=["GET", "HEAD"])
async def page() -> Response:
    """Return the page itself, which is never kept: the files that it names belong to it."""
    index = page_files()[INDEX]
    return Response(index.body, media_type=index.media_type, headers={**HEADERS, "Cache-Control": "no-store"})


@router.api_route("/page/{name}", methods=["GET", "HEAD"])
async def page_file(name: str, request: Request) -> Response:
    """Return a file that the page is made of."""
    file = page_files().get(name)
    if file is None or name == INDEX:
        raise refused(404, "there is no such file of the page")
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)

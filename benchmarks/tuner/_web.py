"""The tuner over HTTP. Requests carry all their settings: nothing is kept per page."""

import io
import json
import wave
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import anyio
import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from stopgap.fillers import Samples, StopgapError

from ..replays import RATE
from ._guard import Guard
from ._workbench import Workbench, plain_json

MOST_BYTES = 64 << 10
"""Of a request's body."""


class Saving(Protocol):
    """Where a configuration is written to."""

    @property
    def path(self) -> Path: ...

    def as_text(self, data: Mapping[str, Any]) -> str:
        """Return *data* as TOML."""
        ...

    def save(self, text: str) -> None:
        """Write *text* to `path`, whole or not at all."""
        ...


def tuner_app(bench: Workbench, saving: Saving) -> Starlette:
    """Return the web application.

    Args:
        bench: Does the work.
        saving: Writes what is saved.
    """
    static = Path(str(files("stopgap.benchmarks.tuner"))) / "static"
    pages = _Answers(bench, saving)
    return Starlette(
        routes=[
            Route("/", lambda request: FileResponse(static / "index.html")),
            Route("/api/overview", pages.overview),
            Route("/api/simulate", pages.simulate, methods=["POST"]),
            Route("/api/sheet", pages.sheet, methods=["POST"]),
            Route("/api/sound", pages.sound, methods=["POST"]),
            Route("/api/toml", pages.toml, methods=["POST"]),
            Route("/api/save", pages.save, methods=["POST"]),
            # a strict editable install is made of links
            Mount("/static", StaticFiles(directory=static, follow_symlink=True)),
        ],
        middleware=[Middleware(Guard)],
    )


class _Answers:
    """What each address answers."""

    def __init__(self, bench: Workbench, saving: Saving) -> None:
        self._bench = bench
        self._saving = saving
        self._turn = anyio.Semaphore(1)
        """One request is computed at a time; those that were given up meanwhile are dropped."""

    async def overview(self, request: Request) -> Response:
        """The trace, its waits, and the settings to start from."""
        return _json({**self._bench.overview(), "save_to": str(self._saving.path)})

    async def simulate(self, request: Request) -> Response:
        """``{settings}``: figures and turns."""
        asked = await _asked(request, "settings")
        return await self._computed(request, lambda: _json(self._bench.simulate(asked["settings"])))

    async def sheet(self, request: Request) -> Response:
        """``{settings, context}``: the cue sheet of a wait."""
        asked = await _asked(request, "settings", "context")
        return await self._computed(request, lambda: _json(self._bench.sheet(asked["settings"], asked["context"])))

    async def sound(self, request: Request) -> Response:
        """``{settings, turn}``: the turn as WAV."""
        asked = await _asked(request, "settings", "turn")

        def wav() -> Response:
            samples, zero_s = self._bench.sound(asked["settings"], asked["turn"])
            return Response(_wav(samples), media_type="audio/wav", headers={"x-zero-s": f"{zero_s:g}"})

        return await self._computed(request, wav)

    async def toml(self, request: Request) -> Response:
        """``{settings}``: what would be saved."""
        asked = await _asked(request, "settings")
        return await self._computed(request, lambda: _json({"toml": self._text(asked["settings"])}))

    async def save(self, request: Request) -> Response:
        """``{settings}``: write what differs from the defaults to the one file that was named at the start."""
        asked = await _asked(request, "settings")

        def saved() -> Response:
            text = self._text(asked["settings"])
            self._saving.save(text)
            return _json({"path": str(self._saving.path), "toml": text})

        return await self._computed(request, saved)

    def _text(self, settings: Any) -> str:
        found = self._bench.tuned.worth_saving(settings)
        return self._saving.as_text(found) if found else "# every value is its default\n"

    async def _computed(self, request: Request, work: Callable[[], Response]) -> Response:
        async with self._turn:
            if await request.is_disconnected():
                return Response(status_code=499)
            try:
                return await run_in_threadpool(work)
            except StopgapError as exc:
                return _json({"error": " ".join(str(exc).splitlines())}, status=422)


async def _asked(request: Request, *names: str) -> dict[str, Any]:
    """Return the request's JSON object, which has exactly the keys *names*."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise HTTPException(413, "a request has at most 64 KiB")
    except ClientDisconnect:
        raise HTTPException(400, "the request broke off") from None
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "the request is not JSON") from None
    if not isinstance(asked, dict) or set(asked) != set(names):
        raise HTTPException(400, f"send an object with {' and '.join(names)}")
    return asked


def _json(data: Mapping[str, Any], status: int = 200) -> Response:
    return Response(plain_json(data), status, media_type="application/json")


def _wav(samples: Samples) -> bytes:
    """Return *samples* as 16-bit WAV."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())
    return out.getvalue()

"""The application: an ASGI app for any server."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Response

from . import _problems
from ._access import Parts
from ._guard import Guard
from ._openapi import description
from ._problems import answers, refused
from ._routes import router
from ._runtime import Runtime
from ._settings import ServiceConfig
from .behaviors._routes import router as behavior_router
from .metrics._reportroutes import router as report_router
from .metrics._routes import router as metric_router
from .metrics._turnroutes import router as turn_router
from .page._conversationroutes import router as conversation_router
from .page._routes import router as page_router
from .rules._routes import router as rule_router
from .storage import DatabaseError

DATABASE_THREADS = 2
"""Calls to the database that go on at once."""


def create_app(config: ServiceConfig, runtime: Runtime | None = None) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        config: See `load_service_config`.
        runtime: What was opened from *config* already; None: agents are loaded, and the database is opened, when the
            server starts the application.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = runtime if runtime is not None else await asyncio.to_thread(Runtime.open, config)
        app.state.runtime = parts
        # few threads: more of them than this take the interpreter from the event loop, and SQLite has one writer anyway
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DATABASE_THREADS, "stopgap-database"))
        parts.start()
        yield
        await parts.close()

    app = FastAPI(
        title="stopgap conversation service", version=version("stopgap"), lifespan=lifespan,
        summary="An agent behind event streams that carry audio fillers.", docs_url=None, redoc_url=None,
    )  # fmt: skip
    _problems.install(app)
    app.include_router(router)
    app.include_router(behavior_router)
    app.include_router(metric_router)
    app.include_router(turn_router)
    app.include_router(rule_router)
    app.include_router(report_router)
    app.include_router(conversation_router)
    app.include_router(page_router)
    app.add_middleware(
        Guard, most_bytes=round(config.body_mb * 1e6), body_s=config.body_s,
        in_maintenance=lambda: app.state.runtime.in_maintenance,
    )  # fmt: skip

    @app.get("/healthz", status_code=204)
    async def healthz() -> None:
        """Answer while the process runs."""

    @app.get("/readyz", status_code=204, responses=answers(500, 503))
    async def readyz(parts: Parts) -> Response:
        """Answer 204 where requests are: the database is there, and no maintenance."""
        if parts.in_maintenance:
            raise refused(503, "temporary maintenance")
        try:
            await asyncio.to_thread(parts.database.ping)
        except DatabaseError as exc:
            raise refused(503, "the database does not answer") from exc
        return Response(status_code=204)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = description(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app

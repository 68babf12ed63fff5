"""Serving: uvicorn, and logs as JSON lines."""

import asyncio
import gc
import logging.config
import math
import socket
import sys
from typing import Any

import uvicorn

from ...fillers import UsageError
from ._app import create_app
from ._runtime import Runtime
from ._settings import ServiceConfig

CONNECTIONS = 2000
"""Connections at once; what is more is answered 503."""
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{levelname}{name}{message}",
            "style": "{",
            "timestamp": "time",
            "rename_fields": {"levelname": "level", "name": "logger"},
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {"stopgap": {"level": "INFO"}},
}


GRACE_S = 5
"""s in which interactions that were stopped tell their clients so; then connections are cut."""


class Server(uvicorn.Server):
    """Uvicorn, but answers that are not done in time end with an ``error`` event before their connection is cut.

    Args:
        settings: Uvicorn's.
        runtime: Whose interactions those are.
        drain_s: s until then, from the signal.
    """

    def __init__(self, settings: uvicorn.Config, runtime: Runtime, drain_s: float) -> None:
        super().__init__(settings)
        self._runtime = runtime
        self._drain_s = drain_s

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, and end."""
        stopping = asyncio.create_task(self._stop(), name="stopgap-drain")
        try:
            await super().shutdown(sockets)
        finally:
            stopping.cancel()

    async def _stop(self) -> None:
        await asyncio.sleep(self._drain_s)
        await self._runtime.stop()


def run(config: ServiceConfig, host: str, port: int) -> None:
    """Serve until a signal ends it: no new requests then, and running answers end within ``drain_s``.

    Args:
        config: See `load_service_config`.
        host: Address to listen on.
        port: 0: any that is free.

    Raises:
        StopgapError: if agents, clips or the database cannot be used.
        UsageError: if the address cannot be listened on.
    """
    logging.config.dictConfig(LOGGING)
    runtime = Runtime.open(config)
    gc.freeze()  # what lives as long as the process need not be looked through again and again
    settings = uvicorn.Config(
        create_app(config, runtime), host, port, log_config=None, access_log=False, server_header=False,
        limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=max(1, math.ceil(config.drain_s)) + GRACE_S,
    )  # fmt: skip
    try:
        listener = settings.bind_socket()
    except SystemExit:
        raise UsageError(f"{host}:{port} cannot be listened on; is something else there?") from None
    with listener:
        listener.listen(settings.backlog)  # who reads the line below may connect at once, and waits for the rest
        print(f"listening on http://{host}:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
        Server(settings, runtime, config.drain_s).run([listener])

"""Serving: uvicorn, and logs as JSON lines."""

import gc
import logging.config
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
        limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=round(config.drain_s) or None,
    )  # fmt: skip
    try:
        socket = settings.bind_socket()
    except SystemExit:
        raise UsageError(f"{host}:{port} cannot be listened on; is something else there?") from None
    with socket:
        print(f"listening on http://{host}:{socket.getsockname()[1]}", file=sys.stderr, flush=True)
        uvicorn.Server(settings).run([socket])

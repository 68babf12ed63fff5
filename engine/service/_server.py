"""Serving: uvicorn, with answers that end in order."""

import asyncio
import logging.config
import socket
from collections.abc import Callable

import uvicorn

from ._app import create_app
from ._ending import cut_after_s
from ._listening import BACKLOG, bound, say_listening
from ._logs import LOGGING
from ._runtime import Runtime
from ._settings import ServiceConfig
from ._settling import settle

CONNECTIONS = 2000
"""Connections at once and process; what is more is answered 503."""


class Server(uvicorn.Server):
    """Uvicorn, but answers that are not done in time end with an ``error`` event before their connection is cut.

    Args:
        settings: Uvicorn's.
        runtime: Whose interactions those are.
        drain_s: s until then, from the signal.
        on_serving: Called with True when connections are accepted, and with False as soon as none is any more.
    """

    def __init__(
        self,
        settings: uvicorn.Config,
        runtime: Runtime,
        drain_s: float,
        on_serving: Callable[[bool], None] = lambda _: None,
    ) -> None:
        super().__init__(settings)
        self._runtime = runtime
        self._drain_s = drain_s
        self._on_serving = on_serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        await super().startup(sockets)
        self._on_serving(True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, and end."""
        self._on_serving(False)
        stopping = asyncio.create_task(self._stop(), name="stopgap-drain")
        try:
            await super().shutdown(sockets)
        finally:
            stopping.cancel()

    async def _stop(self) -> None:
        await asyncio.sleep(self._drain_s)
        await self._runtime.stop()


def settings_for(config: ServiceConfig, runtime: Runtime) -> uvicorn.Config:
    """Return what uvicorn is to know of a server of *runtime*."""
    return uvicorn.Config(
        create_app(config, runtime), log_config=None, access_log=False, server_header=False, backlog=BACKLOG,
        limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=cut_after_s(config),
    )  # fmt: skip


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
    settle()
    settings = settings_for(config, runtime)
    with bound(host, port) as listener:
        listener.listen(BACKLOG)  # who reads the line below may connect at once, and waits for the rest
        say_listening(host, listener.getsockname()[1])
        Server(settings, runtime, config.drain_s).run([listener])

"""Running the tuner until it is interrupted."""

import socket

import uvicorn
from starlette.applications import Starlette


def server_of(app: Starlette) -> uvicorn.Server:
    """Return a server of *app*, quiet but for errors, for `uvicorn.Server.run` with a socket."""
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def serve(app: Starlette, listening: socket.socket) -> None:
    """Serve *app* on a bound socket until the process is interrupted."""
    server_of(app).run(sockets=[listening])

"""The address that the service listens on, for one process and for several."""

import socket
import sys

import uvicorn

from ...fillers import UsageError

BACKLOG = 2048
"""Connections that may wait to be accepted, as uvicorn has it."""


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address and nobody else's; it does not listen yet.

    Args:
        host: A name or an address, IPv4 or IPv6.
        port: 0: any that is free.

    Raises:
        UsageError: if the address cannot be listened on.
    """
    try:
        return uvicorn.Config("", host, port, log_config=None).bind_socket()
    except SystemExit:
        raise UsageError(f"{host}:{port} cannot be listened on; is something else there?") from None


def say_listening(host: str, port: int) -> None:
    """Tell on the error output, for people and programs, where the service is."""
    print(f"listening on http://{host}:{port}", file=sys.stderr, flush=True)


class Listeners:
    """Sockets that listen at one address, for so many processes. Connections wait in them from now on.

    On Linux each process has a socket of its own, and the kernel spreads connections over them by a hash
    (``SO_REUSEPORT``): of 200 keep-alive connections, 4 processes had 40 to 61 each in 10 trials, 2 had 88 to 112. From
    one shared socket whoever is quickest takes what is there: 6 to 101, and 45 to 155. Where ``SO_REUSEPORT`` does not
    spread (macOS), all share one.

    Args:
        host: See `bound`.
        port: See `bound`.
        processes: How many.

    Raises:
        UsageError: if the address cannot be listened on.
    """

    def __init__(self, host: str, port: int, processes: int) -> None:
        # bound without SO_REUSEPORT, which would share the address with any service of this user that is there already
        first = bound(host, port)
        self._family, self._address = first.family, first.getsockname()
        self._apart = sys.platform == "linux"
        self._sockets: list[socket.socket | None] = [first]
        if self._apart:
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._sockets += [None] * (processes - 1)
        for process in range(len(self._sockets)):
            self.of(process).listen(BACKLOG)

    @property
    def port(self) -> int:
        return int(self._address[1])

    def of(self, process: int) -> socket.socket:
        """Return the socket of a process, counted from 0. One that was dropped is bound again: it listens when told to.

        Raises:
            OSError: if it cannot be.
        """
        place = process % len(self._sockets)
        found = self._sockets[place]
        if found is None:
            found = socket.socket(self._family)
            try:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                found.bind(self._address)
            except OSError:
                found.close()
                raise
            self._sockets[place] = found
        return found

    def drop(self, process: int) -> None:
        """Have the others accept what comes, where *process* does not any more.

        Else its share of new connections would wait seconds for its successor to start. What it had not accepted yet is
        reset with it (unless the kernel is told to hand that on: ``net.ipv4.tcp_migrate_req = 1``): next to nothing.
        """
        if self._apart:
            self._close(process)

    def close(self) -> None:
        """Listen no more; the processes' own copies have to be closed, too."""
        for place in range(len(self._sockets)):
            self._close(place)

    def _close(self, place: int) -> None:
        found, self._sockets[place] = self._sockets[place], None
        if found is not None:
            found.close()

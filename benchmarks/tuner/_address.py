"""Where the tuner listens: on this machine only."""

import socket

from stopgap.fillers import UsageError

HOST = "127.0.0.1"


def bound(port: int) -> socket.socket:
    """Return a listening socket on the loopback interface.

    Args:
        port: 0: any that is free.

    Raises:
        UsageError: if the port cannot be had.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # on Windows this option would let two programs have the same port
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0 if hasattr(socket, "SO_EXCLUSIVEADDRUSE") else 1)
        found.bind((HOST, port))
        found.listen(64)
    except OSError as exc:
        found.close()
        raise UsageError(
            f"port {port} on {HOST} cannot be had ({exc.strerror}); end what uses it, or choose another with --port "
            "(0: any that is free)"
        ) from exc
    return found

"""Signals as something that can be waited for together with other things."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def readable_signals(*numbers: signal.Signals) -> Iterator[socket.socket]:
    """Yield a socket from which *numbers*, one byte each, are read as they come; they have no other effect meanwhile.

    Only in the main thread.
    """
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        there.setblocking(False)
        before = {number: signal.signal(number, lambda *_: None) for number in numbers}
        woken = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
        try:
            yield here
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)

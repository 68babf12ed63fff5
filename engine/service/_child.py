"""One of several processes that serve: what it does, and what it tells its supervisor.

The supervisor needs this module, and nothing of what serving takes: that is imported where it is needed.
"""

import logging.config
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, NoReturn

from ...fillers import StopgapError
from ._ending import ended_after_s
from ._logs import LOGGING
from ._settings import ServiceConfig

if TYPE_CHECKING:
    Line = Connection["Told", "Told"]


class What(Enum):
    """What a process tells of itself."""

    READY = "it accepts connections"
    ENDING = "it accepts none any more"
    FAILED = "what was configured cannot be used; the text is a sentence for the user"
    CRASHED = "anything else went wrong before it was ready; the text is a traceback"


@dataclass(frozen=True, slots=True)
class Told:
    """What a process tells its supervisor."""

    what: What
    text: str = ""


def serve(config: ServiceConfig, listener: socket.socket, line: "Line") -> None:
    """Serve, as the process that was spawned for it, until SIGTERM or the end of the process that spawned it.

    Args:
        config: See `load_service_config`.
        listener: Where to accept.
        line: Whom to tell.
    """
    threading.Thread(target=_follow_parent, args=(ended_after_s(config),), name="stopgap-parent", daemon=True).start()
    logging.config.dictConfig(LOGGING)
    try:
        from ._runtime import Runtime
        from ._server import Server, settings_for
        from ._settling import settle

        runtime = Runtime.open(config)
        settle()
        settings = settings_for(config, runtime)
    except StopgapError as exc:
        _fail(line, Told(What.FAILED, str(exc)))
    except Exception:
        _fail(line, Told(What.CRASHED, traceback.format_exc()))

    def on_serving(serving: bool) -> None:
        _tell(line, Told(What.READY if serving else What.ENDING))

    Server(settings, runtime, config.drain_s, on_serving).run([listener])


def _tell(line: "Line", told: Told) -> None:
    with suppress(OSError):  # there is no supervisor any more, and `_follow_parent` ends this process
        line.send(told)


def _fail(line: "Line", told: Told) -> NoReturn:
    _tell(line, told)
    sys.stdout.flush()
    os._exit(1)  # threads that an agent's module has begun would hold up any other end


def _follow_parent(patience_s: float) -> None:
    """End this process as SIGTERM does, once its parent is gone, however that ended: or it would serve on unseen."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    signal.raise_signal(signal.SIGTERM)
    time.sleep(patience_s)
    os._exit(1)

"""What a process that was forked off must forget: locks that were held, threads and devices that stayed behind."""

import logging
import os
import weakref
from typing import Protocol

logger = logging.getLogger("stopgap")


class Forkable(Protocol):
    """Something that does not survive a fork as it is."""

    def after_fork(self) -> None:
        """Put itself right, in the child."""
        ...


_things: "weakref.WeakSet[Forkable]" = weakref.WeakSet()


def put_right_in_children(thing: Forkable) -> None:
    """Call *thing*'s `after_fork` in every process that is forked off while it lives."""
    _things.add(thing)


def _in_child() -> None:
    for thing in _things:
        try:
            thing.after_fork()
        except Exception:
            logger.exception("%s after a fork", type(thing).__name__)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

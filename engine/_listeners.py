"""Who is told what was heard, while it is heard and afterwards."""

import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from ._work import Work
from .turns import SoundRecord, TurnRecord

logger = logging.getLogger("stopgap")


class Listener(Protocol):
    """Is told what users heard. What it raises is logged.

    It is called on the manager's service thread, never while a session is locked. With a `VirtualClock` it is called
    within the call that noticed, in the midst of the session's work: note it then, and act later.
    """

    def on_filler(self, turn_id: str, sound: SoundRecord) -> None:
        """Take in that a filler of the turn *turn_id* began to sound (``end_s`` is None) or has ended."""
        ...

    def on_turn(self, record: TurnRecord) -> None:
        """Take in a turn that is over, once its last sound has ended."""
        ...


class Listeners:
    """Tells several listeners, off the caller's path.

    Args:
        work: Where it is done.
        listeners: Who is told.
    """

    def __init__(self, work: Work, listeners: Iterable[Listener] = ()) -> None:
        self._work = work
        self._listeners = list(listeners)

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def joined_by(self, listener: Listener | None) -> "Listeners":
        """Return these, as they are now, and *listener*."""
        return Listeners(self._work, [*self._listeners, *([] if listener is None else [listener])])

    def filler(self, turn_id: str, sound: SoundRecord) -> None:
        for listener in self._listeners:
            self._submit(listener.on_filler, turn_id, sound)

    def turn(self, record: TurnRecord) -> None:
        for listener in self._listeners:
            self._submit(listener.on_turn, record)

    def _submit(self, tell: Callable[..., object], *what: object) -> None:
        def guarded() -> None:
            try:
                tell(*what)
            except Exception:
                logger.exception("a listener")

        self._work.submit(guarded)

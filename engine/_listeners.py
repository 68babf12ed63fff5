"""Who is told what was heard, while it is heard and afterwards."""

import logging
from collections.abc import Iterable
from typing import Any, Protocol

from ..fillers import UsageError
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
        """Tell *listener*, too.

        Raises:
            UsageError: if it is none.
        """
        self._listeners.append(_checked(listener))

    def joined_by(self, listener: Listener | None) -> "Listeners":
        """Return these, as they are now, and *listener*.

        Raises:
            UsageError: if it is none.
        """
        return Listeners(self._work, [*self._listeners, *([] if listener is None else [_checked(listener)])])

    def filler(self, turn_id: str, sound: SoundRecord) -> None:
        for listener in self._listeners:
            self._submit(listener, "on_filler", turn_id, sound)

    def turn(self, record: TurnRecord) -> None:
        for listener in self._listeners:
            self._submit(listener, "on_turn", record)

    def _submit(self, listener: Listener, method: str, *what: object) -> None:
        def guarded() -> None:
            try:
                getattr(listener, method)(*what)
            except Exception:
                logger.exception("a listener")

        self._work.submit(guarded)


def _checked(listener: Any) -> Listener:
    missing = [name for name in ("on_filler", "on_turn") if not callable(getattr(listener, name, None))]
    if missing:
        raise UsageError(
            f"listener {type(listener).__name__} has no method {' and no '.join(missing)}; "
            "write both on_filler(turn_id, sound) and on_turn(record)"
        )
    checked: Listener = listener
    return checked

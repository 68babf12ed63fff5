"""The conversations' sessions: what was said already, and how often, over several interactions."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from .. import FillerManager, Session, SilentOutput
from ._sites import RATE

MOST = 2000
"""Sessions that are kept."""
IDLE_S = 60.0
"""s without an interaction after which a session is closed. What it remembers is in the database, too."""


@dataclass(slots=True)
class _Kept:
    session: Session
    interactions: int
    """Of the conversation that it has been through."""
    used_at: float
    """s on the clock."""
    busy: bool = True


class SessionPool:
    """One session a conversation, as long as it is used. On the event loop only.

    Args:
        manager: Opens them.
    """

    def __init__(self, manager: FillerManager) -> None:
        self._manager = manager
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def knows(self, conversation: str, interactions: int) -> bool:
        """Return whether its session has been through that many *interactions*: not if others were elsewhere."""
        kept = self._kept.get(conversation)
        return interactions == (0 if kept is None else kept.interactions)

    def begin(self, conversation: str, interactions: int, heard: Iterable[tuple[str, float]]) -> None:
        """Open a session for a conversation that has been through *interactions*.

        Args:
            conversation: Its id.
            interactions: How many.
            heard: What was heard in them: see `Session.remember`.
        """
        self.forget(conversation)
        session = self._manager.session(SilentOutput(RATE, owns_reply=False), id=conversation)
        session.remember(heard)
        self._kept[conversation] = _Kept(session, interactions, self._manager.clock.now())

    def take(self, conversation: str) -> Session:
        """Return the conversation's session; it is kept open until `give_back`."""
        if conversation not in self._kept:
            self.begin(conversation, 0, ())
        kept = self._kept[conversation]
        self._kept.move_to_end(conversation)
        kept.used_at, kept.busy = self._manager.clock.now(), True
        self._close_idle(kept.used_at)
        return kept.session

    def give_back(self, conversation: str, *, stored: bool) -> None:
        """Take in that no interaction of the conversation runs any more, and whether it was stored."""
        kept = self._kept.get(conversation)
        if kept is not None:
            kept.busy = False
            kept.interactions += stored

    def forget(self, conversation: str) -> None:
        """Close the session of a conversation that is over, or never came to be."""
        kept = self._kept.pop(conversation, None)
        if kept is not None:
            kept.session.close()

    def _close_idle(self, now: float) -> None:
        surplus = len(self._kept) - MOST
        for place, (name, kept) in enumerate(list(self._kept.items())):  # the longest unused first
            if place >= surplus and kept.used_at >= now - IDLE_S:
                return
            if not kept.busy:
                self.forget(name)

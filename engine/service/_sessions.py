"""The conversations' sessions: what was said already, and how often, over several interactions."""

from collections import OrderedDict

from .. import FillerManager, Session, SilentOutput
from ._sites import RATE

MOST = 2000
"""Sessions that are kept."""
IDLE_S = 300.0
"""s without an interaction after which a session is closed; what it remembered is forgotten."""


class SessionPool:
    """One session a conversation, as long as it is used. On the event loop only.

    Args:
        manager: Opens them.
    """

    def __init__(self, manager: FillerManager) -> None:
        self._manager = manager
        self._sessions: OrderedDict[str, tuple[Session, float]] = OrderedDict()
        self._busy: set[str] = set()

    def take(self, conversation: str) -> Session:
        """Return the conversation's session; it is kept open until `give_back`."""
        now = self._manager.clock.now()
        session, _ = self._sessions.pop(conversation, (None, 0.0))
        if session is None or session.closed:
            session = self._manager.session(SilentOutput(RATE, owns_reply=False), id=conversation)
        self._sessions[conversation] = session, now
        self._busy.add(conversation)
        self._close_idle(now)
        return session

    def give_back(self, conversation: str) -> None:
        """Take in that no interaction of the conversation runs any more."""
        self._busy.discard(conversation)

    def forget(self, conversation: str) -> None:
        """Close the session of a conversation that is over, or never came to be."""
        self._busy.discard(conversation)
        session, _ = self._sessions.pop(conversation, (None, 0.0))
        if session is not None:
            session.close()

    def _close_idle(self, now: float) -> None:
        idle = [name for name in self._sessions if name not in self._busy]  # oldest first
        surplus = len(self._sessions) - MOST
        for place, name in enumerate(idle):
            if place < surplus or self._sessions[name][1] < now - IDLE_S:
                self.forget(name)
            else:
                return

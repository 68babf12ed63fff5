"""The newest turn, and how it began."""

from collections.abc import Callable

from ..._session import Session
from ..._turn import Turn

TENTATIVE_S = 10.0
"""s after which an end of speech that nobody confirmed is taken back; Pipecat itself gives up after 5."""


class NewestTurn:
    """Opens turns in the session that is open at present; the newest one is the one that news is about.

    Args:
        session: Returns the open session; None: there is none, and no turn begins.
        now: Returns the time, s on the manager's clock.
        agent: Agent or model that answers.
        language: BCP 47 tag of the clips; None: the session's.
        voice: Voice of the clips; None: the session's.
    """

    def __init__(
        self,
        session: Callable[[], Session | None],
        now: Callable[[], float],
        *,
        agent: str | None = None,
        language: str | None = None,
        voice: str | None = None,
    ) -> None:
        self.agent = agent
        self.language = language
        self.voice = voice
        self.turn: Turn | None = None
        """The newest."""
        self.session = session
        """Returns the open session, if one is."""
        self.now = now
        """Tells the time."""
        self._tentative_at: float | None = None
        """When the turn began, if it is tentative."""

    @property
    def live(self) -> Turn | None:
        """The turn, if it is not over."""
        return self.turn if self.turn is not None and self.turn.pending else None

    @property
    def waiting(self) -> Turn | None:
        """The turn, if its reply is pending."""
        turn = self.live
        return turn if turn is not None and turn.waiting else None

    @property
    def tentative(self) -> bool:
        """Whether it is not known yet if the user has said all."""
        return self._tentative_at is not None

    def begin(self, at: float, *, tentative: bool = False) -> bool:
        """Open a turn whose speech ended at *at*; return whether there is one."""
        session = self.session()
        if session is None:
            return False
        heard = self.live
        if heard is not None and not heard.waiting:
            heard.finish()  # it was heard, and not superseded
        now = self.now()
        self._tentative_at = now if tentative else None
        self.turn = session.begin(
            speech_ended_at=min(at, now), agent=self.agent, language=self.language, voice=self.voice,
            tentative=tentative,
        )  # fmt: skip
        return True

    def confirm(self) -> bool:
        """Take the end of speech for the turn's; return whether there was one to confirm."""
        turn = self.live
        if turn is None or not self.tentative:
            return False
        self._tentative_at = None
        turn.commit()
        return True

    def answered(self) -> None:
        """A reply is there: the turn is one, confirmed or not."""
        self._tentative_at = None

    def retract(self) -> None:
        """The user goes on: that was no end of speech."""
        self._tentative_at = None
        if self.turn is not None:
            self.turn.retract()

    def retract_unconfirmed(self) -> None:
        """Take back an end of speech that nobody confirms."""
        if self._tentative_at is not None and self.now() - self._tentative_at > TENTATIVE_S:
            self.retract()

    def hold(self) -> None:
        """The user speaks into the wait: it is silent meanwhile."""
        session = self.session()
        if session is not None and self.live is not None:
            session.user_speaking()

    def resume(self) -> None:
        """What the user said was no turn: the wait goes on."""
        session = self.session()
        if session is not None:
            session.resume()

    def tell(self, milestone: str) -> None:
        """Note *milestone*, if a reply is pending."""
        if self.waiting is not None:
            self.waiting.milestone(milestone)

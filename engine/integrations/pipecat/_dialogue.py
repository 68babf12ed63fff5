"""From what a pipeline tells to turns: when one begins, what happens in it, when it is over. Knows no frames."""

from collections.abc import Callable, Hashable, Iterable

from ..._session import Session
from ..._turn import Turn
from ._owed import Owed

SETTLE_S = 0.05
"""s to wait before silence is believed: between two utterances that are queued the transport tells of silence, too."""
TENTATIVE_S = 10.0
"""s after which an end of speech that nobody confirmed is taken back; Pipecat itself gives up after 5."""
FRESH_S = 5.0
"""s for which an end of speech is kept for the confirmation to come."""


class Dialogue:
    """The state of a conversation between a user and an agent, and its newest turn.

    Args:
        session: Returns the open session; None: there is none, and news is passed over.
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
        self.unannounced = 0
        """Replies that were noticed only when they sounded."""
        self._session = session
        self.now = now
        """Tells the time."""
        self._owed = Owed()
        self._tentative_at: float | None = None
        """When the present turn began, if it is tentative."""
        self._ended_at: float | None = None
        """The last end of speech that belongs to no turn yet."""
        self._put_off: float | None = None
        """End of speech of a turn that begins when the bot has fallen silent."""
        self._user_turn = False
        self._bot_speaking = False
        self._bot_due = False
        """Whether audio of the reply is on its way, and was not told to sound yet."""
        self._responses = 0
        """Of the present turn."""
        self._unanswered = False
        """Whether the present turn was given up as one that nobody answers."""

    @property
    def waiting(self) -> bool:
        """Whether a reply is pending."""
        return self._put_off is not None or (self.turn is not None and self.turn.pending and self.turn.waiting)

    @property
    def waiting_turn(self) -> Turn | None:
        """The turn whose reply is pending."""
        return self.turn if self.turn is not None and self.turn.pending and self.turn.waiting else None

    @property
    def bot_speaks(self) -> bool:
        """Whether the bot's voice sounds, or is on its way."""
        return self._bot_speaking or self._bot_due

    # The user ----------------------------------------------------------------------------------------------------

    def speech_began(self) -> None:
        """The user speaks (or goes on)."""
        if self._tentative_at is not None:
            self._retract()
        else:
            self._hold()

    def speech_ended(self, at: float) -> None:
        """The user's voice fell silent, at *at*. Whether that was all is not known yet."""
        self._ended_at = at
        session = self._session()
        if session is None:
            return
        if self._bot_speaking or (self._live and self._tentative_at is None and not self._user_turn):
            session.resume()  # a word in passing, as it seems: no turn was made of it
        else:
            self._begin(at, tentative=True)

    def turn_started(self) -> None:
        """What the user says is a turn of its own, not a word in passing."""
        self._user_turn = True
        if self._tentative_at is None:
            self._hold()

    def turn_stopped(self) -> None:
        """The user has said all: the agent is to answer."""
        was_turn, self._user_turn = self._user_turn, False
        at, self._ended_at = self._ended_at, None
        now = self.now()
        if at is not None and now - at > FRESH_S:
            at = None
        if self._tentative_at is not None and self._live:
            self._tentative_at = None
            assert self.turn is not None
            self.turn.commit()
        elif self._bot_speaking:
            self._put_off = now if at is None else at
        elif was_turn or at is not None or not self._live:
            self._begin(now if at is None else at)

    def passed_by(self) -> None:
        """What the user says, or said, is no turn: the agent's goes on."""
        session = self._session()
        if session is not None:
            session.resume()

    def interrupted(self) -> None:
        """The agent's turn is over before its end: nothing of it may sound."""
        self._owed.interrupted()
        self._put_off = None
        session = self._session()
        if session is None or not self._live or self.turn is None:
            return
        if self._tentative_at is None:
            self.turn.cancel("interrupted")
            return
        session.tick()
        if session.filler_sounding:  # this turn's own start may interrupt late: it goes on, and only its sound does not
            at, self._ended_at = self.turn.record.speech_ended_at, None
            self._retract()
            self._begin(at, tentative=True)

    # The agent ---------------------------------------------------------------------------------------------------

    def asked(self) -> None:
        """What the user said goes to a model. Contexts travel for other reasons, too: only the first one is news."""
        if not self._responses:
            self._tell("transcript_final")

    def response_started(self, model: Hashable) -> None:
        """The response of *model* has begun; no token is there yet."""
        self._owed.response_started(model)
        if self.waiting_turn is not None:
            self._responses += 1
        self._tell("llm_started")

    def response_text(self, model: Hashable, *, unspoken: bool = False) -> None:
        """A token came from *model*; *unspoken*: it is shown, not said."""
        if self._owed.response_text(model):
            self._tell("first_token")
            if unspoken:
                self.reply()
                self._bot_due = False

    def response_ended(self, model: Hashable) -> None:
        """*model* has said all."""
        self._owed.response_ended(model)
        self.settle()

    def response_passed(self) -> None:
        """All audio of a response was on its way `SETTLE_S` ago. If there was none, none will come.

        Not at once: a model that is interrupted ends its response just before the interruption is heard of.
        """
        turn = self.waiting_turn
        if turn is not None and self._tentative_at is None and self._responses and not self._owed.anything:
            turn.finish()
            self._unanswered = True

    def tools_called(self, calls: Iterable[str]) -> None:
        """Tools will run."""
        self._owed.called(calls)
        self.settle()

    def tool_started(self, call: str, name: str, *, background: bool = False) -> None:
        """The tool *name* runs; *background*: nobody waits for it."""
        if self._owed.tool_started(call, name, background=background) and self._live and self.turn is not None:
            self.turn.milestone("tool_started", tool=name)

    def tool_ended(self, call: str, *, answered: bool = True) -> None:
        """A tool has ended, or was cancelled; *answered*: the model will be asked with what it found."""
        name = self._owed.tool_ended(call, answered=answered)
        if name is not None and self._live and self.turn is not None:
            self.turn.milestone("tool_ended", tool=name)
        self.settle()

    def tts_started(self) -> None:
        """A voice begins to be made. Its sound may be queued behind what the bot says at present."""
        self._put_off = None
        self._tell("tts_started")

    def reply(self) -> None:
        """Audio of the reply is on its way: fillers yield."""
        turn = self.reply_held()
        if turn is not None:
            turn.reply_started()
        elif self._unanswered and self.turn is not None:
            self._unanswered = False
            self.turn.cancel("a late reply")  # nothing was to come any more; what still sounds must not lie over it

    def reply_held(self) -> Turn | None:
        """Audio of the reply is there, and is held until fillers have yielded; return the turn that tells when."""
        self._bot_due = not self._bot_speaking
        turn = self.waiting_turn
        if turn is not None:
            self._tentative_at = None
        return turn

    def bot_started(self) -> None:
        """The bot's voice sounds."""
        self._bot_speaking, self._bot_due = True, False
        turn = self.waiting_turn
        if turn is not None and self._tentative_at is None:
            self.unannounced += 1
            turn.reply_started()

    def bot_stopped(self) -> None:
        """The bot's voice fell silent; call `settle` after `SETTLE_S`."""
        self._bot_speaking = False

    def settle(self) -> None:
        """If the bot is silent: either the wait goes on, or the answer was heard."""
        if self.bot_speaks:
            return
        if self._put_off is not None:
            at, self._put_off = self._put_off, None
            self._begin(at)
        elif self._live and self.turn is not None and not self.turn.waiting:
            if self._owed.anew:
                self.turn.wait_again()
            elif not self._owed.anything:
                self.turn.finish()

    # The application ---------------------------------------------------------------------------------------------

    def begin(self, speech_ended_at: float | None) -> Turn | None:
        """Open a turn by hand; None without a session."""
        self._ended_at = self._put_off = None
        self._user_turn = False
        self._begin(self.now() if speech_ended_at is None else speech_ended_at)
        return self.waiting_turn

    def over(self, reason: str) -> None:
        """No more is to come: the pipeline ends."""
        self._put_off = None
        if self._live and self.turn is not None:
            if self.turn.waiting:
                self.turn.cancel(reason)
            else:
                self.turn.finish()

    def look(self) -> None:
        """Take back an end of speech that nobody confirmed."""
        if self._tentative_at is not None and self.now() - self._tentative_at > TENTATIVE_S:
            self._retract()

    @property
    def _live(self) -> bool:
        return self.turn is not None and self.turn.pending

    def _begin(self, at: float, *, tentative: bool = False) -> None:
        session = self._session()
        if session is None:
            return
        if self._live and self.turn is not None and not self.turn.waiting:
            self.turn.finish()  # it was heard, and not superseded
        now = self.now()
        self._responses, self._unanswered = 0, False
        self._tentative_at = now if tentative else None
        self.turn = session.begin(
            speech_ended_at=min(at, now), agent=self.agent, language=self.language, voice=self.voice,
            tentative=tentative,
        )  # fmt: skip

    def _retract(self) -> None:
        self._tentative_at = None
        if self.turn is not None:
            self.turn.retract()

    def _hold(self) -> None:
        session = self._session()
        if session is not None and self._live:
            session.user_speaking()

    def _tell(self, milestone: str) -> None:
        turn = self.waiting_turn
        if turn is not None:
            turn.milestone(milestone)

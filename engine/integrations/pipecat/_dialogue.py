"""From what a pipeline tells to turns: when one begins, what happens in it, when it is over. Knows no frames."""

from collections.abc import Hashable, Iterable

from ..._turn import Turn
from ._owed import Owed
from ._turns import NewestTurn

SETTLE_S = 0.05
"""s to wait before silence is believed: between two utterances that are queued the transport tells of silence, too."""
FRESH_S = 5.0
"""s for which an end of speech is kept for the confirmation to come."""


class Dialogue:
    """The state of a conversation between a user and an agent.

    Args:
        newest: Opens turns.
    """

    def __init__(self, newest: NewestTurn) -> None:
        self.newest = newest
        self.now = newest.now
        self.unannounced = 0
        """Replies that were noticed only when they sounded."""
        self._owed = Owed()
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
        return self._put_off is not None or self.newest.waiting is not None

    @property
    def bot_speaks(self) -> bool:
        """Whether the bot's voice sounds, or is on its way."""
        return self._bot_speaking or self._bot_due

    # The user ----------------------------------------------------------------------------------------------------

    def speech_began(self) -> None:
        """The user speaks (or goes on)."""
        if self.newest.tentative:
            self.newest.retract()
        else:
            self.newest.hold()

    def speech_ended(self, at: float) -> None:
        """The user's voice fell silent, at *at*. Whether that was all is not known yet."""
        self._ended_at = at
        newest = self.newest
        if self._bot_speaking or (newest.live is not None and not newest.tentative and not self._user_turn):
            newest.resume()  # a word in passing, as it seems: no turn was made of it
        else:
            self._begin(at, tentative=True)

    def turn_started(self) -> None:
        """What the user says is a turn of its own, not a word in passing."""
        self._user_turn = True
        if not self.newest.tentative:
            self.newest.hold()

    def turn_stopped(self) -> None:
        """The user has said all: the agent is to answer."""
        was_turn, self._user_turn = self._user_turn, False
        at, self._ended_at = self._ended_at, None
        now = self.now()
        if at is not None and now - at > FRESH_S:
            at = None
        if self.newest.confirm():
            return
        if self._bot_speaking:
            self._put_off = now if at is None else at
        elif was_turn or at is not None or self.newest.live is None:
            self._begin(now if at is None else at)

    def passed_by(self) -> None:
        """What the user says, or said, is no turn: the agent's goes on."""
        self.newest.resume()

    def interrupted(self) -> None:
        """The agent's turn is over before its end: nothing of it may sound."""
        self._owed.interrupted()
        self._put_off = None
        self._bot_due = False
        session, turn = self.newest.session(), self.newest.live
        if session is None or turn is None:
            return
        if not self.newest.tentative:
            turn.cancel("interrupted")
            return
        session.tick()
        if session.filler_sounding:  # this turn's own start may interrupt late: it goes on, and only its sound does not
            at, self._ended_at = turn.record.speech_ended_at, None
            self.newest.retract()
            self._begin(at, tentative=True)

    # The agent ---------------------------------------------------------------------------------------------------

    def asked(self) -> None:
        """What the user said goes to a model. Contexts travel for other reasons, too: only the first one is news."""
        if not self._responses:
            self.newest.tell("transcript_final")

    def response_started(self, model: Hashable) -> None:
        """The response of *model* has begun; no token is there yet."""
        self._owed.response_started(model)
        if self.newest.waiting is not None:
            self._responses += 1
        self.newest.tell("llm_started")

    def response_text(self, model: Hashable, *, unspoken: bool = False) -> None:
        """A token came from *model*; *unspoken*: it is shown, not said."""
        if self._owed.response_text(model):
            self.newest.tell("first_token")
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
        self._owed.heard()
        if self._responses and not self._owed.unasked:
            self._give_up()

    def tools_called(self, calls: Iterable[str]) -> None:
        """Tools will run."""
        self._owed.called(calls)
        self.settle()

    def tool_started(self, call: str, name: str, *, background: bool = False) -> None:
        """The tool *name* runs; *background*: nobody waits for it."""
        turn = self.newest.live
        if self._owed.tool_started(call, name, background=background) and turn is not None:
            turn.milestone("tool_started", tool=name)

    def tool_ended(self, call: str, *, answered: bool = True) -> None:
        """A tool has ended, or was cancelled; *answered*: the model will be asked with what it found."""
        name = self._owed.tool_ended(call, answered=answered)
        if name is not None and self.newest.live is not None:
            self.newest.live.milestone("tool_ended", tool=name)
        self.settle()

    def tts_started(self) -> None:
        """A voice begins to be made. Its sound may be queued behind what the bot says at present."""
        self._put_off = None
        self._owed.said()
        self.newest.tell("tts_started")

    def reply(self) -> None:
        """Audio of the reply is on its way: fillers yield."""
        turn = self.reply_held()
        if turn is not None:
            turn.reply_started()
        elif self._unanswered and self.newest.turn is not None:
            self._unanswered = False
            self.newest.turn.cancel(
                "a late reply"
            )  # nothing was to come any more; what still sounds must not lie over it

    def reply_held(self) -> Turn | None:
        """Audio of the reply is there, and is held until fillers have yielded; return the turn that tells when."""
        self._bot_due = not self._bot_speaking
        self._owed.said()
        self._owed.heard()
        turn = self.newest.waiting
        if turn is not None:
            self.newest.answered()
        return turn

    def bot_started(self) -> None:
        """The bot's voice sounds."""
        self._bot_speaking, self._bot_due = True, False
        turn = self.newest.waiting
        if turn is not None and not self.newest.tentative:
            self.unannounced += 1
            turn.reply_started()

    def bot_stopped(self) -> None:
        """The bot's voice fell silent; call `settle` after `SETTLE_S`."""
        self._bot_speaking = False

    def settle(self) -> None:
        """If the bot is silent: either the wait goes on, or the answer was heard."""
        if self.bot_speaks:
            return
        turn = self.newest.live
        if self._put_off is not None:
            at, self._put_off = self._put_off, None
            self._begin(at)
        elif turn is not None and not turn.waiting:
            if self._owed.anew:
                turn.wait_again()
            elif not self._owed.anything:
                turn.finish()

    # The application ---------------------------------------------------------------------------------------------

    def begin(self, speech_ended_at: float | None) -> Turn | None:
        """Open a turn by hand; None without a session."""
        self._ended_at = self._put_off = None
        self._user_turn = False
        self._begin(self.now() if speech_ended_at is None else speech_ended_at)
        return self.newest.waiting

    def over(self, reason: str) -> None:
        """No more is to come: the pipeline ends."""
        self._put_off = None
        turn = self.newest.live
        if turn is not None and turn.waiting:
            turn.cancel(reason)
        elif turn is not None:
            turn.finish()

    def look(self) -> None:
        """Take back an end of speech that nobody confirmed, and end a wait for nothing."""
        self.newest.retract_unconfirmed()
        if self._owed.in_vain(self.now()):
            self._give_up()

    def _begin(self, at: float, *, tentative: bool = False) -> None:
        if self.newest.begin(at, tentative=tentative):
            self._responses, self._unanswered = 0, False
            self._owed.turn_began()

    def _give_up(self) -> None:
        turn = self.newest.waiting
        if turn is not None and not self.newest.tentative and not self._owed.anything:
            turn.finish()
            self._unanswered = True

"""What an `AgentSession`'s events mean for the user's turns. Reads no clock, touches no framework."""

from typing import Literal

from ._steps import Begin, Cancel, Commit, Finish, Hold, Resume, Retract, Step, Tell, WaitAgain

GIVE_UP_S = 8.0
"""s after which an end of speech that nobody answers counts as taken back: longer than end-pointing ever takes."""
RESUME_S = 0.7
"""s after what the user said into a wait, within which a transcript would have come, and have interrupted."""

Phase = Literal["idle", "tentative", "waiting", "replying"]


class TurnWatch:
    """Follows a conversation; each method takes in an event and returns the steps that it asks for.

    A turn begins where the user stops speaking, tentatively. What a model that was started early says is kept back
    until the turn is prepared, that is, until the framework has decided which generation answers it; what a discarded
    one said is forgotten. A user who speaks into a wait holds it. Whether that was an interruption the framework
    decides: it interrupts the reply's speech, or it goes on.
    """

    def __init__(self) -> None:
        self.phase: Phase = "idle"
        self.held = False
        """Whether the user spoke into the wait, and nobody knows yet what it was."""
        self.began_at = 0.0
        """When the user stopped speaking."""
        self.prepared = False
        """Whether it is known which generation answers."""
        self.speech: str | None = None
        """Id of the speech that answers."""
        self.by_hand = False
        """Whether the application has begun the turn."""
        self.lost = False
        """Whether what was to answer is over without a reply, and nothing has taken its place yet."""
        self._answered = False
        """Whether some of the reply was heard."""
        self._speaking = False
        self._stopped_at: float | None = None
        """When the user stopped speaking again, while the turn was on."""
        self._early: list[Tell] = []
        self._tools: dict[str, str] = {}

    # The user ---------------------------------------------------------------------------------------------------

    def user_started(self) -> list[Step]:
        """The user speaks."""
        self._speaking, self._stopped_at = True, None
        if self.phase == "tentative":
            return self._over(Retract())
        return self._hold() if self.phase == "waiting" else []

    def user_stopped(self, at: float) -> list[Step]:
        """The user has stopped speaking, at *at*."""
        self._speaking = False
        if self.phase == "idle":
            return self._begin(at)
        self._stopped_at = at
        return []

    def transcript_final(self, at: float) -> list[Step]:
        """What the user said is known."""
        if self.phase in ("tentative", "waiting") and not self.held:
            return [Tell("transcript_final", at)]
        return []

    def user_committed(self, at: float, *, answered: bool = True) -> list[Step]:
        """The user's turn is over for sure: the framework is about to answer it.

        Args:
            at: s. Now: where no end of speech was heard, the turn begins here.
            answered: Whether it is known that somebody answers.
        """
        if self.phase == "tentative":
            self.phase = "waiting"
            return [Commit()]
        if self.phase == "idle":
            heard = self._stopped_at is not None and at - self._stopped_at < GIVE_UP_S
            began_at = self._stopped_at if heard and self._stopped_at is not None else at
            return [*self._begin(began_at), *self.user_committed(at)] if answered else []
        if self._stopped_at is None:
            return []
        return [*self._over(Cancel("interrupted")), *self._begin(self._stopped_at), *self.user_committed(at)]

    def false_alarm(self) -> list[Step]:
        """What the user said was no interruption, as far as can be known by now: nothing was interrupted."""
        if not self.held or self._speaking:
            return []
        self.held = False
        return [Resume()]

    # The agent --------------------------------------------------------------------------------------------------

    def generating(self, speech: str, *, instead: bool) -> list[Step]:
        """A generation was created; it may answer the user, or be discarded.

        Args:
            speech: Its id.
            instead: Whether the one that was to answer is over, or will be.
        """
        if self.phase == "tentative" or self.speech is None or instead:
            self.speech, self.lost = speech, False
            self._early.clear()
        return []

    def reply_due(self, at: float, speech: str) -> list[Step]:
        """The speech with the id *speech* tells what a tool has found that went on while the conversation did."""
        if self.phase != "idle" or self._speaking:
            return []
        steps = [*self._begin(at), *self.user_committed(at)]
        self.speech, self.prepared = speech, True
        return steps

    def thinking(self, at: float) -> list[Step]:
        """The agent prepares its reply, or goes on to think after it has spoken."""
        if self.phase == "replying":
            return self.agent_paused()
        return [*(self.user_committed(at) if self.phase == "tentative" else []), *self.answering()]

    def answering(self) -> list[Step]:
        """It is known which generation answers: the last one that was created."""
        if self.phase != "waiting" or self.prepared:
            return []
        self.prepared = True
        early, self._early = self._early, []
        return list(early)

    def node_news(self, name: str, at: float) -> list[Step]:
        """A node of the pipeline has begun, or has its first item."""
        if self.phase == "waiting" and self.prepared and not self.held:
            return [Tell(name, at)]
        if self.phase in ("tentative", "waiting") and not self.prepared:
            self._early.append(Tell(name, at))
        return []

    def tool_started(self, call: str, name: str, at: float) -> list[Step]:
        """A tool runs, for the call with the id *call*."""
        if self.phase == "idle":
            return []
        self._tools[call] = name
        return [Tell("tool_started", at, name)]

    def tool_ended(self, call: str, at: float) -> list[Step]:
        """It does not any more, whatever came of it."""
        name = self._tools.pop(call, None)
        return [] if name is None else [Tell("tool_ended", at, name)]

    def agent_speaks(self) -> bool:
        """There is audio of the agent's; return whether it is the reply that is waited for."""
        if self.phase != "waiting":
            return False
        self.phase, self.held, self._answered = "replying", False, True
        return True

    def agent_paused(self) -> list[Step]:
        """The agent has fallen silent, and its speech is not over: the user waits again."""
        if self.phase != "replying":
            return []
        self.phase = "waiting"
        return [WaitAgain(), *(self._hold() if self._speaking else [])]

    def turn_given(self) -> list[Step]:
        """The agent has fallen silent, and says no more before the user does."""
        return self._over(Finish()) if self.phase == "replying" else []

    def speech_over(self, speech: str, at: float, *, interrupted: bool) -> list[Step]:
        """The speech with the id *speech* is over, with all its tools."""
        if speech != self.speech:
            return []
        if self.phase in ("idle", "tentative"):  # it was nobody's answer, or was started early and is discarded
            self.speech = None
            self._early.clear()
            return []
        if interrupted:
            return self._interrupted(at)
        return self._lose() if self.phase == "waiting" else self._over(Finish())

    def cut(self, at: float) -> list[Step]:
        """The framework has emptied the sink: the agent is interrupted."""
        return self._interrupted(at) if self.phase in ("waiting", "replying") else []

    def nobody_answers(self, *, pending: bool) -> list[Step]:
        """`GIVE_UP_S` have passed, once or more, since the turn began.

        Args:
            pending: Whether a generation that will be played, or a hook that may lead to one, is under way.
        """
        if self.phase == "tentative":
            return self._over(Retract())
        return [] if pending or self.by_hand else self.unanswered()

    def refused(self, *, goes_on: bool) -> list[Step]:
        """The agent does not want to answer, or cannot.

        Args:
            goes_on: Whether another speech is not over, which may answer.
        """
        if self.phase == "tentative":
            return self._over(Retract())
        return self._lose() if self.phase == "waiting" and goes_on else self.unanswered()

    def unanswered(self) -> list[Step]:
        """Nothing answers what the user waits for."""
        if self.phase != "waiting":
            return []
        return self._over(Finish() if self._answered else Retract())

    def begun_by_hand(self) -> None:
        """The application has begun a turn itself: who answers is known, and it ends as any other, or by hand."""
        self._over(Retract())
        self.phase, self.prepared, self.by_hand = "waiting", True, True

    def closed(self) -> list[Step]:
        """The session is over."""
        return self._over(Cancel("session closed")) if self.phase != "idle" else []

    # Parts ------------------------------------------------------------------------------------------------------

    def _begin(self, at: float) -> list[Step]:
        self.phase, self.began_at, self._stopped_at = "tentative", at, None
        return [Begin(at)]

    def _interrupted(self, at: float) -> list[Step]:
        """What the user said into the turn, if anything, is the beginning of another one."""
        steps, stopped_at = self._over(Cancel("interrupted")), self._stopped_at
        if stopped_at is None or self._speaking or at - stopped_at >= GIVE_UP_S:
            return steps
        return [*steps, *self._begin(stopped_at)]

    def _lose(self) -> list[Step]:
        """What was to answer does not: perhaps something else does."""
        self.speech, self.lost = None, True
        return []

    def _hold(self) -> list[Step]:
        if self.held:
            return []
        self.held = True
        return [Hold()]

    def _over(self, step: Step) -> list[Step]:
        self.phase, self.held, self.prepared, self.speech = "idle", False, False, None
        self.by_hand = self.lost = self._answered = False
        self._early.clear()
        self._tools.clear()
        return [step]

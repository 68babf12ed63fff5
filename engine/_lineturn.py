"""A turn as its line and the manager see it: what is planned, what was heard, what it teaches."""

import math

from ..fillers import Behaviors, Clip
from ._behaving import Behaving
from ._engine import Engine
from ._line import Line
from ._prompter import Prompter
from ._reply import TurnReply
from ._sounds import TurnSounds
from .mixer import Heard, MixerEvent
from .planning import NEEDLESS_S, Planner
from .prediction import Lesson, WaitDistribution
from .turns import (
    MilestoneRecord,
    Outcome,
    PredictionRecord,
    TurnRecord,
    TurnState,
    WaitRecord,
)


class LineTurn:
    """What a turn is to the line that it sounds on. Whoever calls holds the line's lock.

    Args:
        line: The conversation's.
        engine: The manager's parts.
        number: Counts the conversation's turns, from 1.
        id: Name in the record.
        session: The session's name.
        began_at: s. When `Session.begin` was called.
        speech_ended_at: s. Time 0.
        agent: Agent or model that answers.
        language: BCP 47 tag of the clips.
        voice: Voice of the clips; None: any.
        tentative: The end of speech may be taken back.
        prompt_tokens: Size of the prompt; None: not known.
        behaviors: Which may be triggered.
    """

    def __init__(
        self,
        line: Line,
        engine: Engine,
        *,
        number: int,
        id: str,
        session: str,
        began_at: float,
        speech_ended_at: float,
        agent: str | None,
        language: str,
        voice: str | None,
        tentative: bool,
        prompt_tokens: int | None,
        behaviors: Behaviors,
    ) -> None:
        self.id = id
        self.number = number
        self._line = line
        self._session = session
        self._engine = engine
        self._language = language
        self._voice = voice
        self._began_at = began_at
        self._prompt_tokens = prompt_tokens
        self._state = TurnState(
            speech_ended_at=speech_ended_at, agent=agent, tentative=tentative, prompt_tokens=prompt_tokens
        )
        self._predicted: WaitDistribution | None = None
        self._sounds = TurnSounds()
        self._behaving = Behaving(behaviors, number)
        self._prompter = Prompter(
            self, line, engine, self._state, self._sounds, self._behaving, language=language, voice=voice
        )
        self._reply = TurnReply(line, self)
        self._tentative = tentative
        self._lessons: list[Lesson] = []
        self._user_spoke: list[tuple[float, float]] = []
        self._outcome: Outcome = "waiting"
        self._cancel_reason: str | None = None
        self._ended_at: float | None = None
        self._cut_off_at: float | None = None

    @property
    def pending(self) -> bool:
        """Whether the turn is still open."""
        return self._state.status != "ended"

    @property
    def plans_on_at(self) -> float:
        """When to call `plan_on`, if nothing has happened by then; infinite: never."""
        return self._prompter.again_at

    def plan_on(self, at: float) -> None:
        """The wait outlasts what is armed: go on planning, as of *at*."""
        self._prompter.plan_on(at)

    # What the line tells -------------------------------------------------------------------------------------

    def plan(self, first: bool = False) -> None:
        """Arm the cue sheet for what is known now."""
        self._prompter.plan(first)

    def on_sound(self, event: MixerEvent, at: float, requested_at: float) -> Clip | None:
        """Take in what happened to a filler of this turn; return its clip if it started."""
        clip = self._sounds.take(event, at, requested_at)
        if event.what in (Heard.STARTED, Heard.ENDED):
            self._tell_of(event.cue or 0, at)
        return clip

    def _tell_of(self, cue: int, at: float) -> None:
        if self._line.listeners:
            self._line.listeners.filler(self.id, self._sounds.record(cue, self._state.speech_ended_at, at))

    def reply_heard(self, at: float, held_back_s: float) -> None:
        """Take in that the reply began to sound, *held_back_s* after the mixer had it."""
        for wait in self._state.waits:  # each wait has a reply of its own
            if wait.available_at is not None and wait.heard_at is None:
                wait.heard_at, wait.held_back_s = at, held_back_s
                self._account(wait.available_at, held_back_s)
                return

    @property
    def heard_out(self) -> bool:
        """Whether, having ended, nothing of it will sound any more."""
        if not self._sounds.silent:
            return False
        if self._outcome != "replied" or self._line.newest is not self:
            return True
        unheard = any(wait.available_at is not None and wait.heard_at is None for wait in self._state.waits)
        return not unheard and not self._line.replying

    @property
    def as_heard(self) -> TurnRecord:
        """The record as it stands."""
        return self._record()

    def _account(self, available_at: float, held_back_s: float) -> None:
        """Tell the planner's restraint what its fillers did to a reply."""
        if self._engine.learns and isinstance(self._prompter.policy, Planner):
            restraint = self._engine.restraint
            needless = available_at - NEEDLESS_S < self._sounds.first_start() < math.inf
            self._engine.work.submit(lambda: restraint.observe(held_back_s, needless=needless))

    def line_free(self, at: float) -> None:
        """A further wait begins when the preamble has been heard out: now that is known, plan from there."""
        if self._state.open and self._line.held_since is None:
            if len(self._state.waits) > 1:
                self._state.wait_began(at)
                self._prompter.wait_began()
            self.plan()

    def line_closed(self, now: float) -> None:
        for cue in self._sounds.stop(now):
            self._tell_of(cue, now)

    def resumed(self, now: float, held_s: float) -> None:
        """The user spoke for *held_s* and the turn goes on."""
        self._user_spoke.append((now - held_s, now))
        began_at = self._state.wait.began_at
        if began_at > now - held_s:  # a further wait had not begun: the preamble before it was held
            self._state.wait_began(began_at + held_s)
            held_s = 0.0
        self._prompter.resumed(now, held_s)

    def _close(self, outcome: Outcome, now: float, cut_off_at: float | None) -> None:
        state = self._state
        state.end()
        self._outcome, self._ended_at, self._cut_off_at = outcome, now, cut_off_at
        if outcome != "retracted":
            self._lessons = state.lessons(cut_off_at)
            if not self._tentative:
                self._judge()
                self._learn()
        self._line.over(self)
        self._line.sync()

    def _judge(self) -> None:
        """Have the mixture of policies learn from the turn, before the predictor does."""
        judge = self._engine.judge if self._behaving.in_force is None else None  # its triggers are not in the record
        if judge is not None and judge.draws():
            record = self._record()
            self._engine.work.submit(lambda: judge.judge(record, self._line.rate, self._voice))

    def _learn(self) -> None:
        """Hand over what the turn taught."""
        lessons, self._lessons = self._lessons, []
        if lessons and self._engine.learns:
            self._engine.work.submit(lambda: self._teach(lessons))

    def _teach(self, lessons: list[Lesson]) -> None:
        """Have the predictor learn, and the log keep, what the turn was."""
        self._engine.predictor.learn(lessons)
        log = self._engine.log
        if log is not None:
            with self._line.lock:  # the service thread: an agent's `finish` should not wait for the record to be made
                record = self._record()
            log.add(record)

    def predict(self) -> WaitDistribution:
        """Return what is predicted at the beginning, as of the first call."""
        if self._predicted is None:
            self._predicted = self._engine.predictor.predict("speech_ended", self._state.waits[0].news[0].context)
        return self._predicted

    def _record(self) -> TurnRecord:
        state, predicted, in_force = self._state, self.predict(), self._behaving.in_force
        zero = state.speech_ended_at

        def since(at: float | None) -> float | None:
            return None if at is None else at - zero

        return TurnRecord(
            id=self.id,
            session=self._session,
            agent=state.agent,
            language=self._language,
            outcome=self._outcome
            if state.status == "ended"
            else ("replied" if state.status == "replying" else "waiting"),
            speech_ended_at=zero,
            began_s=self._began_at - zero,
            ended_s=since(self._ended_at),
            cancel_reason=self._cancel_reason,
            policy=self._prompter.policy.name,
            prediction=PredictionRecord(*predicted.quantiles),
            milestones=tuple(MilestoneRecord(n.name, n.at - zero, n.tool) for w in state.waits for n in w.news),
            waits=tuple(
                WaitRecord(w.began_at - zero, since(w.available_at), since(w.heard_at), w.held_back_s)
                for w in state.waits
            ),
            sounds=self._sounds.records(zero, self._engine.clock.now()),
            prompt_tokens=self._prompt_tokens,
            notes=state.notes,
            cut_off_s=since(self._cut_off_at),
            owns_reply=self._line.output.owns_reply,
            behavior=None if in_force is None else in_force.key,
            assigned=self._behaving.behaviors.assigned,
            user_spoke=tuple((start - zero, end - zero) for start, end in self._user_spoke),
        )

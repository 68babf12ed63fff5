"""A turn as the application holds it: tells the engine the news, feeds the reply, keeps the record."""

import math
from typing import Any

from ..fillers import Clip, UsageError
from ._engine import Engine
from ._line import Line
from ._prompter import Prompter
from ._reply import ReplyInput
from ._sounds import TurnSounds
from .mixer import MixerEvent, Tell
from .planning import NEEDLESS_S, Planner
from .prediction import Lesson, WaitDistribution
from .turns import (
    ANNOUNCING,
    MilestoneRecord,
    Outcome,
    PredictionRecord,
    TurnRecord,
    TurnState,
    WaitRecord,
)


class Turn:
    """From the end of the user's speech to the end of the agent's answer. Made by `Session.begin`.

    Calls out of order never raise: a milestone after the reply, or a second `finish`, is noted in the record and
    changes nothing; audio written after `finish` is still played; audio written after `cancel` or `retract`, or
    once a newer turn has begun, is refused, and the record says so.
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
        self._prompter = Prompter(self, line, engine, self._state, self._sounds, language=language, voice=voice)
        self._input = ReplyInput(line.rate)
        self._reply: int | None = None
        self._tentative = tentative
        self._lessons: list[Lesson] = []
        self._outcome: Outcome = "waiting"
        self._cancel_reason: str | None = None
        self._ended_at: float | None = None
        self._cut_off_at: float | None = None

    # News -------------------------------------------------------------------------------------------------------

    def milestone(self, name: str, *, tool: str | None = None, at: float | None = None) -> None:
        """Tell news of the pending reply; the rest of the cue sheet is planned again.

        Args:
            name: One of ``speech_ended turn_committed transcript_final llm_started first_token tool_started
                tool_ended tts_started``.
            tool: The tool's name, with ``tool_started`` and ``tool_ended``.
            at: s on the manager's clock; None: now.

        Raises:
            UsageError: if *name* is none of these, or *at* is no number.
        """
        if at is not None and not math.isfinite(at):
            raise UsageError(f"milestone {name} at {at!r} is no time; give s on the manager's clock")
        with self._line.lock:
            now = self._line.sync()
            if name == "turn_committed" and self._state.status == "tentative":
                self.commit()
                return
            if self._state.milestone(name, now if at is None else at, tool):
                if name in ANNOUNCING:
                    self._prompter.make_way()
                self.plan()

    def commit(self) -> None:
        """Confirm a tentative end of speech."""
        with self._line.lock:
            now = self._line.sync()
            if not self._tentative:
                self._state.notes.append("commit of a turn that was not tentative: ignored")
                return
            self._tentative = False
            if self._state.status == "tentative":
                self._state.status = "waiting"
                self._state.milestone("turn_committed", now)
                self.plan(first=True)
            self._learn()

    def retract(self) -> None:
        """Take the end of speech back: the user went on. Sound fades; the turn teaches nothing."""
        self._stop("retracted", None)

    def wait_again(self) -> None:
        """The reply written so far was a preamble: a further wait begins when it has been heard.

        Call it after the preamble's last `write`, for example while a slow tool runs on.
        """
        with self._line.lock:
            now = self._line.sync()
            if self._state.status != "replying":
                self._state.notes.append("wait_again without a reply: ignored")
                return
            self._end_reply()
            self._state.wait_again(self._line.reply_ends_at(now))
            self._prompter.wait_began()
            self.plan(first=True)

    # The reply --------------------------------------------------------------------------------------------------

    def write(self, audio: Any, rate: int | None = None) -> int:
        """Play the next piece of the reply. The first one disarms the cue sheet and starts the handoff.

        Args:
            audio: Mono float32 or int16 samples, shape (frames,), or bytes of 16-bit little-endian PCM. Copied.
            rate: Hz of *audio*, resampled if it is not the session's; None: the session's.

        Returns:
            Frames of reply queued, at the session's rate.

        Raises:
            UsageError: if *audio* is not that; nothing of it is played then.
        """
        with self._line.lock:
            samples, given = self._input.convert(audio, rate)
            now = self._line.sync()
            if self._outcome in ("cancelled", "retracted") or self._line.newest is not self or self._line.closed:
                self._state.notes.append(f"{given} frames of reply written after the turn was over: refused")
                self._engine.count("reply_refused")
                return 0
            if not given:
                return self._line.mixer.reply_queued
            if self._reply is None:
                self._reply = self._line.new_reply(self)
            if self._state.status == "ended":
                self._state.notes.append("reply written after finish: played")
                self._line.speak(self._reply, samples)
                self._end_reply()
                return self._line.mixer.reply_queued
            self._state.reply_available(now)
            return self._line.speak(self._reply, samples)

    async def write_async(self, audio: Any, rate: int | None = None) -> int:
        """Like `write`, then wait while more than 2 s of reply are queued."""
        queued = self.write(audio, rate)
        await self._line.until_drained(self)
        return queued

    def finish(self) -> None:
        """The reply is complete (or there will be none). What is queued plays on; the turn is learned from."""
        with self._line.lock:
            now = self._line.sync()
            if self._state.status == "ended":
                self._state.notes.append("a second finish: ignored")
                return
            if self._state.status == "replying":
                self._end_reply()
            else:
                self._line.post(Tell("retire"))
            self._close("replied", now, cut_off_at=None)

    def cancel(self, reason: str = "cancelled") -> str:
        """End the turn early (barge-in, hang-up): everything fades within 20 ms, the rest of the reply is dropped.

        Returns:
            What was heard of the fillers' text.
        """
        self._stop("cancelled", reason)
        return " ".join(sound.text for sound in self.record.sounds if sound.text)

    @property
    def pending(self) -> bool:
        """Whether the turn is still open."""
        return self._state.status != "ended"

    def _end_reply(self) -> None:
        """No more of this reply (of this wait) will come."""
        rest = self._input.finish()
        if len(rest) and self._reply is not None:
            self._line.speak(self._reply, rest)
        self._line.post(Tell("end_reply"))
        self._reply = None

    @property
    def record(self) -> TurnRecord:
        """The turn as heard up to now."""
        with self._line.lock:
            self._line.sync()
            return self._record()

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
        return self._sounds.take(event, at, requested_at)

    def reply_heard(self, at: float, held_back_s: float) -> None:
        """Take in that the reply began to sound, *held_back_s* after the mixer had it."""
        for wait in self._state.waits:  # each wait has a reply of its own
            if wait.available_at is not None and wait.heard_at is None:
                wait.heard_at, wait.held_back_s = at, held_back_s
                self._account(wait.available_at, held_back_s)
                return

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
        self._sounds.stop(now)

    def resumed(self, now: float, held_s: float) -> None:
        """The user spoke for *held_s* and the turn goes on."""
        began_at = self._state.wait.began_at
        if began_at > now - held_s:  # a further wait had not begun: the preamble before it was held
            self._state.wait_began(began_at + held_s)
            held_s = 0.0
        self._prompter.resumed(now, held_s)

    # The end ----------------------------------------------------------------------------------------------------

    def _stop(self, outcome: Outcome, reason: str | None) -> None:
        with self._line.lock:
            now = self._line.sync()
            if self._state.status == "ended":
                if self._line.newest is self and self._outcome == "replied":
                    self._line.flush()
                    self._state.notes.append(f"{outcome} after finish: the rest of the reply was dropped")
                    if outcome == "retracted":
                        self._outcome, self._lessons = outcome, []
                    self._line.sync()
                return
            held = self._line.held_since
            self._line.flush()
            self._cancel_reason = reason
            cut_off = None if outcome == "retracted" else (held if held is not None else now)
            self._close(outcome, now, cut_off_at=cut_off)

    def _close(self, outcome: Outcome, now: float, cut_off_at: float | None) -> None:
        state = self._state
        state.end()
        self._outcome, self._ended_at, self._cut_off_at = outcome, now, cut_off_at
        if outcome != "retracted":
            self._lessons = state.lessons(cut_off_at)
            if not self._tentative:
                self._judge()
                self._learn()
        self._line.sync()

    def _judge(self) -> None:
        """Have the mixture of policies learn from the turn, before the predictor does."""
        judge = self._engine.judge
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
        state, predicted = self._state, self.predict()
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
            notes=tuple(state.notes),
            cut_off_s=since(self._cut_off_at),
        )

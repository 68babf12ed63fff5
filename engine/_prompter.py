"""What a turn will hear if its reply keeps not arriving: planned, cast, armed, and planned again."""

import math

from ..fillers import Kind
from ._engine import Engine
from ._line import Line, Owner
from ._sounds import TurnSounds
from .mixer import Tell
from .planning import Sheet, Situation, cast
from .turns import TurnState

LIKELY = 0.5
"""A filler makes way at its next cut mark if the announced reply comes before its end with this probability."""


class Prompter:
    """Arms a turn's cue sheet. Whoever calls holds the line's lock.

    Args:
        turn: Whose sheet it is.
        line: Where it is armed.
        engine: The manager's parts.
        state: What is known of the turn.
        sounds: What it has heard.
        language: BCP 47 tag of the clips.
        voice: Voice of the clips; None: any.
    """

    def __init__(
        self,
        turn: Owner,
        line: Line,
        engine: Engine,
        state: TurnState,
        sounds: TurnSounds,
        *,
        language: str,
        voice: str | None,
    ) -> None:
        self._turn = turn
        self._line = line
        self._engine = engine
        self._state = state
        self._sounds = sounds
        self._language = language
        self._voice = voice
        self.policy = engine.mixture.choose()
        """What decides in this turn."""
        self._held_s = 0.0
        self._resumed_at = -math.inf
        self._plans = 0
        self.again_at = math.inf
        """s on the clock: when to call `plan_on`, if nothing has happened by then."""

    def plan(self, first: bool = False) -> None:
        """Arm the cue sheet for what is known now. Never waits for planning (unless work is done inline)."""
        self._plan(self._engine.clock.now(), first=first)

    def plan_on(self, at: float) -> None:
        """The wait outlasts the sheet: go on planning, as of *at*."""
        self._plan(at, on=True)

    def _plan(self, now: float, *, first: bool = False, on: bool = False) -> None:
        self.again_at = math.inf
        if not self._state.open:
            return
        origin = max(now, self._state.wait.began_at)
        situation = self._situation(origin, first)
        self._plans += 1
        number = self._plans
        work, policy = self._engine.work, self.policy
        if work.inline:
            self._arm(policy.plan(situation), situation, origin)
            return
        ready = policy.ready(situation)
        if ready is not None:
            self._arm(ready, situation, origin)
        elif not on:  # what is armed looks a little beyond `again_at`
            self._arm(self._engine.fallback.plan(situation), situation, origin)
        if ready is None or ready.stale:
            work.submit(lambda: self._plan_again(situation, number))

    def resumed(self, now: float, held_s: float) -> None:
        """The user spoke for *held_s* until *now*: that was no silence, and the cue sheet's clock stood still."""
        self._held_s += held_s
        self._resumed_at = now
        self.plan()

    def _plan_again(self, situation: Situation, number: int) -> None:
        """Plan off the caller's path, and arm the result if nothing has changed meanwhile."""
        if self._plans != number:
            return
        self.policy.plan(situation)
        with self._line.lock:
            now = self._line.sync()
            if self._plans == number and self._state.open and self._line.held_since is None:
                origin = max(now, self._state.wait.began_at)
                situation = self._situation(origin, False)
                ready = self.policy.ready(situation)
                if ready is not None:
                    self._arm(ready, situation, origin)

    def _arm(self, sheet: Sheet, situation: Situation, origin: float) -> None:
        self.again_at = origin + sheet.again_s
        cues = cast(sheet.cues, situation, self._line.selector, self._engine.config)
        self._sounds.arm(self._line.arm(self._turn, cues, origin, origin + situation.horizon_s))

    def make_way(self) -> None:
        """The reply is announced: a spoken filler ends at its next mark if the reply likely comes before its end."""
        until = self._sounds.spoken_until()
        if until is None:
            return
        now, latest = self._engine.clock.now(), self._state.latest
        left = max(0.0, until - now)
        rest = self._engine.predictor.predict(latest.name, latest.context, now - latest.at)
        if 1.0 - float(rest.survival(left)) >= LIKELY:
            self._line.post(Tell("release"))

    def _situation(self, origin: float, first: bool) -> Situation:
        state, config, line, sounds = self._state, self._engine.config, self._line, self._sounds
        context, latest, tool_at = state.context, state.latest, state.tool_started_at
        until, last_end = sounds.spoken_until(), sounds.last_spoken_end()
        wait_age = max(0.0, origin - state.wait.began_at - self._held_s)
        quiet_from = max(last_end, state.wait.began_at, self._resumed_at)
        clips = self._engine.clips(
            line.rate, language=self._language, voice=self._voice,
            agent=context.agent, tool=context.tool, tool_runs=tool_at is not None,
        )  # fmt: skip
        if state.status == "tentative":
            clips = tuple(clip for clip in clips if clip.kind in config.tentative_kinds)
        return Situation(
            context=context,
            milestone=latest.name,
            milestone_age_s=max(0.0, origin - latest.at),
            wait_age_s=wait_age,
            tool_age_s=None if tool_at is None else origin - tool_at,
            clips=clips,
            override=config.override(context.agent, context.tool),
            spoken=sounds.spoken,
            spoken_left=line.conversation.left(origin, config.limits, sounds.spoken),
            recent=line.conversation.recent(origin, self._turn.number),
            silent_s=sounds.silence(quiet_from, origin, config.costs.ambience_credit) if until is None else 0.0,
            sounding_s=max(0.0, until - origin) if until is not None else 0.0,
            since_spoken_s=origin - last_end if until is None else 0.0,
            bed=sounds.bed,
            phrases_said=sounds.count(Kind.PHRASE),
            progress_said=sounds.count(Kind.PROGRESS),
            horizon_s=config.limits.max_wait_s - wait_age,
            first=first,
        )

"""What a turn will hear if its reply keeps not arriving: planned, cast, armed, and planned again."""

import math
import weakref
from dataclasses import replace
from itertools import islice

from ..fillers import Clip, Kind
from ._behaving import Behaving
from ._engine import Engine
from ._line import Line, Owner
from ._sounds import Standing, TurnSounds
from .mixer import Tell
from .planning import CastCue, PlannedCue, Sheet, Situation, cast
from .turns import ANNOUNCING, TurnState

AT_ONCE = 1
"""Cues that the caller arms; the service thread arms the whole sheet a moment later."""
AHEAD = 2
"""Cues that are armed ahead where work is done inline: most turns hear no more."""
RETRY_S = 0.25
"""s after which planning is tried again where no plan could be had."""
SOUNDING_S = 0.025
"""s after the last armed cue's start at which the rest is armed: then it sounds, and is not replaced."""
OFFER_S = 1.0
"""s after which an offered filler that has not started is forgotten: the moment has passed."""
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
        behaving: Which behaviour is in force.
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
        behaving: Behaving,
        *,
        language: str,
        voice: str | None,
    ) -> None:
        self._turn = weakref.ref(turn)  # which holds this: not a cycle for the garbage collector to stop everything for
        self._number = turn.number
        self._line = line
        self._engine = engine
        self._state = state
        self._sounds = sounds
        self._behaving = behaving
        self._language = language
        self._voice = voice
        self.policy = engine.mixture.choose()
        """What decides in this turn."""
        self._held_s = 0.0
        self._resumed_at = -math.inf
        self._plans = 0
        self._rest: tuple[Sheet, float] | None = None
        """What of a sheet is not armed yet, and since when its times count."""
        self._last_at = math.inf
        """When the last armed cue starts."""
        self.again_at = math.inf
        """s on the clock: when to call `plan_on`, if nothing has happened by then."""
        self._due: dict[int, float] = {}
        """When the cues that were armed last are to start, by their ids."""
        self._offered: tuple[Clip, float] | None = None
        """A filler from elsewhere, and when it is to start."""

    def plan(self, first: bool = False) -> None:
        """Arm the cue sheet for what is known now. Never waits for planning (unless work is done inline)."""
        self._plan(self._engine.clock.now(), first=first)

    def plan_on(self, at: float) -> None:
        """The wait outlasts what is armed: go on, as of *at*."""
        if self._rest is None or not self._state.open:
            self._plan(at, on=True)
        else:
            sheet, origin = self._rest
            passed_s = at - origin
            self._go_on(
                replace(sheet, age_s=sheet.age_s + passed_s, again_s=sheet.again_s - passed_s),
                self._situation(at, False),
                at,
            )

    def _plan(self, now: float, *, first: bool = False, on: bool = False) -> None:
        self._rest, self.again_at = None, math.inf
        if not self._state.open:
            return
        origin = max(now, self._state.wait.began_at)
        situation = self._situation(origin, first)
        self._plans += 1
        number = self._plans
        work, policy = self._engine.work, self.policy
        if work.inline:
            self._go_on(policy.plan(situation), situation, origin)
            return
        ready, starts = policy.ready(situation), self._line.starts
        sheet = ready
        if ready is None and not on:  # what is armed looks a little beyond `again_at`
            sheet = self._engine.fallback.plan(situation)
        more = self._arm(sheet, situation, origin, AT_ONCE) if sheet is not None else ()
        if ready is None or ready.stale:
            work.submit(lambda: self._plan_again(number, sheet, situation, origin, starts))
        elif more:
            work.submit(lambda: self._arm_whole(number, ready, situation, origin, starts))

    def wait_began(self) -> None:
        """A further wait has begun: what was held in those before does not count in it."""
        self._held_s = 0.0

    def offer(self, clip: Clip, *, insist: bool) -> str | None:
        """Play *clip*, which is not of the plan, as soon as it may sound; the rest is planned around it.

        Args:
            clip: At the line's rate.
            insist: Also where the plan has something else, or nothing, in mind.

        Returns:
            Why it is left out; None: it is armed.
        """
        state, now = self._state, self._engine.clock.now()
        if not state.open:
            return "no reply is pending"
        if self._line.held_since is not None:
            return "the user speaks"
        if self._line.replying or now < state.wait.began_at:
            return "a reply sounds"
        if state.status == "tentative" and clip.kind not in self._engine.config.tentative_kinds:
            return "the end of speech is not confirmed"
        situation = self._situation(now, False)
        if situation.horizon_s <= 0.0:
            return "the wait is longer than limits.max_wait_s"
        if clip.kind.spoken and situation.spoken_left <= 0:
            return "the limit of spoken fillers is reached"
        if situation.sounding_s:
            return "a filler sounds"
        if self._sounds.has_played(clip.id):
            return "it was heard in this turn"
        free_s = max(0.0, self._engine.config.limits.min_gap_ms / 1000.0 - situation.since_spoken_s)
        if not insist and (why := self._plan_forbids(clip, situation, now, free_s)) is not None:
            return why
        self._offered = clip, now + (free_s if clip.kind.spoken else 0.0)
        self.plan()
        return None

    def _plan_forbids(self, clip: Clip, situation: Situation, now: float, free_s: float) -> str | None:
        """Return what in the plan or configuration speaks against an offered *clip* that starts *free_s* from now."""
        override, config = situation.override, self._engine.config
        age_s = situation.wait_age_s if situation.tool_age_s is None else situation.tool_age_s
        allowed = config.kind(clip.kind).enabled if override.kinds is None else clip.kind in override.kinds
        if override.silent or not allowed or (override.after_s is not None and age_s < override.after_s):
            return "the configuration wants none now"
        if situation.milestone in ANNOUNCING:
            return "the reply is announced"
        if situation.bed:
            return "a bed sounds"
        until = now + free_s + clip.duration_s + config.limits.min_gap_ms / 1000.0
        started = self._sounds.started
        if any(now - OFFER_S < at < until and not started(cue) for cue, at in self._due.items()):
            return "a planned filler is about to sound"
        return None

    def resumed(self, now: float, held_s: float) -> None:
        """The user spoke for *held_s* until *now*: that was no silence, and the cue sheet's clock stood still."""
        if self._state.open:
            self._held_s += held_s
        self._resumed_at = now
        self.plan()

    def _plan_again(self, number: int, armed: Sheet | None, situation: Situation, origin: float, starts: int) -> None:
        """Off the caller's path: plan anew, and arm that; where it is not to be had the whole of what is *armed*."""
        with self._line.lock:
            if not self._goes_on(number):
                return
            as_it_is = self._situation(max(self._line.sync(), self._state.wait.began_at), False)
        self.policy.plan(as_it_is)
        with self._line.lock:
            now = self._line.sync()
            if not self._goes_on(number):
                return
            from_now = max(now, self._state.wait.began_at)
            later = self._situation(from_now, False)
            ready = self.policy.ready(later)
            if ready is not None:
                self._arm(ready, later, from_now)
                return
            if armed is not None:
                self._arm_whole(number, armed, situation, origin, starts)
            self.again_at = from_now + RETRY_S  # the plan is for what has passed meanwhile: ask again

    def _arm_whole(self, number: int, sheet: Sheet, situation: Situation, origin: float, starts: int) -> None:
        """Arm all of *sheet* instead of its first cues, unless one of these has started since."""
        with self._line.lock:
            self._line.sync()
            if not self._goes_on(number):
                return
            if self._line.starts == starts:
                self._arm(sheet, situation, origin)
            else:
                self.plan()

    def _goes_on(self, number: int) -> bool:
        """Return whether the wait is still what plan *number* was made for."""
        return self._plans == number and self._state.open and self._line.held_since is None

    def _go_on(self, sheet: Sheet, situation: Situation, origin: float) -> None:
        """Arm the next cues of *sheet*, and keep the rest for when they have started."""
        self._rest = None
        rest = self._arm(sheet, situation, origin, AHEAD)
        if rest and self._last_at + SOUNDING_S < self.again_at:
            self._rest = replace(sheet, cues=rest), origin
            self.again_at = self._last_at + SOUNDING_S

    def _arm(
        self, sheet: Sheet, situation: Situation, origin: float, most: int | None = None
    ) -> tuple[PlannedCue, ...]:
        """Arm the first *most* cues of *sheet* (None: all), as of *origin*; return those that follow."""
        turn = self._turn()
        if turn is None:
            return ()
        self.again_at = origin + sheet.again_s
        planned = iter(sheet.cues)
        found = cast(planned, situation, self._line.selector, self._engine.config, age_s=sheet.age_s)
        cues = list(islice(found, most))
        offered = self._still_offered(origin)
        if offered is not None:
            cues.insert(0, CastCue(offered[1] - origin, offered[0], "offered"))
        armed = self._line.arm(turn, cues, origin, origin + situation.horizon_s)
        self._sounds.arm(armed)
        self._due = {cue: origin + planned.start_s for cue, planned in armed.items()}
        self._last_at = origin + cues[-1].start_s if cues else math.inf
        return tuple(planned)

    def _still_offered(self, now: float) -> tuple[Clip, float] | None:
        """Return the offered filler that is still to start, and when; none once another one has come in between."""
        if self._offered is not None:
            clip, at = self._offered
            until = self._sounds.standing().until
            if now > at + OFFER_S or (until is not None and until > now) or self._sounds.has_played(clip.id):
                self._offered = None
        return self._offered

    def _standing(self, now: float) -> Standing:
        """Return what has been said and what sounds; an offered filler that is armed counts as sounding."""
        heard, offered = self._sounds.standing(), self._still_offered(now)
        if offered is None:
            return heard
        clip, at = offered
        heard = replace(heard, latest_start=max(heard.latest_start, at))
        if not clip.kind.spoken:
            return heard
        return replace(
            heard,
            spoken=heard.spoken + 1,
            phrases=heard.phrases + (clip.kind is Kind.PHRASE),
            progress=heard.progress + (clip.kind is Kind.PROGRESS),
            until=max(heard.until or 0.0, at + clip.duration_s),
        )

    def make_way(self) -> None:
        """The reply is announced: a spoken filler ends at its next mark if the reply likely comes before its end."""
        until = self._sounds.standing().until
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
        in_force = self._behaving.in_force
        limits, costs = self._engine.under(in_force)
        heard = self._standing(origin)
        until, last_end = heard.until, heard.last_end
        wait_age = max(0.0, origin - state.wait.began_at - self._held_s)
        quiet_from = max(last_end, state.wait.began_at, self._resumed_at)
        repertoire = self._engine.repertoire(
            line.rate, language=self._language, voice=self._voice,
            agent=context.agent, tool=context.tool, tool_runs=tool_at is not None, behavior=in_force,
        )  # fmt: skip
        clips = repertoire.clips
        if state.status == "tentative":
            clips = tuple(clip for clip in clips if clip.kind in config.tentative_kinds)
        return Situation(
            context=context,
            milestone=latest.name,
            milestone_age_s=max(0.0, origin - latest.at),
            wait_age_s=wait_age,
            tool_age_s=None if tool_at is None else origin - tool_at,
            clips=clips,
            override=repertoire.override,
            spoken=heard.spoken,
            spoken_left=line.conversation.left(origin, limits, heard.spoken),
            recent=line.conversation.recent(origin, self._number),
            silent_s=sounds.silence(quiet_from, origin, config.costs.ambience_credit) if until is None else 0.0,
            sounding_s=max(0.0, until - origin) if until is not None else 0.0,
            since_spoken_s=origin - last_end if until is None else 0.0,
            bed=heard.bed,
            phrases_said=heard.phrases,
            progress_said=heard.progress,
            horizon_s=config.limits.max_wait_s - wait_age,
            first=first,
            costs=costs,
            owns_reply=line.output.owns_reply,
            started_s=heard.latest_start - origin,
        )

"""One simulated turn: its cue sheet, what of it sounds, and how that yields to the reply."""

import math
from collections import deque
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from typing import Protocol

from stopgap.engine.mixer import Ending, HandoffFrames, clip_length, ending, mark_frames, release
from stopgap.engine.planning import CastCue, PlannedCue, Policy, Sheet, Situation, cast
from stopgap.engine.prediction import Context, LatencyPredictor
from stopgap.engine.turns import Conversation, TurnState
from stopgap.fillers import Clip, Config, Kind, Selector

from ._replay import RATE

AHEAD = 2
"""Cues that are armed ahead, as `Prompter` does: it decides how the choice of clips goes on."""
SOUNDING_S = 0.025
"""s after the last armed cue's start at which the rest is armed."""
LIKELY = 0.5
"""A filler makes way if the announced reply comes before its end with this probability."""
STOP_FADE = round(0.02 * RATE)
"""Frames. Fade of everything that sounds when the user barges in."""


class Stage(Protocol):
    """What the turns of a simulation share."""

    config: Config
    policy: Policy
    predictor: LatencyPredictor

    def rule(self, kind: Kind) -> HandoffFrames:
        """Return how fillers of *kind* yield to the reply."""
        ...

    def playable(self, context: Context, tool_runs: bool) -> tuple[Clip, ...]:
        """Return what may be played in *context*."""
        ...


class Voice:
    """A filler that has started. Frames count from the turn's time 0."""

    __slots__ = ("clip", "cut", "end", "rule", "start")

    def __init__(self, clip: Clip, rule: HandoffFrames, start: int, end: int) -> None:
        self.clip, self.rule, self.start, self.end, self.cut = clip, rule, start, end, False

    def stop(self, how: Ending) -> None:
        """End as *how* says, unless it ends sooner anyway."""
        if self.start + how.end < self.end:
            self.end, self.cut = self.start + how.end, how.cut


class TurnOnPaper:
    """Follows one turn. Times are s from its time 0, positions frames at `RATE`.

    Args:
        stage: What the simulation's turns share.
        state: What is known of the turn.
        conversation: What was said before.
        selector: Chooses the clips.
        started_at: s. Time 0 on the conversation's clock.
        number: Counts the turns, ascending.
    """

    def __init__(
        self, stage: Stage, state: TurnState, conversation: Conversation, selector: Selector, *,
        started_at: float, number: int,
    ) -> None:  # fmt: skip
        self.voices: list[Voice] = []
        """In order of start."""
        self._stage = stage
        self._state = state
        self._conversation = conversation
        self._selector = selector
        self._started_at = started_at
        self._number = number
        self._armed: deque[tuple[int, CastCue]] = deque()
        self._last_frame = 0
        """Where loops end at the latest."""
        self._position = 0
        self._rest: tuple[Sheet, float] | None = None
        self._again_at = math.inf

    def plan(self, at: float, *, first: bool = False) -> None:
        """Arm the cue sheet for what is known at *at*."""
        situation = self._situation(at, first)
        self._go_on(self._stage.policy.plan(situation), situation, at)

    def move(self, to: float) -> None:
        """Let everything start that is due up to *to*; plan on where the armed sheet ends."""
        while self._again_at <= to:
            due = self._again_at
            self._play(due)
            if self._rest is None:
                self.plan(due)
            else:
                sheet, origin = self._rest
                passed_s = due - origin
                sheet = replace(sheet, age_s=sheet.age_s + passed_s, again_s=sheet.again_s - passed_s)
                self._go_on(sheet, self._situation(due, False), due)
        self._play(to)

    def make_way(self, at: float) -> None:
        """The reply is announced at *at*: what is said ends at its next mark if the reply likely comes before its end.

        The sheet is planned anew after it in any case.
        """
        until = max((v.start / RATE + v.clip.duration_s for v in self._sounding() if v.clip.kind.spoken), default=None)
        if until is None:
            return
        latest = self._state.latest
        rest = self._stage.predictor.predict(latest.name, latest.context, at - latest.at)
        if 1.0 - float(rest.survival(max(0.0, until - at))) < LIKELY:
            return
        for voice in self._sounding():
            how = release(self._position - voice.start, clip_length(voice.clip), mark_frames(voice.clip), voice.rule)
            if voice.clip.kind.spoken and how is not None:
                voice.stop(how)

    def hand_over(self) -> float:
        """The reply is available now: end every voice by its kind's rule; return the s it is held back by.

        The spoken voices decide; beds go on beneath them (see ``Schedule._yield_all``).
        """
        position = last_word = self._position
        reply = max([position, *(v.end + v.rule.gap for v in self.voices if v.end <= position)])
        for voice in sorted(self._sounding(), key=lambda v: not v.clip.kind.spoken):
            clip, rule = voice.clip, voice.rule
            how = ending(position - voice.start, clip_length(clip), mark_frames(clip), rule)
            if clip.kind.spoken:
                voice.stop(how)
                last_word = max(last_word, voice.end + min(rule.gap, 0))
            else:
                voice.stop(Ending(max(how.end, last_word - voice.start), how.fade, how.cut))
            reply = max(reply, voice.end + rule.gap)
        return (reply - position) / RATE

    def flush(self) -> None:
        """The user barges in now: all fades."""
        for voice in self._sounding():
            voice.stop(Ending(self._position - voice.start + STOP_FADE, STOP_FADE, cut=not voice.clip.loops))

    def _sounding(self) -> list[Voice]:
        return [voice for voice in self.voices if voice.end > self._position]

    def _play(self, to: float) -> None:
        """Start what is armed up to *to*."""
        position = _frame(to)
        while self._armed and self._armed[0][0] <= position:
            start, cue = self._armed.popleft()
            start, clip = max(start, self._position), cue.clip
            end = self._last_frame if clip.loops else start + clip.frames
            if end <= start:
                continue
            self.voices.append(Voice(clip, self._stage.rule(clip.kind), start, end))
            self._selector.heard(clip)
            if clip.kind.spoken:
                self._conversation.spoke(self._started_at + start / RATE, self._number)
        self._position = position

    def _go_on(self, sheet: Sheet, situation: Situation, origin: float) -> None:
        """Arm the next cues of *sheet*, and keep the rest for when they have started."""
        self._rest = None
        self._again_at = origin + sheet.again_s
        planned = iter(sheet.cues)
        cues = list(islice(cast(planned, situation, self._selector, self._stage.config, age_s=sheet.age_s), AHEAD))
        armed = [(_frame(origin + cue.start_s), cue) for cue in cues]
        self._armed = deque(sorted(armed, key=itemgetter(0)))
        self._last_frame = _frame(origin + situation.horizon_s)
        rest: tuple[PlannedCue, ...] = tuple(planned)
        last_at = origin + cues[-1].start_s if cues else math.inf
        if rest and last_at + SOUNDING_S < self._again_at:
            self._rest = replace(sheet, cues=rest), origin
            self._again_at = last_at + SOUNDING_S

    def _situation(self, at: float, first: bool) -> Situation:
        state, config = self._state, self._stage.config
        context, latest, tool_at = state.context, state.latest, state.tool_started_at
        spoken, until, last_end = self._said()
        now = self._started_at + at
        return Situation(
            context=context,
            milestone=latest.name,
            milestone_age_s=max(0.0, at - latest.at),
            wait_age_s=at,
            tool_age_s=None if tool_at is None else at - tool_at,
            clips=self._stage.playable(context, tool_at is not None),
            override=config.override(context.agent, context.tool),
            spoken=len(spoken),
            spoken_left=self._conversation.left(now, config.limits, len(spoken)),
            recent=self._conversation.recent(now, self._number),
            silent_s=self._silence(max(last_end, 0.0), at) if until is None else 0.0,
            sounding_s=max(0.0, until - at) if until is not None else 0.0,
            since_spoken_s=at - last_end if until is None else 0.0,
            bed=any(v.clip.loops and v.end > self._position for v in self.voices),
            phrases_said=sum(v.clip.kind is Kind.PHRASE for v in spoken),
            progress_said=sum(v.clip.kind is Kind.PROGRESS for v in spoken),
            horizon_s=config.limits.max_wait_s - at,
            first=first,
            started_s=max((v.start / RATE for v in self.voices), default=-math.inf) - at,
        )

    def _said(self) -> tuple[list[Voice], float | None, float]:
        """Return what was said, when what is being said ends (None: nothing is), and when the last of it ended."""
        if not self.voices:
            return [], None, -math.inf
        spoken = [voice for voice in self.voices if voice.clip.kind.spoken]
        until = max((v.start / RATE + v.clip.duration_s for v in spoken if v.end > self._position), default=None)
        return spoken, until, max((v.end / RATE for v in spoken if v.end <= self._position), default=-math.inf)

    def _silence(self, start: float, end: float) -> float:
        """Return the s from *start* to *end*, a bed's time discounted."""
        covered = sum(
            max(0.0, min(end, v.end / RATE) - max(start, v.start / RATE)) for v in self.voices if not v.clip.kind.spoken
        )
        return max(0.0, end - start - self._stage.config.costs.ambience_credit * covered)


def _frame(at: float) -> int:
    """Return the first frame at *at* or after it, as outputs do."""
    return max(0, math.ceil(at * RATE - 1e-5))

"""Policies that need no prediction: nothing, and the hand-written cue sheet."""

import math
from collections.abc import Iterator

from ...fillers import Config, Kind, LadderStep
from ._situation import PlannedCue, Sheet, Situation

START_S = 0.001
"""s. A step that is due this little after the last filler's start is that filler."""


class NoFillers:
    """Plays nothing."""

    name = "none"

    def plan(self, situation: Situation) -> Sheet:
        return Sheet()

    def ready(self, situation: Situation) -> Sheet:
        return Sheet()


class Ladder:
    """Plays the configuration's ladder: fixed delays from the end of speech, or from a tool's start.

    Steps whose time has passed are dropped, but for those that were already late when the wait became known:
    of these the last one is due at once. Where ``after_s`` is configured, steps before it are dropped too.
    """

    name = "ladder"

    def __init__(self, config: Config) -> None:
        self._steps = config.ladder

    def plan(self, situation: Situation) -> Sheet:
        after, tool_age = situation.override.after_s, situation.tool_age_s
        earliest = -math.inf if after is None else after - (situation.wait_age_s if tool_age is None else tool_age)
        cues = sorted((c for c in self._due(situation) if c.start_s >= earliest - 1e-9), key=lambda cue: cue.start_s)
        begun_s = max(-1e-9, situation.started_s + START_S)
        late = [cue for cue in cues if cue.start_s < begun_s]
        ahead = [cue for cue in cues if cue.start_s >= begun_s]
        return Sheet(tuple([*late[-1:], *ahead] if situation.first else ahead))

    def ready(self, situation: Situation) -> Sheet:
        return self.plan(situation)

    def _due(self, situation: Situation) -> Iterator[PlannedCue]:
        override = situation.override
        for step in self._steps:
            if step.since == "speech_ended":
                yield from _repeated(step, -situation.wait_age_s, situation)
            elif situation.tool_age_s is not None and override.after_s is None:
                yield from _repeated(step, -situation.tool_age_s, situation)
        if override.after_s is not None and situation.tool_age_s is not None:
            yield PlannedCue(
                override.after_s - situation.tool_age_s,
                Kind.PHRASE,
                phrases=override.phrases,
                reason=f"{override.after_s:g} s after the tool's start",
            )


def _repeated(step: LadderStep, origin_s: float, situation: Situation) -> Iterator[PlannedCue]:
    at = origin_s + step.after_ms / 1000.0
    reason = f"{step.after_ms:g} ms after {step.since}"
    while at <= situation.horizon_s:
        yield PlannedCue(at, step.kind, phrases=step.phrases, reason=reason)
        if step.repeat_ms is None:
            return
        at += step.repeat_ms / 1000.0

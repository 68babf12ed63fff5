"""A policy that plays what was simulated: what is seen of a turn is what is heard of it."""

from collections.abc import Sequence

from stopgap.engine.planning import PlannedCue, Sheet, Situation

from ..replays import SimulatedSound

NOW_S = 1e-6
"""s. Cues that started this little before a plan are part of it."""


class Script:
    """Plays given sounds at their times.

    Args:
        sounds: Of one turn.
    """

    name = "script"

    def __init__(self, sounds: Sequence[SimulatedSound]) -> None:
        self._sounds = sounds

    def plan(self, situation: Situation) -> Sheet:
        age_s = situation.wait_age_s
        return Sheet(
            tuple(
                PlannedCue(max(0.0, item.sound.start_s - age_s), item.sound.kind, phrases=(item.clip,), reason="shown")
                for item in self._sounds
                if item.sound.start_s > age_s - NOW_S
            )
        )

    def ready(self, situation: Situation) -> Sheet:
        return self.plan(situation)

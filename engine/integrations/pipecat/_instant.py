"""Pipecat's wall clock and ours."""

import time

OLD_S = 5.0
"""s. A frame that seems to be older, or to come from the future, tells of a clock that was set, not of the past."""


def ended_at(now: float, decided_at: float, stop_s: float) -> float:
    """Return when speech ended, s on the manager's clock.

    Args:
        now: s on the manager's clock.
        decided_at: s of wall clock (`time.time`) at which voice activity detection had decided.
        stop_s: s of silence that it had waited for.
    """
    age = time.time() - decided_at
    return now - (age if 0.0 <= age <= OLD_S else 0.0) - max(0.0, stop_s)

"""What a process sets for itself that does nothing but serve."""

import gc
import sys

SWITCH_S = 0.002
"""s that a thread may go on computing while another one waits for the interpreter: the event loop should not wait for a
plan to be ready. Python's own is 5 ms; much less, and threads change places all the time."""
THRESHOLDS = 20_000, 20, 20
"""Allocations, and rounds, between two looks of the garbage collector. What is over here is gone without it (no
cycles), so that it finds next to nothing, and stops all answers for as long as it looks."""


def settle() -> None:
    """Set all that. Call it when everything is loaded: what lives as long as the process is not looked through again.

    Agents whose objects do form cycles wait longer to be cleared up after, and are.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    sys.setswitchinterval(SWITCH_S)

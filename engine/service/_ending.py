"""How long a process of the service may take to end."""

import math

from ._settings import ServiceConfig

GRACE_S = 5
"""s in which interactions that were stopped tell their clients so; then connections are cut."""
CLOSING_S = 10
"""s in which the rest is closed; see `Runtime.close`."""


def cut_after_s(config: ServiceConfig) -> int:
    """Return the s after which connections are cut, from the signal to end."""
    return max(1, math.ceil(config.drain_s)) + GRACE_S


def ended_after_s(config: ServiceConfig) -> int:
    """Return the s after which a process that is still there hangs, from the signal to end."""
    return cut_after_s(config) + CLOSING_S

"""What identity says no with.

StopgapError
├── NotAuthenticatedError   nobody knows who that is (401)
└── ForbiddenError          somebody who may not do this (403)

Messages are for the caller: they say what is wrong with what was sent, and nothing of what there is.
"""

from ....fillers import StopgapError


class NotAuthenticatedError(StopgapError):
    """Credentials that are missing, wrong or out of date."""


class ForbiddenError(StopgapError):
    """A permission that is missing; the message names it."""

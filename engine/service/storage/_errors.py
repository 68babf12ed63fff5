"""What storage says no with.

StopgapError
├── SchemaError              the operator: the database is not of this version's shape
├── DatabaseError            the outside world: the database does not answer, or refuses (503); try again later
└── RefusedError             the request cannot be granted as things stand
    ├── NotFoundError        no such thing in this organization (404)
    ├── BusyError            somebody else is at it (409); it may work a little later
    ├── LeaseLostError       what was claimed has been claimed by somebody else since: nothing was written (409)
    ├── FinishedError        the conversation is over (409)
    ├── NoInteractionsError  the conversation has none (400)
    ├── NotNextError         a version's number that is not the next one (400)
    ├── FullError            as many as are kept are there already (400)
    ├── NotFailedError       a delivery that is to be tried again has not failed (409)
    └── TakenError           an id or a name that is in use already (409)
"""

from ....fillers import StopgapError


class SchemaError(StopgapError):
    """A database of another shape than this version's; the message names the command that helps."""


class DatabaseError(StopgapError):
    """A database that does not answer, or not in time, or refuses."""


class RefusedError(StopgapError):
    """A request that cannot be granted as things stand."""


class NotFoundError(RefusedError):
    """No such thing in this organization."""


class BusyError(RefusedError):
    """Somebody else is at it."""


class LeaseLostError(RefusedError):
    """What was claimed has been claimed by somebody else since, or finished; nothing was written."""


class FinishedError(RefusedError):
    """The conversation is over."""


class NoInteractionsError(RefusedError):
    """The conversation has no interactions."""


class NotNextError(RefusedError):
    """A version was to get a number that is not the next one; nothing was written."""


class FullError(RefusedError):
    """As many as are kept are there already; nothing was written."""


class NotFailedError(RefusedError):
    """A delivery that is to be tried again is under way still, or was delivered."""


class TakenError(RefusedError):
    """An id or a name that is in use already."""

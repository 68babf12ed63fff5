"""What storage says no with.

StopgapError
├── SchemaError          the operator: the database is not of this version's shape
├── DatabaseError        the outside world: the database does not answer (503); try again later
└── StorageRefusal       the request cannot be granted as things stand
    ├── NotFound         no such thing in this organization (404)
    ├── Busy             somebody else is at it (409); it may work a little later
    ├── LeaseLost        what was claimed has been claimed by somebody else since: nothing was written (409)
    ├── Finished         the conversation is over (409)
    ├── NoInteractions   the conversation has none (400)
    └── Taken            an id that is in use already (409)
"""

from ....fillers import StopgapError


class SchemaError(StopgapError):
    """A database of another shape than this version's; the message names the command that helps."""


class DatabaseError(StopgapError):
    """A database that does not answer, or not in time."""


class StorageRefusal(StopgapError):
    """A request that cannot be granted as things stand."""


class NotFound(StorageRefusal):  # noqa: N818 (named as the answer it becomes)
    """No such thing in this organization."""


class Busy(StorageRefusal):  # noqa: N818
    """Somebody else is at it."""


class LeaseLost(StorageRefusal):  # noqa: N818
    """What was claimed has been claimed by somebody else since, or finished; nothing was written."""


class Finished(StorageRefusal):  # noqa: N818
    """The conversation is over."""


class NoInteractions(StorageRefusal):  # noqa: N818
    """The conversation has no interactions."""


class Taken(StorageRefusal):  # noqa: N818
    """An id that is in use already."""

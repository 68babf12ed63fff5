"""Conversations, accounts, behavior sets and learned waits in a database: SQLite, or PostgreSQL.

All calls block; from an event loop use ``await asyncio.to_thread(...)``.
"""

from ._accounts import Accounts
from ._behaviorrecords import BehaviorSet, BehaviorVersion, NewBehavior, NewSet
from ._behaviors import MOST_LISTED, MOST_SETS, BehaviorVersions, Page, VersionRange
from ._behaviorsets import BehaviorSets
from ._connect import database_file
from ._conversations import Conversations
from ._database import Database
from ._errors import (
    BusyError,
    DatabaseError,
    FinishedError,
    LeaseLostError,
    NoInteractionsError,
    NotFoundError,
    NotNextError,
    RefusedError,
    SchemaError,
    TakenError,
)
from ._history import History, Words
from ._ids import is_id, is_organization, new_id
from ._leases import LEASE_S, Lease, Leases, Resumed
from ._records import (
    Conversation,
    Interaction,
    NewConversation,
    NewInteraction,
    StoredKey,
    Transcript,
    User,
)

__all__ = [
    "LEASE_S",
    "MOST_LISTED",
    "MOST_SETS",
    "Accounts",
    "BehaviorSet",
    "BehaviorSets",
    "BehaviorVersion",
    "BehaviorVersions",
    "BusyError",
    "Conversation",
    "Conversations",
    "Database",
    "DatabaseError",
    "FinishedError",
    "History",
    "Interaction",
    "Lease",
    "LeaseLostError",
    "Leases",
    "NewBehavior",
    "NewConversation",
    "NewInteraction",
    "NewSet",
    "NoInteractionsError",
    "NotFoundError",
    "NotNextError",
    "Page",
    "RefusedError",
    "Resumed",
    "SchemaError",
    "StoredKey",
    "TakenError",
    "Transcript",
    "User",
    "VersionRange",
    "Words",
    "database_file",
    "is_id",
    "is_organization",
    "new_id",
]

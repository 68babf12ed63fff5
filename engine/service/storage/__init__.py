"""Conversations, accounts, behavior sets and learned waits in a database: SQLite, or PostgreSQL.

All calls block; from an event loop use ``await asyncio.to_thread(...)``.
"""

from ._accounts import Accounts
from ._behaviors import MOST_LISTED, Behaviors, Page, VersionRange
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
from ._listing import MOST_CONVERSATIONS, MOST_TOKEN, MOST_TURNS, ConversationPage, Listed, Listing, TurnPage, Wanted
from ._records import (
    BehaviorVersion,
    Conversation,
    Interaction,
    NewBehavior,
    NewConversation,
    NewInteraction,
    StoredKey,
    Transcript,
    User,
)

__all__ = [
    "LEASE_S",
    "MOST_CONVERSATIONS",
    "MOST_LISTED",
    "MOST_TOKEN",
    "MOST_TURNS",
    "Accounts",
    "BehaviorVersion",
    "Behaviors",
    "BusyError",
    "Conversation",
    "ConversationPage",
    "Conversations",
    "Database",
    "DatabaseError",
    "FinishedError",
    "History",
    "Interaction",
    "Lease",
    "LeaseLostError",
    "Leases",
    "Listed",
    "Listing",
    "NewBehavior",
    "NewConversation",
    "NewInteraction",
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
    "TurnPage",
    "User",
    "VersionRange",
    "Wanted",
    "Words",
    "database_file",
    "is_id",
    "is_organization",
    "new_id",
]

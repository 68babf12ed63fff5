"""Conversations, accounts, behavior sets, rules and learned waits in a database: SQLite, or PostgreSQL.

All calls block; from an event loop use ``await asyncio.to_thread(...)``.
"""

from ._accounts import Accounts
from ._behaviors import MOST_LISTED, Behaviors, Page, VersionRange
from ._connect import database_file
from ._conversations import Conversations
from ._database import Database
from ._deliveries import Claimed, Deliveries, Delivery, DeliveryPage, State
from ._enqueuing import Triggered, enqueue
from ._errors import (
    BusyError,
    DatabaseError,
    FinishedError,
    LeaseLostError,
    NoInteractionsError,
    NotFailedError,
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
from ._rules import MOST_METRICS, MOST_VERSION, NewRule, Rule, RulePage, Rules

__all__ = [
    "LEASE_S",
    "MOST_LISTED",
    "MOST_METRICS",
    "MOST_VERSION",
    "Accounts",
    "BehaviorVersion",
    "Behaviors",
    "BusyError",
    "Claimed",
    "Conversation",
    "Conversations",
    "Database",
    "DatabaseError",
    "Deliveries",
    "Delivery",
    "DeliveryPage",
    "FinishedError",
    "History",
    "Interaction",
    "Lease",
    "LeaseLostError",
    "Leases",
    "NewBehavior",
    "NewConversation",
    "NewInteraction",
    "NewRule",
    "NoInteractionsError",
    "NotFailedError",
    "NotFoundError",
    "NotNextError",
    "Page",
    "RefusedError",
    "Resumed",
    "Rule",
    "RulePage",
    "Rules",
    "SchemaError",
    "State",
    "StoredKey",
    "TakenError",
    "Transcript",
    "Triggered",
    "User",
    "VersionRange",
    "Words",
    "database_file",
    "enqueue",
    "is_id",
    "is_organization",
    "new_id",
]

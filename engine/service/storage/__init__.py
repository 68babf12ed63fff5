"""Conversations, accounts, behavior sets, metrics and learned waits in a database: SQLite, or PostgreSQL.

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
    FullError,
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
from ._metricpages import MOST_RESULTS, MOST_VALUES, MetricResults, ResultFilter, ResultPage
from ._metricresults import SOURCES, MetricSource, NewResult, StoredResult, save_results
from ._metrics import MOST_METRICS, MOST_METRICS_LISTED, Metrics, StoredMetric
from ._records import (
    Conversation,
    Interaction,
    NewConversation,
    NewInteraction,
    StoredKey,
    Transcript,
    User,
)
from ._turns import ELSEWHERE, MOST_TURNS, POSTED, NewTurn, Posted, StoredTurn, Turns

__all__ = [
    "ELSEWHERE",
    "LEASE_S",
    "MOST_LISTED",
    "MOST_SETS",
    "MOST_METRICS",
    "MOST_METRICS_LISTED",
    "MOST_RESULTS",
    "MOST_TURNS",
    "MOST_VALUES",
    "POSTED",
    "SOURCES",
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
    "FullError",
    "History",
    "Interaction",
    "Lease",
    "LeaseLostError",
    "Leases",
    "MetricResults",
    "MetricSource",
    "Metrics",
    "NewBehavior",
    "NewConversation",
    "NewInteraction",
    "NewSet",
    "NewResult",
    "NewTurn",
    "NoInteractionsError",
    "NotFoundError",
    "NotNextError",
    "Page",
    "Posted",
    "RefusedError",
    "ResultFilter",
    "ResultPage",
    "Resumed",
    "SchemaError",
    "StoredKey",
    "StoredMetric",
    "StoredResult",
    "StoredTurn",
    "TakenError",
    "Transcript",
    "Turns",
    "User",
    "VersionRange",
    "Words",
    "database_file",
    "is_id",
    "is_organization",
    "new_id",
    "save_results",
]

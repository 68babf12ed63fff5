"""Conversations, accounts, behavior sets, metrics, rules and learned waits in a database: SQLite, or PostgreSQL.

All calls block; from an event loop use ``await asyncio.to_thread(...)``.
"""

from ._accounts import Accounts
from ._arms import Arms, ArmSums, DueConversation, Figure
from ._behaviorrecords import BehaviorSet, BehaviorVersion, NewBehavior, NewSet
from ._behaviors import MOST_LISTED, MOST_SETS, BehaviorVersions, Page, VersionRange
from ._behaviorsets import BehaviorSets
from ._connect import database_file
from ._conversations import Conversations
from ._database import Database
from ._deliveries import Claimed, Deliveries, Delivery, DeliveryPage, State
from ._enqueuing import Triggered, enqueue
from ._errors import (
    BusyError,
    DatabaseError,
    FinishedError,
    FullError,
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
from ._listing import (
    MOST_CONVERSATIONS,
    MOST_TOKEN,
    MOST_TURNS_LISTED,
    ConversationPage,
    Listed,
    Listing,
    TurnPage,
    Wanted,
)
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
from ._rules import MOST_RULE_METRICS, MOST_VERSION, RULE_DELETED, NewRule, Rule, RulePage, Rules
from ._turns import ELSEWHERE, MOST_TURNS, POSTED, NewTurn, Posted, StoredTurn, Turns

__all__ = [
    "ELSEWHERE",
    "LEASE_S",
    "MOST_CONVERSATIONS",
    "MOST_LISTED",
    "MOST_METRICS",
    "MOST_METRICS_LISTED",
    "MOST_RESULTS",
    "MOST_RULE_METRICS",
    "MOST_SETS",
    "MOST_TOKEN",
    "MOST_TURNS",
    "MOST_TURNS_LISTED",
    "MOST_VALUES",
    "MOST_VERSION",
    "POSTED",
    "RULE_DELETED",
    "SOURCES",
    "Accounts",
    "ArmSums",
    "Arms",
    "BehaviorSet",
    "BehaviorSets",
    "BehaviorVersion",
    "BehaviorVersions",
    "BusyError",
    "Claimed",
    "Conversation",
    "ConversationPage",
    "Conversations",
    "Database",
    "DatabaseError",
    "Deliveries",
    "Delivery",
    "DeliveryPage",
    "DueConversation",
    "Figure",
    "FinishedError",
    "FullError",
    "History",
    "Interaction",
    "Lease",
    "LeaseLostError",
    "Leases",
    "Listed",
    "Listing",
    "MetricResults",
    "MetricSource",
    "Metrics",
    "NewBehavior",
    "NewConversation",
    "NewInteraction",
    "NewResult",
    "NewRule",
    "NewSet",
    "NewTurn",
    "NoInteractionsError",
    "NotFailedError",
    "NotFoundError",
    "NotNextError",
    "Page",
    "Posted",
    "RefusedError",
    "ResultFilter",
    "ResultPage",
    "Resumed",
    "Rule",
    "RulePage",
    "Rules",
    "SchemaError",
    "State",
    "StoredKey",
    "StoredMetric",
    "StoredResult",
    "StoredTurn",
    "TakenError",
    "Transcript",
    "Triggered",
    "TurnPage",
    "Turns",
    "User",
    "VersionRange",
    "Wanted",
    "Words",
    "database_file",
    "enqueue",
    "is_id",
    "is_organization",
    "new_id",
    "save_results",
]

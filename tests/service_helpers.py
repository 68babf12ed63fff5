"""What the service's tests share: a database that is set up, a clock, interactions, other processes."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stopgap.engine.service.storage import (
    Accounts,
    Conversations,
    Database,
    History,
    Lease,
    Leases,
    NewConversation,
    NewInteraction,
    User,
)

SERVICE = "5e" * 12

Worker = Callable[..., "subprocess.Popen[str]"]
NewUrl = Callable[[Path], str]


@dataclass
class Hands:
    """A clock that a test moves."""

    at: float = 1_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Service:
    """A database with an organization and a user, by a clock that stands still."""

    url: str
    database: Database
    hands: Hands
    user: User
    organization: str = "org_1"

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.database)
        self.leases = Leases(self.database)
        self.conversations = Conversations(self.database)
        self.history = History(self.database)

    def conversation(self, interactions: int = 1) -> str:
        """Return the id of a new conversation, after so many interactions."""
        lease = self.leases.reserve(self.organization, self.user.id)
        self.conversations.create(lease, NewConversation(SERVICE), interaction(1))
        for number in range(2, interactions + 1):
            self.conversations.complete(self.claim(lease.conversation), interaction(number))
        return lease.conversation

    def claim(self, conversation: str) -> Lease:
        return self.leases.claim(self.organization, conversation, user=self.user.id)


def interaction(number: int) -> NewInteraction:
    """Return an interaction whose parts all tell its number."""
    return NewInteraction(
        started_at=float(number),
        agent_message=f"answer {number}",
        user_message=f"question {number}",
        actions=({"type": "tool-call-started", "number": number},),
        record={"number": number},
    )


def set_up(url: str) -> Iterator[Service]:
    Database.migrate(url)
    hands = Hands()
    database = Database.open(url, now=hands)
    accounts = Accounts(database)
    accounts.add_organization("org_1")
    user = accounts.add_user("org_1", ["Conversation:CreateConversation"])
    yield Service(url, database, hands, user)
    database.close()


def together(processes: "list[subprocess.Popen[str]]") -> list[str]:
    """Let *processes*, once all are ready, go on at the same moment; return what each printed after that."""
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n", one.communicate(timeout=30)
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    ended = [(one.communicate(timeout=120), one.returncode) for one in processes]
    assert all(code == 0 for _, code in ended), ended
    return [out for (out, _), _ in ended]

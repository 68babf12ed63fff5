"""The service's storage, the same on SQLite and PostgreSQL: leases, whole interactions, organizations apart."""

import os
import signal
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres_server import Server
from service_helpers import SERVICE, Service, Worker, interaction, set_up, together
from sqlalchemy import text
from stopgap.engine.service.storage import (
    Accounts,
    BusyError,
    Conversations,
    Database,
    DatabaseError,
    FinishedError,
    History,
    Lease,
    LeaseLostError,
    Leases,
    NewConversation,
    NewInteraction,
    NoInteractionsError,
    NotFoundError,
    SchemaError,
    TakenError,
    is_id,
    new_id,
)
from stopgap.engine.service.storage import _schema as schema
from stopgap.engine.service.storage._tables import Base, ConversationRow
from stopgap.fillers import UsageError

pytest_plugins = ("service_databases",)

# Schema --------------------------------------------------------------------------------------------------------


def test_migrations_make_the_tables_that_the_code_has(url: str) -> None:
    """What the migrations build is what the typed tables say, column by column."""
    assert Database.migrate(url) == (None, schema.newest())
    database = Database.open(url)
    with database.reading() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_migrating_again_does_nothing(url: str) -> None:
    """A database of this version stays as it is."""
    Database.migrate(url)
    assert Database.migrate(url) == (schema.newest(), schema.newest())


def test_processes_migrate_at_once(url: str, worker: Worker) -> None:
    """One does it; the other waits and finds it done."""
    said = together([worker("migrate", url) for _ in range(3)])
    newest = schema.newest()
    assert sorted(said) == sorted([f"None {newest}\n", f"{newest} {newest}\n", f"{newest} {newest}\n"])


def test_a_database_without_tables_is_refused(url: str) -> None:
    """The one sentence names the command that makes them."""
    with pytest.raises(SchemaError, match="stopgap service init"):
        Database.open(url)


def test_an_old_schema_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one sentence names the command that brings it up to date."""
    Database.migrate(url)
    told = f"has schema {schema.newest()}, this version needs 9999: run `stopgap service migrate`"
    monkeypatch.setattr(schema, "newest", lambda: "9999")
    with pytest.raises(SchemaError, match=told):
        Database.open(url)


def test_a_newer_schema_is_refused(service: Service) -> None:
    """Neither opened nor migrated: an old version must not touch what it does not know."""
    with service.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for use in (Database.open, Database.migrate):
        with pytest.raises(SchemaError, match="newer stopgap"):
            use(service.url)


def test_a_failed_migration_changes_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one transaction: of a schema half built nothing is left."""

    def broken(*_: object) -> None:
        real(*_)
        raise RuntimeError("the power is gone")

    real: Callable[..., object] = command.upgrade
    monkeypatch.setattr(command, "upgrade", broken)
    with pytest.raises(RuntimeError, match="the power is gone"):
        Database.migrate(url)
    with pytest.raises(SchemaError, match="holds no tables"):
        Database.open(url)
    monkeypatch.undo()
    assert Database.migrate(url) == (None, schema.newest())


def test_sqlite_is_private_and_durable(tmp_path: Path) -> None:
    """The file is its owner's alone, in write-ahead mode, with foreign keys, and commits reach the disk."""
    path = tmp_path / "service.db"
    Database.migrate(f"sqlite:///{path}")
    database = Database.open(f"sqlite:///{path}")
    with database.reading() as session:
        found = [session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "synchronous")]
        assert found == ["wal", 1, 2]
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory", "mysql://x", "x"])
def test_urls_that_cannot_be_shared(url: str) -> None:
    """Nothing that lives in one process, and no database that was not tried."""
    for use in (Database.open, Database.migrate):
        with pytest.raises(UsageError, match="write sqlite:///FILE"):
            use(url)


def test_trouble_hides_secrets(tmp_path: Path) -> None:
    """A server that is not there, and a file that is no database, are one sentence without the password."""
    with pytest.raises(DatabaseError) as gone:
        Database.open("postgresql://somebody:hunter2@127.0.0.1:1/x")
    assert "does not answer" in str(gone.value)
    assert "hunter2" not in str(gone.value)
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DatabaseError, match="refuses: file is not a database"):
        Database.open(f"sqlite:///{tmp_path / 'x.db'}")


def encoded(server: Server, encoding: str) -> str:
    """Return the URL of a new database that keeps text so."""
    return server.new_database(f"in_{encoding.lower()}", "--encoding", encoding, "--locale=C", "--template=template0")


def test_a_database_that_lacks_characters_is_refused(postgres: Server) -> None:
    """At once, not with the first message that has one; the one sentence names the command that makes another."""
    url = encoded(postgres, "LATIN1")
    for use in (Database.migrate, Database.open):
        with pytest.raises(UsageError, match=r"LATIN1, which lacks most characters; .* `createdb --encoding=UTF8"):
            use(url)


def test_a_database_made_without_a_locale_will_do(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it matter what the environment says of encodings."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    for service in set_up(encoded(postgres, "SQL_ASCII")):
        lease = service.leases.reserve("org_1", service.user.id)
        service.conversations.create(lease, NewConversation(SERVICE, {"tag": "😀"}), NewInteraction(1.0, "naïve 😀"))
        found = service.history.read("org_1", lease.conversation, user=None)
        assert (found.interactions[0].agent_message, found.conversation.tags["tag"]) == ("naïve 😀", "😀")


def test_errors_show_no_parameters(service: Service) -> None:
    """What was being written, a message or a hash, is in no error."""
    with service.database.writing() as session:
        session.execute(text("ALTER TABLE interactions RENAME TO gone"))
    with pytest.raises(DatabaseError) as gone:
        service.conversation()
    chain: BaseException | None = gone.value
    while chain is not None:
        assert "question 1" not in str(chain)
        chain = chain.__cause__


# Whole or not at all -------------------------------------------------------------------------------------------


def test_a_conversation_comes_with_its_first_interaction(service: Service) -> None:
    """Both are there, whole, and nothing is held any more."""
    lease = service.leases.reserve("org_1", service.user.id)
    new = NewConversation(SERVICE, {"channel": "phone", "empty": None}, is_test=True)
    conversation, first = service.conversations.create(lease, new, interaction(1))
    transcript = service.history.read("org_1", lease.conversation, user=service.user.id)
    assert transcript.conversation == conversation
    assert transcript.interactions == (first,)
    assert (conversation.id, conversation.service, conversation.is_test) == (lease.conversation, SERVICE, True)
    assert dict(conversation.tags) == {"channel": "phone", "empty": None}
    assert (conversation.created_at, conversation.finished_at, conversation.interaction_count) == (1.0, None, 1)
    assert (first.number, first.user_message, first.agent_message) == (1, "question 1", "answer 1")
    assert first.actions == ({"type": "tool-call-started", "number": 1},)
    assert first.record == {"number": 1}
    assert first.completed_at == service.hands.at
    assert is_id(str(first.user_message_id))
    service.claim(lease.conversation)
    service.leases.reserve("org_1", service.user.id)


def test_a_failed_first_interaction_leaves_no_conversation(service: Service) -> None:
    """Given back without an interaction, or failing while it is stored: nothing is there."""
    lease = service.leases.reserve("org_1", service.user.id)
    service.leases.release(lease)
    assert service.history.unfinished("org_1", service.user.id) == ()
    taken = service.history.read("org_1", service.conversation(), user=None).interactions[0].id
    lease = service.leases.reserve("org_1", service.user.id)
    with pytest.raises(TakenError):
        service.conversations.create(lease, NewConversation(SERVICE), NewInteraction(1.0, "hello", id=taken))
    with pytest.raises(NotFoundError):
        service.history.read("org_1", lease.conversation, user=None)
    assert len(service.history.unfinished("org_1", service.user.id)) == 1
    service.conversations.create(lease, NewConversation(SERVICE), interaction(1))  # the lease was not used up


def test_a_failed_interaction_leaves_the_conversation_as_it_was(service: Service) -> None:
    """Neither the count nor the lease moves when storing fails; released, the next one may begin."""
    conversation = service.conversation()
    before = service.history.read("org_1", conversation, user=None)
    lease = service.claim(conversation)
    with pytest.raises(TakenError):
        service.conversations.complete(lease, NewInteraction(1.0, "hello", id=before.interactions[0].id), finished=True)
    assert service.history.read("org_1", conversation, user=None) == before
    with pytest.raises(BusyError):
        service.claim(conversation)
    service.leases.release(lease)
    assert service.conversations.complete(service.claim(conversation), interaction(2)).number == 2


def test_an_interaction_may_end_the_conversation(service: Service) -> None:
    """Also the first one."""
    conversation = service.conversation()
    service.conversations.complete(service.claim(conversation), interaction(2), finished=True)
    with pytest.raises(FinishedError):
        service.claim(conversation)
    lease = service.leases.reserve("org_1", service.user.id)
    service.conversations.create(lease, NewConversation(SERVICE), interaction(1), finished=True)
    assert service.history.unfinished("org_1", service.user.id) == ()
    found = service.history.read("org_1", lease.conversation, user=None).conversation
    assert found.finished_at == service.hands.at


@pytest.mark.parametrize("kind", ["create", "complete"])
def test_a_lease_is_for_one_thing(service: Service, kind: str) -> None:
    """Creating with a lease on what exists, or the other way round, is the caller's mistake."""
    if kind == "create":
        lease = service.claim(service.conversation())
        with pytest.raises(UsageError, match="use `complete`"):
            service.conversations.create(lease, NewConversation(SERVICE), interaction(1))
    else:
        lease = service.leases.reserve("org_1", service.user.id)
        with pytest.raises(UsageError, match="use `create`"):
            service.conversations.complete(lease, interaction(1))


# Leases --------------------------------------------------------------------------------------------------------


def test_one_at_a_time(service: Service) -> None:
    """A conversation that is claimed is busy for everybody, also for finishing; so is a user creating one."""
    conversation = service.conversation()
    lease = service.claim(conversation)
    with pytest.raises(BusyError):
        service.claim(conversation)
    with pytest.raises(BusyError):
        service.conversations.finish("org_1", conversation, user=service.user.id)
    service.leases.release(lease)
    service.leases.release(lease)
    service.claim(conversation)
    service.leases.reserve("org_1", service.user.id)
    with pytest.raises(BusyError):
        service.leases.reserve("org_1", service.user.id)


def test_a_dead_process_blocks_nothing_for_long(service: Service) -> None:
    """After 60 s without renewal somebody else may go on; whoever wakes up late writes nothing."""
    conversation = service.conversation()
    late = service.claim(conversation)
    service.hands.at += 59.9
    with pytest.raises(BusyError):
        service.claim(conversation)
    service.hands.at += 0.1
    lease = service.claim(conversation)
    for use in (service.leases.renew, lambda lease: service.conversations.complete(lease, interaction(2))):
        with pytest.raises(LeaseLostError):
            use(late)
    service.leases.release(late)  # is not theirs to release
    with pytest.raises(BusyError):
        service.claim(conversation)
    assert service.conversations.complete(lease, interaction(2)).number == 2


def test_a_dead_process_blocks_no_creation_for_long(service: Service) -> None:
    """The same for a user whose conversation was being created."""
    late = service.leases.reserve("org_1", service.user.id)
    service.hands.at += 60.0
    lease = service.leases.reserve("org_1", service.user.id)
    with pytest.raises(LeaseLostError):
        service.conversations.create(late, NewConversation(SERVICE), interaction(1))
    service.conversations.create(lease, NewConversation(SERVICE), interaction(1))
    with pytest.raises(NotFoundError):
        service.history.read("org_1", late.conversation, user=None)


def test_renewed_leases_hold(service: Service) -> None:
    """Renewed every 40 s, a lease holds for as long as it takes."""
    conversation = service.conversation()
    lease, creating = service.claim(conversation), service.leases.reserve("org_1", service.user.id)
    for _ in range(5):
        service.hands.at += 40.0
        lease, creating = service.leases.renew(lease), service.leases.renew(creating)
        assert lease.until == service.hands.at + 60.0
        with pytest.raises(BusyError):
            service.claim(conversation)
        with pytest.raises(BusyError):
            service.leases.reserve("org_1", service.user.id)
    service.conversations.complete(lease, interaction(2))
    service.conversations.create(creating, NewConversation(SERVICE), interaction(1))


def test_late_but_alone_is_no_harm(service: Service) -> None:
    """A lease that has run out still serves as long as nobody else has taken it."""
    conversation = service.conversation()
    lease = service.claim(conversation)
    service.hands.at += 1000.0
    assert service.conversations.complete(lease, interaction(2)).number == 2


def test_what_is_finished_meanwhile_takes_no_more(service: Service) -> None:
    """Finished after the lease had run out: the late interaction is refused."""
    conversation = service.conversation()
    late = service.claim(conversation)
    service.hands.at += 61.0
    service.conversations.finish("org_1", conversation, user=None)
    with pytest.raises(LeaseLostError):
        service.conversations.complete(late, interaction(2))
    assert service.history.read("org_1", conversation, user=None).conversation.interaction_count == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "renew", "release", "complete", "wait"]),
        st.integers(0, 2),
        st.sampled_from([1.0, 30.0, 60.0, 61.0]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=25)
@given(steps=STEPS)
def test_never_two_holders(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, float]]) -> None:
    """Whatever three workers do with a conversation, in whatever order, one at most can write, and numbers have no gap.

    The model: the holder is whoever claimed last and has not given back; a claim works if there is none, or if the
    holder's time has run out.
    """
    (service,) = [*_service_in(tmp_path_factory)]
    conversation = service.conversation()
    leases: dict[int, Lease] = {}
    holder: int | None = None
    until, completed = 0.0, 1
    for action, who, seconds in steps:
        lease = leases.get(who)
        if action == "wait":
            service.hands.at += seconds
        elif action == "claim":
            if holder is None or until <= service.hands.at:
                leases[who], holder = service.claim(conversation), who
                until = leases[who].until
            else:
                with pytest.raises(BusyError):
                    service.claim(conversation)
        elif lease is not None:
            if action == "release":
                service.leases.release(lease)
                holder = None if who == holder else holder
            elif who != holder:
                with pytest.raises(LeaseLostError):
                    _used(service, action, lease, completed + 1)
            else:
                renewed = _used(service, action, lease, completed + 1)
                if renewed is None:
                    completed, holder = completed + 1, None
                else:
                    leases[who], until = renewed, renewed.until
            if action != "renew":
                leases.pop(who)
    found = service.history.read("org_1", conversation, user=None)
    assert [one.number for one in found.interactions] == list(range(1, completed + 1))
    assert found.conversation.interaction_count == completed
    service.database.close()


def _service_in(factory: pytest.TempPathFactory) -> list[Service]:
    return [next(iter(set_up(f"sqlite:///{factory.mktemp('leases') / 'service.db'}")))]


def _used(service: Service, action: str, lease: Lease, number: int) -> Lease | None:
    if action == "renew":
        return service.leases.renew(lease)
    assert service.conversations.complete(lease, interaction(number)).number == number
    return None


def test_of_many_processes_one_claims(service: Service, worker: Worker) -> None:
    """Four that try at the same moment: one has it, three are told that it is busy."""
    conversation = service.conversation()
    said = together([worker("claim", service.url, "org_1", conversation) for _ in range(4)])
    assert sorted(said) == ["busy\n"] * 3 + ["claimed\n"]


def test_of_many_processes_one_creates(service: Service, worker: Worker) -> None:
    """A user who asks three times at the same moment has one conversation."""
    said = together([worker("create", service.url, "org_1", service.user.id, SERVICE) for _ in range(3)])
    assert said.count("created\n") == 1
    assert set(said) <= {"created\n", "busy\n", "unfinished\n"}
    assert len(service.history.unfinished("org_1", service.user.id)) == 1


def test_of_many_processes_one_finishes(service: Service, worker: Worker) -> None:
    """Finishing is done once."""
    conversation = service.conversation()
    said = together([worker("finish", service.url, "org_1", conversation) for _ in range(3)])
    assert sorted(said) == ["finished\n"] + ["finished already\n"] * 2


def test_processes_take_turns(service: Service, worker: Worker) -> None:
    """Three that complete ten interactions each get the numbers 2 to 31, each once."""
    conversation = service.conversation()
    said = together([worker("complete", service.url, "org_1", conversation, 10) for _ in range(3)])
    found = service.history.read("org_1", conversation, user=None).interactions
    assert [one.number for one in found] == list(range(1, 32))
    assert {one.id for one in found[1:]} == {id for out in said for id in out.split()}


def test_kill_9_loses_nothing_that_was_completed(service: Service, worker: Worker) -> None:
    """A process killed amid its work: what it had been told is stored is stored, whole; nothing else is, by halves."""
    conversation = service.conversation()
    told: list[str] = []
    for rounds in range(3):
        process = worker("complete", service.url, "org_1", conversation, 100_000)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        told += [process.stdout.readline().strip() for _ in range(20 + 7 * rounds)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.read().split()
        process.wait(timeout=30)
        with service.database.writing() as session:  # what time would do: nobody renews the dead process's lease
            session.query(ConversationRow).update({"lease_owner": None, "lease_until": None})
    found = service.history.read("org_1", conversation, user=None, last=500)
    stored = {one.id: one for one in found.interactions}
    assert all(is_id(id) for id in told)
    assert set(told) <= stored.keys()
    assert len(stored) - 1 <= len(told) + 3  # of each kill one may have been stored and not told
    assert [one.number for one in found.interactions] == list(range(1, len(stored) + 1))
    assert found.conversation.interaction_count == len(stored)
    for one in found.interactions[1:]:
        assert one.record is not None
        whole = f"message {one.record['n']} " * 200
        assert (one.agent_message, one.user_message, one.actions) == (whole, whole, ({"n": one.record["n"]},))


# Finishing, reading --------------------------------------------------------------------------------------------


def test_finish_says_why_not(service: Service) -> None:
    """Nothing there, nothing said, over already."""
    with pytest.raises(NotFoundError):
        service.conversations.finish("org_1", new_id(), user=None)
    conversation = service.conversation()
    with service.database.writing() as session:
        session.query(ConversationRow).update({"interaction_count": 0})
    with pytest.raises(NoInteractionsError):
        service.conversations.finish("org_1", conversation, user=None)
    conversation = service.conversation()
    service.conversations.finish("org_1", conversation, user=service.user.id)
    with pytest.raises(FinishedError):
        service.conversations.finish("org_1", conversation, user=service.user.id)


def test_unfinished_ones(service: Service) -> None:
    """A user's, the newest first, of one service or all; finished ones are not among them."""
    assert service.history.unfinished("org_1", service.user.id) == ()
    other = "0f" * 12
    for place, of in enumerate([SERVICE, other, SERVICE]):
        lease = service.leases.reserve("org_1", service.user.id)
        service.conversations.create(lease, NewConversation(of), NewInteraction(float(place), "hello"))
    everything = service.history.unfinished("org_1", service.user.id)
    assert [one.service for one in everything] == [SERVICE, other, SERVICE]
    assert [one.created_at for one in everything] == [2.0, 1.0, 0.0]
    service.conversations.finish("org_1", everything[0].id, user=None)
    assert [one.id for one in service.history.unfinished("org_1", service.user.id, service=SERVICE)] == [
        everything[2].id
    ]
    assert service.history.unfinished("org_1", new_id()) == ()


def test_history_is_read_from_its_end(service: Service) -> None:
    """The newest so many, in order; single ones by their id."""
    conversation = service.conversation(5)
    found = service.history.read("org_1", conversation, user=None, last=3)
    assert [one.number for one in found.interactions] == [3, 4, 5]
    for one in found.interactions:
        of, alone = service.history.interaction("org_1", conversation, one.id, user=service.user.id)
        assert (of, alone) == (found.conversation, one)
    with pytest.raises(NotFoundError):
        service.history.interaction("org_1", service.conversation(), found.interactions[0].id, user=None)
    for last in (0, 501):
        with pytest.raises(UsageError, match="write 1 to 500"):
            service.history.read("org_1", conversation, user=None, last=last)


def _uses(service: Service, organization: str, conversation: str, user: str | None) -> list[Callable[[], Any]]:
    first = service.history.read("org_1", conversation, user=None).interactions[0].id
    return [
        lambda: service.history.read(organization, conversation, user=user),
        lambda: service.history.interaction(organization, conversation, first, user=user),
        lambda: service.leases.claim(organization, conversation, user=user),
        lambda: service.conversations.finish(organization, conversation, user=user),
    ]


def test_organizations_and_users_are_apart(service: Service) -> None:
    """A conversation's id is of no use in another organization, nor to another user of the same one."""
    service.accounts.add_organization("org_2")
    stranger = service.accounts.add_user("org_2", [])
    colleague = service.accounts.add_user("org_1", [])
    conversation = service.conversation()
    for organization, user in [("org_2", None), ("org_2", service.user.id), ("org_1", colleague.id)]:
        for use in _uses(service, organization, conversation, user):
            with pytest.raises(NotFoundError):
                use()
    assert service.history.unfinished("org_2", service.user.id) == ()
    for organization, user in [("org_1", stranger.id), ("org_2", service.user.id), ("org_3", stranger.id)]:
        with pytest.raises(NotFoundError):
            service.leases.reserve(organization, user)
    _uses(service, "org_1", conversation, service.user.id)[3]()


@pytest.mark.parametrize("id", ["", "\x00", "\ud800", "x" * 100_000, "'", "A" * 24, "0" * 23])
def test_any_text_may_be_asked_for(service: Service, id: str) -> None:
    """What cannot be an id is an id that does not exist, in any place of any call."""
    conversation = service.conversation()
    for use in [*_uses(service, id, conversation, None), *_uses(service, "org_1", conversation, id)]:
        with pytest.raises(NotFoundError):
            use()
    calls: list[Callable[[], object]] = [
        lambda: service.history.read("org_1", id, user=None),
        lambda: service.history.interaction("org_1", conversation, id, user=None),
        lambda: service.leases.reserve(id, service.user.id),
        lambda: service.leases.reserve("org_1", id),
        lambda: service.accounts.disable_user("org_1", id),
        lambda: service.accounts.revoke_key(id, id),
        lambda: service.accounts.add_key("org_1", id, "hash"),
        lambda: service.accounts.add_user(id, []),
    ]
    for call in calls:
        with pytest.raises(NotFoundError):
            call()
    assert service.history.unfinished(id, service.user.id) == service.history.unfinished("org_1", id) == ()
    assert service.accounts.user(id, id) is None
    assert service.accounts.key("org_1", service.user.id, id) is None
    assert service.accounts.users(id) == ()
    assert service.accounts.keys(id) == ()


HOSTILE = ["\x00 zero", "\ud800 half", "'; DROP TABLE conversations; --", "naïve 😀 \u202e", "%s %(x)s :x ?", "\r\n\t"]


@pytest.mark.parametrize("message", HOSTILE)
def test_any_text_can_be_stored(service: Service, message: str) -> None:
    """Quotes, controls and other scripts come back as they went in; what no database takes becomes U+FFFD."""
    lease = service.leases.reserve("org_1", service.user.id)
    actions = ({"text": message.replace("\ud800", "")},)
    new = NewInteraction(1.0, message, message, actions, {"text": actions[0]["text"]})
    service.conversations.create(lease, NewConversation(SERVICE, {"key": message}), new)
    found = service.history.read("org_1", lease.conversation, user=None)
    clean = message.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    (first,) = found.interactions
    assert (first.agent_message, first.user_message) == (clean, clean)
    assert (first.actions, first.record) == (actions, actions[0])
    assert dict(found.conversation.tags) == {"key": clean}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: NewConversation("x"), "service 'x': an id is 24 hexadecimal digits"),
        (lambda: NewConversation(SERVICE, {"key!": "x"}), "tag 'key!': write 1 to 100 letters"),
        (lambda: NewConversation(SERVICE, {"key": "x" * 101}), "a value of 101 characters"),
        (lambda: NewConversation(SERVICE, {str(n): None for n in range(21)}), "21 tags; at most 20"),
        (lambda: NewInteraction(1.0, "x" * 200_001), "agent message has 200001 characters"),
        (lambda: NewInteraction(1.0, "x", "x" * 200_001), "user message has 200001 characters"),
        (lambda: NewInteraction(1.0, "x", actions=({"x": float("nan")},)), "actions cannot be written as JSON"),
        (lambda: NewInteraction(1.0, "x", record={"x": object()}), "turn records cannot be written as JSON"),
        (lambda: NewInteraction(1.0, "x", actions=({"x": "x" * (1 << 20)},)), "bytes as JSON; at most 1048576"),
        (lambda: NewInteraction(1.0, "x", id="X" * 24), "an id is 24 hexadecimal digits"),
    ],
)
def test_what_is_stored_is_bounded(make: Callable[[], object], says: str) -> None:
    """Too much, or of the wrong form, is refused before a database is asked."""
    with pytest.raises(UsageError, match=says):
        make()


def test_records_are_frozen_and_free(sqlite_service: Service) -> None:
    """What comes out cannot be changed, and needs no database any more."""
    conversation = sqlite_service.conversation()
    found = sqlite_service.history.read("org_1", conversation, user=None)
    sqlite_service.database.close()
    assert found.interactions[0].agent_message == "answer 1"
    with pytest.raises(FrozenInstanceError):
        found.conversation.user = "somebody"  # type: ignore[misc]
    lease = sqlite_service.claim(conversation)
    assert lease.owner not in repr(lease)


# Accounts ------------------------------------------------------------------------------------------------------


def test_accounts(service: Service) -> None:
    """Organizations have users, users have keys, and each is found in its own organization only."""
    accounts: Accounts = service.accounts
    with pytest.raises(TakenError):
        accounts.add_organization("org_1")
    for name in ("", "a" * 65, "a b", "a/b", "é", "a\n"):
        with pytest.raises(UsageError, match="write 1 to 64 letters"):
            accounts.add_organization(name)
    with pytest.raises(NotFoundError):
        accounts.add_user("org_2", [])
    accounts.add_organization("org_2")
    assert accounts.organizations() == ("org_1", "org_2")
    assert accounts.user("org_1", service.user.id) == service.user
    assert accounts.user("org_2", service.user.id) is None
    with pytest.raises(NotFoundError):
        accounts.add_key("org_2", service.user.id, "hash")
    key = accounts.add_key("org_1", service.user.id, "the hash")
    assert "the hash" not in repr(key)
    assert accounts.key("org_1", service.user.id, key.id) == key
    assert accounts.key("org_2", service.user.id, key.id) is None
    assert accounts.key("org_1", new_id(), key.id) is None
    assert accounts.keys("org_2") == ()
    with pytest.raises(NotFoundError):
        accounts.revoke_key("org_2", key.id)
    accounts.revoke_key("org_1", key.id)
    with pytest.raises(NotFoundError):
        accounts.revoke_key("org_1", key.id)
    assert [one.revoked_at for one in accounts.keys("org_1")] == [service.hands.at]
    accounts.disable_user("org_1", service.user.id)
    assert [one.disabled_at for one in accounts.users("org_1")] == [service.hands.at]
    with pytest.raises(NotFoundError):
        service.leases.reserve("org_1", service.user.id)


def test_the_database_tells_the_time(url: str) -> None:
    """Without a clock of the test's own, leases end by the clock that all processes share."""
    Database.migrate(url)
    database = Database.open(url)
    accounts = Accounts(database)
    accounts.add_organization("org_1")
    user = accounts.add_user("org_1", [])
    leases = Leases(database, lease_s=3600.0)
    with pytest.raises(UsageError, match="lease_s"):
        Leases(database, lease_s=0.0)
    lease = leases.reserve("org_1", user.id)
    with database.reading() as session:
        assert 3500.0 < lease.until - database.now(session) <= 3600.0
    conversation, first = Conversations(database).create(lease, NewConversation(SERVICE), interaction(1))
    assert lease.until - 3600.0 <= first.completed_at <= lease.until
    assert History(database).read("org_1", conversation.id, user=None).interactions == (first,)
    database.close()


def test_a_locked_database_is_trouble_not_a_riddle(sqlite_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that waits in vain for another program's transaction is told so."""
    monkeypatch.setattr("stopgap.engine.service.storage._connect.PATIENCE_S", 0.05)
    database = Database.open(sqlite_service.url)
    other = sqlite3.connect(sqlite_service.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match="database is locked"):
        Leases(database).reserve("org_1", sqlite_service.user.id)
    other.close()
    Leases(database).reserve("org_1", sqlite_service.user.id)
    database.close()

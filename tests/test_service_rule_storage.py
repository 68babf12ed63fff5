"""Rules in storage: what they deliver is written with the interactions that they are for; on both databases."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st
from service_helpers import SERVICE as DESK
from service_helpers import Service, interaction
from sqlalchemy import event
from stopgap.engine.service._settings import behavior_id
from stopgap.engine.service.behaviors._triggered import triggered
from stopgap.engine.service.storage import (
    Accounts,
    Conversations,
    Database,
    LeaseLostError,
    Leases,
    NewConversation,
    NewRule,
    NotFoundError,
    Rules,
    enqueue,
    new_id,
)
from stopgap.engine.service.storage import _enqueuing as enqueuing
from stopgap.engine.service.storage import _schema as schema
from stopgap.fillers import UsageError
from webhook_receiver import BEHAVIOR, METRIC, Office

pytest_plugins = ("service_databases",)

GRIEF = behavior_id("grief")


@pytest.fixture
def office(service: Service) -> Office:
    return Office(service)


# With the interaction ----------------------------------------------------------------------------------------------


def test_a_delivery_comes_with_its_interaction(office: Office) -> None:
    """For each rule that fits: of that behaviour, and of that version or of any; once each, however often triggered."""
    rules = {
        "any": office.rule(None, METRIC), "second": office.rule(None, METRIC, version=2),
        "third": office.rule(None, METRIC, version=3), "other": office.rule(None, METRIC, behavior="a" * 24),
    }  # fmt: skip
    assert office.triggered(1)
    both = office.triggered(2, 1, 2)
    found = {
        name: [(one.version, one.interaction == both) for one in office.deliveries.listed("org_1", rule.id).deliveries]
        for name, rule in rules.items()
    }
    assert sorted(found["any"]) == [(1, False), (2, True)]
    assert found["second"] == [(2, True)]
    assert found["third"] == found["other"] == []
    office.triggered(5, behavior="a" * 24)
    assert [one.version for one in office.deliveries.listed("org_1", rules["other"].id).deliveries] == [5]


def test_rules_are_for_what_comes_after_them(office: Office) -> None:
    """Neither what was triggered before, nor what is after their end; nor is it anything of another organization's."""
    office.triggered(1)
    rule = office.rule(None, METRIC)
    office.service.accounts.add_organization("org_2")
    stranger = office.service.accounts.add_user("org_2", []).id
    other = office.rules.create("org_2", NewRule("x", BEHAVIOR, metrics=(METRIC,)), creator=stranger)
    interaction = office.triggered(1)
    assert office.only(rule).interaction == interaction
    assert office.deliveries.listed("org_2", other.id).deliveries == ()
    office.rules.delete("org_1", rule.id)
    office.triggered(1)
    assert len(office.deliveries.listed("org_1", rule.id).deliveries) == 1


def test_no_interaction_no_delivery(office: Office) -> None:
    """They are stored together: where the lease was lost, neither is, and where rules fail, neither is."""
    rule, woken = office.rule(None, METRIC), list[bool]()
    store = Conversations(office.service.database, on_enqueued=lambda: woken.append(True))
    conversation = office.service.conversation()
    late = office.service.claim(conversation)
    office.hands.at += 100.0
    lease = office.service.claim(conversation)
    new = replace(interaction(2), behaviors=((BEHAVIOR, 1),))
    with pytest.raises(LeaseLostError):
        store.complete(late, new)
    assert (office.deliveries.listed("org_1", rule.id).deliveries, woken) == ((), [])
    stored = store.complete(lease, new)
    assert (office.only(rule).interaction, woken) == (stored.id, [True])


def test_without_a_behaviour_nothing_more_is_asked(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interaction that triggered none costs no statement; one that no rule is for costs two: which version it had is
    noted, and rules are looked up."""
    office.rule(None, METRIC, behavior="a" * 24)
    statements: list[str] = []
    engine = office.service.database._engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    store, conversation = office.service.conversations, office.service.conversation()
    counts = []
    for behaviors in ((), (("no id", 1),), ((BEHAVIOR, 1),), (("a" * 24, 1),)):
        lease = office.service.claim(conversation)
        statements.clear()
        store.complete(lease, replace(interaction(2), behaviors=behaviors))
        counts.append(len(statements))
    assert [count - counts[0] for count in counts] == [0, 0, 2, 3]


def test_what_agents_say_cannot_break_an_interaction(office: Office) -> None:
    """They may tell of behaviours themselves: what is no id or version is left out, and of very many the rest."""
    rule, conversation = office.rule(None, METRIC), office.service.conversation()
    many = [(f"{number:024x}", 1) for number in range(enqueuing.MOST_TRIGGERED)]
    odd = [("\x00" * 24, 1), ("\ud800", 1), ("B" * 24, 1), (BEHAVIOR, -1), (BEHAVIOR, 10**30)]
    for behaviors, count in (([*odd, (BEHAVIOR, 1)], 1), ([*many, (BEHAVIOR, 1)], 1), (odd, 1)):
        lease = office.service.claim(conversation)
        office.service.conversations.complete(lease, replace(interaction(2), behaviors=tuple(behaviors)))
        assert len(office.deliveries.listed("org_1", rule.id).deliveries) == count


def test_others_may_enqueue(office: Office) -> None:
    """Whoever stores interactions in another way, in the same transaction."""
    rule, conversation = office.rule(None, METRIC), office.service.conversation()
    stored = office.service.history.read("org_1", conversation, user=None).interactions[0].id
    with office.service.database.changing() as connection:
        assert enqueue(connection, "org_1", conversation, stored, (), now=1.0) == 0
        assert enqueue(connection, "org_1", conversation, stored, [(BEHAVIOR, 7)], now=1.0) == 1
    assert (office.only(rule).interaction, office.only(rule).version, office.only(rule).created_at) == (stored, 7, 1.0)


def test_what_was_triggered() -> None:
    """Each selection, in order, and what was in force at the end; once each."""

    def selected(info: Any) -> dict[str, Any]:
        return {"type": "select-dynamic-behavior-completed", "selected_dynamic_behavior_set_version_info": info}

    assert triggered((), None) == triggered((), {}) == triggered((), {"behavior": None}) == ()
    actions = [selected(["a" * 24, 1]), {"type": "tool-call-started"}, selected(None), selected(["b" * 24, 2])]
    assert triggered(actions, None) == (("a" * 24, 1), ("b" * 24, 2))
    assert triggered([*actions, selected(["a" * 24, 1])], {"behavior": ("grief", 2)}) == (
        ("a" * 24, 1), ("b" * 24, 2), (GRIEF, 2),
    )  # fmt: skip
    assert triggered([selected([GRIEF, 2])], {"behavior": ["grief", 2]}) == ((GRIEF, 2),)
    assert triggered([{"type": "select-dynamic-behavior-completed", "bytes_left_out": 70_000}], None) == ()


# Storage -----------------------------------------------------------------------------------------------------------


def test_rules_are_bounded(office: Office) -> None:
    """What cannot be stored, or does nothing, is refused before a database is asked; and so is the 101st."""
    makes: list[tuple[Callable[[], object], str]] = [
        (lambda: NewRule("", BEHAVIOR, metrics=(METRIC,)), "has no name"),
        (lambda: NewRule("x" * 200_001, BEHAVIOR, metrics=(METRIC,)), "name has 200001 characters"),
        (lambda: NewRule("x", "B", metrics=(METRIC,)), "an id is 24"),
        (lambda: NewRule("x", BEHAVIOR, metrics=("x",)), "an id is 24"),
        (lambda: NewRule("x", BEHAVIOR, metrics=(METRIC, METRIC)), "none of them twice"),
        (lambda: NewRule("x", BEHAVIOR, metrics=tuple(new_id() for _ in range(11))), "at most 10 metrics"),
        (lambda: NewRule("x", BEHAVIOR, 0, metrics=(METRIC,)), "write a number from 1"),
        (lambda: NewRule("x", BEHAVIOR), "does nothing; write metric_ids, url, or both"),
        (lambda: NewRule("x", BEHAVIOR, url="https://x/"), "either a URL and its host, or neither"),
    ]
    for make, says in makes:
        with pytest.raises(UsageError, match=says):
            make()
    rules = [office.rule(None, METRIC) for _ in range(100)]
    with pytest.raises(UsageError, match="org_1 has 100 rules, which is the most; delete one first"):
        office.rule(None, METRIC)
    office.rules.delete("org_1", rules[0].id)
    office.rule(None, METRIC)


@pytest.mark.parametrize("id", ["", "\x00", "\ud800", "x" * 100_000, "'", "A" * 24, "0" * 24])
def test_any_text_may_be_asked_for(office: Office, id: str) -> None:
    """What is nobody's id, or no id at all, is not found, in any place of any call; nor is another organization's."""
    rule, user = office.rule(None, METRIC), office.service.user.id
    office.triggered(1)
    delivery = office.only(rule).id
    office.service.accounts.add_organization("org_2")
    stranger = office.service.accounts.add_user("org_2", []).id
    new = NewRule("x", BEHAVIOR, metrics=(METRIC,))
    calls: list[Callable[[], object]] = [
        lambda: office.rules.create("org_1", new, creator=id),
        lambda: office.rules.create("org_1", new, creator=stranger),
        lambda: office.rules.find("org_1", id),
        lambda: office.rules.delete("org_1", id),
        lambda: office.deliveries.listed("org_1", id),
        lambda: office.deliveries.again("org_1", id, delivery),
        lambda: office.deliveries.again("org_1", rule.id, id),
    ]
    for organization in (id, "org_2"):
        calls += [
            lambda name=organization: office.rules.create(name, new, creator=user),  # type: ignore[misc]
            lambda name=organization: office.rules.find(name, rule.id),  # type: ignore[misc]
            lambda name=organization: office.rules.delete(name, rule.id),  # type: ignore[misc]
            lambda name=organization: office.deliveries.listed(name, rule.id),  # type: ignore[misc]
            lambda name=organization: office.deliveries.again(name, rule.id, delivery),  # type: ignore[misc]
        ]
    for call in calls:
        with pytest.raises(NotFoundError):
            call()
    for call in (
        lambda: office.rules.listed("org_1", after=id),
        lambda: office.rules.listed("org_2", after=rule.id),
        lambda: office.deliveries.listed("org_1", rule.id, after=id),
    ):
        with pytest.raises(UsageError, match="continuation_token is none of this list's"):
            call()
    assert office.rules.listed("org_1").rules == (rule,)


@settings(max_examples=20, deadline=None)
@given(gaps=st.lists(st.integers(0, 1), min_size=1, max_size=8), limit=st.integers(1, 4), meanwhile=st.integers(0, 2))
def test_pages_are_the_plain_list(office: Office, gaps: list[int], limit: int, meanwhile: int) -> None:
    """The newest first, none twice and none left out, whether made at the same moment or while somebody pages."""
    for rule in office.rules.listed("org_1", limit=100).rules:
        office.rules.delete("org_1", rule.id)
    rules = []
    for gap in gaps:
        office.hands.at += gap
        rules.append(office.rule(None, METRIC))
    office.hands.at += 1.0
    model = sorted(rules, key=lambda rule: (rule.created_at, rule.id), reverse=True)
    seen: list[str] = []
    while True:
        page = office.rules.listed("org_1", after=seen[-1] if seen else None, limit=limit)
        seen += [rule.id for rule in page.rules]
        if not page.has_more:
            break
        for _ in range(meanwhile):
            office.rule(None, METRIC)
    assert seen == [rule.id for rule in model]


# Migration ---------------------------------------------------------------------------------------------------------


def test_the_schema_before_is_brought_up_to_date(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds stays, and rules can be stored after that."""
    upgrade: Callable[..., object] = command.upgrade
    with monkeypatch.context() as before:
        before.setattr(command, "upgrade", lambda config, _: upgrade(config, "0002"))
        before.setattr(schema, "newest", lambda: "0002")
        Database.migrate(url)
        with closing(Database.open(url)) as database:
            accounts = Accounts(database)
            accounts.add_organization("org_1")
            user = accounts.add_user("org_1", ["Conversation:CreateConversation"])
            lease = Leases(database).reserve("org_1", user.id)
            Conversations(database).create(lease, NewConversation(DESK), interaction(1))
    assert Database.migrate(url) == ("0002", schema.newest())
    with closing(Database.open(url)) as database:
        rule = Rules(database).create("org_1", NewRule("x", BEHAVIOR, metrics=(METRIC,)), creator=user.id)
        assert Rules(database).listed("org_1").rules == (rule,)

"""Conversations and their turns over HTTP: who sees which, in pages, on SQLite and PostgreSQL."""

import contextlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from amigo_sdk.generated.model import ConversationGetConversationsResponse, GetConversationsParametersQuery
from amigo_sdk.sdk_client import AmigoClient
from page_rig import BEHAVIOR, many, stored, turn, varied, wait
from postgres_server import running_server
from service_helpers import SERVICE, NewUrl, Service, interaction, set_up
from service_rig import SERVICE as DESK
from service_rig import Running, a_config, running, signed_in
from service_serving import create, interact
from sqlalchemy import event, text
from stopgap.engine.metrics import facts_of
from stopgap.engine.service.identity import Permission
from stopgap.engine.service.page._turntiming import timing_of
from stopgap.engine.service.storage import (
    Conversations,
    Database,
    Leases,
    Listing,
    NewConversation,
    NewInteraction,
    NotFoundError,
    Wanted,
    new_id,
)
from stopgap.engine.service.storage._tables import CONVERSATIONS, INTERACTIONS
from stopgap.fillers import UsageError

pytest_plugins = ("service_databases",)

LIST = "/conversation/"
OTHER_SERVICE = "6" * 24
ROW = {"turn_id": "t", "conversation_id": "c", "reply_ready_ms": 1500.0, "cancelled_ms": None}


@pytest.fixture(scope="module")
def api(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with running(a_config(folder, new_url(folder))) as found:
        yield found


@pytest.fixture(scope="module")
def http(api: Running) -> Iterator[httpx.Client]:
    with signed_in(api, api.key) as client:
        yield client


@pytest.fixture(scope="module")
def stocked(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, list[str]]]:
    """A database with conversations of two users, many of which began at the same moment; ids, newest first."""
    for service in set_up(new_url(tmp_path_factory.mktemp("stocked"))):
        chance = random.Random(3)
        users = [service.user.id, service.accounts.add_user(service.organization, []).id]
        rows = [
            (float(chance.randrange(9)), new_id(), chance.choice(users), chance.choice((SERVICE, OTHER_SERVICE)), place)
            for place in range(230)
        ]
        fill(service, rows)
        yield service, [id for _, id, *_ in sorted(rows, reverse=True)]


def fill(service: Service, rows: list[tuple[float, str, str, str, int]]) -> None:
    """Store conversations of one interaction each: when it began, id, user, service; every third one is finished."""
    with service.database.changing() as connection:
        connection.execute(
            CONVERSATIONS.insert(),
            [
                {"id": id, "organization_id": service.organization, "user_id": user, "service_id": answers, "tags": {},
                 "created_at": at, "is_test": False, "interaction_count": 1, "finished_at": None if place % 3 else at}
                for at, id, user, answers, place in rows
            ],
        )  # fmt: skip
        connection.execute(
            INTERACTIONS.insert(),
            [
                {"id": new_id(), "conversation_id": id, "number": 1, "started_at": at, "completed_at": at,
                 "user_message_id": None, "user_message": None, "agent_message_id": new_id(), "agent_message": id,
                 "actions": [], "record": None}
                for at, id, *_ in rows
            ],
        )  # fmt: skip


def pages(service: Service, wanted: Wanted | None = None, limit: int = 150, **how: Any) -> list[list[str]]:
    """Return the ids on all pages."""
    found: list[list[str]] = []
    token: int | None = 0
    while token is not None:
        query = {"user": None, **how, "token": token, "limit": limit}
        page = Listing(service.database).conversations(service.organization, wanted or Wanted(), **query)
        found.append([one.conversation.id for one in page.conversations])
        assert all(one.final_message == one.conversation.id for one in page.conversations)
        token = page.next_token
        assert token is None or 0 < token <= 2**53 - 1
    return found


# Storage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 7, 23, 115, 150])
@pytest.mark.parametrize("oldest_first", [False, True])
def test_pages_are_the_plain_list_in_pieces(limit: int, oldest_first: bool, stocked: tuple[Service, list[str]]) -> None:
    """In either order, whatever began at the same moment; all but the last page are full."""
    service, ids = stocked
    found = pages(service, limit=limit, oldest_first=oldest_first)
    assert [id for page in found for id in page] == (ids[::-1] if oldest_first else ids)
    assert all(len(page) == limit for page in found[:-1])
    assert 1 <= len(found[-1]) <= limit


def test_filters_narrow_the_list(stocked: tuple[Service, list[str]]) -> None:
    """By user, service, id and state, alone and together, in pages as well."""
    service, ids = stocked
    with service.database.asking() as connection:
        rows = {row.id: row for row in connection.execute(CONVERSATIONS.select())}
    mine, some = service.user.id, tuple(ids[10:30])
    for wanted, fits in (
        (Wanted(users=(mine,)), lambda row: row.user_id == mine),
        (Wanted(services=(SERVICE,)), lambda row: row.service_id == SERVICE),
        (Wanted(services=(SERVICE, OTHER_SERVICE)), lambda row: True),
        (Wanted(ids=some), lambda row: row.id in some),
        (Wanted(is_finished=True), lambda row: row.finished_at is not None),
        (Wanted(is_finished=False, users=(mine,)), lambda row: row.finished_at is None and row.user_id == mine),
        (Wanted(users=(new_id(),)), lambda row: False),
    ):
        expected = [id for id in ids if fits(rows[id])]
        assert [id for page in pages(service, wanted, limit=13) for id in page] == expected
    own = [id for page in pages(service, limit=13, user=mine) for id in page]
    assert own == [id for id in ids if rows[id].user_id == mine]
    assert pages(service, Wanted(users=(new_id(),)), user=mine) == [[]]


def test_what_is_stored_meanwhile_moves_nothing(service: Service) -> None:
    """Neither twice nor left out: new ones are on a page only if they belong behind the page before."""
    fill(service, [(float(n), new_id(), service.user.id, SERVICE, n) for n in range(10)])
    before = pages(service)[0]
    listing = Listing(service.database)
    first = listing.conversations(service.organization, user=None, limit=4)
    fill(service, [(50.0, new_id(), service.user.id, SERVICE, 1)])
    second = listing.conversations(service.organization, user=None, limit=150, token=first.next_token or 0)
    assert [one.conversation.id for one in (*first.conversations, *second.conversations)] == before


def test_a_token_of_no_page_is_refused(stocked: tuple[Service, list[str]]) -> None:
    """Made up, of another organization, or of another user's conversation."""
    service, _ = stocked
    listing = Listing(service.database)
    token = listing.conversations(service.organization, user=None, limit=1).next_token or 0
    service.accounts.add_organization("org_2")
    stranger = service.accounts.add_user("org_2", []).id
    for organization, user, asked in (
        (service.organization, None, 1), ("org_2", None, token), (service.organization, stranger, token)
    ):  # fmt: skip
        with pytest.raises(UsageError, match=f"continuation_token {asked} is of no page; write the one"):
            listing.conversations(organization, user=user, token=asked)


@pytest.mark.parametrize("limit", [0, 151])
def test_limits_are_checked(limit: int, service: Service) -> None:
    """Of both lists."""
    with pytest.raises(UsageError, match="limit"):
        Listing(service.database).conversations(service.organization, user=None, limit=limit)
    with pytest.raises(UsageError, match="limit"):
        Listing(service.database).turns(service.organization, new_id(), user=None, limit=limit)


def test_no_such_organization_has_no_conversations(service: Service) -> None:
    """Neither one that is not there, nor what no name is."""
    for name in ("nobody", "a\x00b", ""):
        assert Listing(service.database).conversations(name, user=None).conversations == ()


def test_turns_come_in_pages(service: Service) -> None:
    """In order, by number; nobody else's."""
    conversation, listing = service.conversation(interactions=7), Listing(service.database)
    found, after = [], 0
    while True:
        page = listing.turns(service.organization, conversation, user=service.user.id, after=after, limit=3)
        found += [one.number for one in page.interactions]
        if not page.has_more:
            break
        after = page.interactions[-1].number
    assert found == [1, 2, 3, 4, 5, 6, 7]
    for organization, user in (("org_2", None), (service.organization, new_id())):
        with pytest.raises(NotFoundError):
            listing.turns(organization, conversation, user=user)


def test_messages_are_counted(service: Service) -> None:
    """The agent's and the user's; turns that were told without their messages count none."""
    lease = Leases(service.database).reserve(service.organization, service.user.id)
    Conversations(service.database).create(lease, NewConversation(SERVICE), NewInteraction(1.0, "hello"))
    Conversations(service.database).complete(service.claim(lease.conversation), interaction(2))
    Conversations(service.database).complete(service.claim(lease.conversation), NewInteraction(3.0, ""))
    (found,) = Listing(service.database).conversations(service.organization, user=None).conversations
    assert (found.message_count, found.final_message, found.conversation.interaction_count) == (3, "", 3)


def test_an_index_finds_every_page(service: Service) -> None:
    """SQLite's and PostgreSQL's plans of a page far down neither sort nor read what comes before it."""
    fill(service, [(float(n), new_id(), service.user.id, SERVICE, 1) for n in range(3000)])
    with service.database.changing() as connection:
        connection.execute(text("ANALYZE"))
    statements: list[tuple[str, Any]] = []
    listing, engine = Listing(service.database), service.database._engine
    token = listing.conversations(service.organization, user=None, limit=150).next_token or 0
    note = lambda _c, _u, statement, parameters, *_: statements.append((statement, parameters))  # noqa: E731
    event.listen(engine, "before_cursor_execute", note)
    for user in (None, service.user.id):
        listing.conversations(service.organization, user=user, limit=20, token=token)
    event.remove(engine, "before_cursor_execute", note)
    asked = [one for one in statements if "LIMIT" in one[0] and "ORDER BY" in one[0] and "tags" in one[0]]
    assert len(asked) == 2
    explain = "EXPLAIN " if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    for statement, parameters in asked:
        with engine.connect() as connection:
            plan = " ".join(map(str, connection.exec_driver_sql(explain + statement, parameters).all()))
        assert "created_at_id" in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan


# What turns say ----------------------------------------------------------------------------------------------------


def test_timing_is_what_metrics_take() -> None:
    """Of records, number by number; of a trace's row what it tells; of anything else nothing."""
    for record in (*varied(), *many(40)):
        timing, facts = timing_of(record.as_dict()), facts_of(record)
        assert timing is not None
        told = timing.model_dump()
        assert told.pop("assigned") == list(facts.assigned)
        assert told == {name: getattr(facts, name) for name in told}
    row = timing_of(ROW)
    assert row is not None
    assert (row.wait_s, row.longest_dead_air_s) == (1.5, None)
    assert timing_of({"number": 1}) is None


# Over HTTP ---------------------------------------------------------------------------------------------------------


def listed(http: httpx.Client, **query: Any) -> Any:
    answer = http.get(LIST, params=query)
    assert answer.status_code == 200, answer.text
    ConversationGetConversationsResponse.model_validate(answer.json())
    return answer.json()


def test_the_sdk_lists_conversations(api: Running) -> None:
    """The real client's models take every answer, page after page."""
    key = api.another()
    ids = [stored(api, many(2), user=key.user, began_at=1000.0 + n, finished=n > 0) for n in range(5)]
    found, token = [], 0
    with AmigoClient(
        api_key=key.key, api_key_id=key.id, user_id=key.user, organization_id="acme", base_url=api.url, trust_env=False
    ) as client:
        while True:
            asked = GetConversationsParametersQuery.model_validate(
                {"user_id": [key.user], "limit": 2, "continuation_token": token}
            )
            page = client.conversations.get_conversations(asked)
            found += page.conversations
            assert page.has_more == (page.continuation_token is not None)
            if page.continuation_token is None:
                break
            token = page.continuation_token
    assert [one.id for one in found] == ids[::-1]
    assert [one.is_finished for one in found] == [True] * 4 + [False]
    assert {(one.user_id, one.service_id, one.num_messages, one.is_analyzed) for one in found} == {
        (key.user, DESK, 4, False)
    }
    assert found[0].created_at == datetime.fromtimestamp(1004.0, UTC)


def test_an_interaction_is_there_as_it_was(http: httpx.Client) -> None:
    """A real one with a tool: words, ids, actions, and the record with its fillers."""
    conversation = create(http)
    events = interact(http, conversation, "tool=0.9")
    page = http.get(f"{LIST}{conversation}/turn/").json()
    first, second = page["turns"]
    assert (page["conversation_id"], page["num_interactions"], page["has_more"]) == (conversation, 2, False)
    assert [one["message_type"] for one in first["messages"]] == ["agent-message"]
    said, answer = second["messages"]
    assert (said["message"], answer["message"]) == ("tool=0.9", events[-1]["full_message"])
    assert (answer["id"], second["interaction_id"]) == (events[-1]["message_id"], events[-1]["interaction_id"])
    sent = [one["action"]["type"] for one in events if one["type"] == "current-agent-action"]
    assert second["actions"] == sent
    assert second["record"]["sounds"]
    assert second["timing"]["first_sound_s"] == second["record"]["sounds"][0]["start_s"]
    (one,) = listed(http, id=conversation, with_summary=True)["conversations"]
    assert (one["final_message"], one["num_messages"], one["num_interactions"]) == (answer["message"], 3, 2)
    assert one["summary"]["turns"] == 2
    assert one["summary"]["longest_dead_air_s"] == max(t["timing"]["longest_dead_air_s"] for t in page["turns"])


def test_a_summary_tells_behaviours_and_dead_air(api: Running, http: httpx.Client) -> None:
    """Of turns with records of either form; without being asked for there is none."""
    conversation = stored(api, [*varied(), ROW, None])
    (one,) = listed(http, id=conversation, with_summary=True)["conversations"]
    longest = max(facts_of(record).longest_dead_air_s or 0.0 for record in varied())
    assert one["summary"] == {"turns": 7, "longest_dead_air_s": longest, "behaviors": [list(BEHAVIOR)]}
    assert listed(http, id=conversation)["conversations"][0]["summary"] is None
    silent = stored(api, [None])
    assert listed(http, id=silent, with_summary=True)["conversations"][0]["summary"] == {
        "turns": 0, "longest_dead_air_s": None, "behaviors": []
    }  # fmt: skip


def test_only_the_first_of_a_long_page_are_summed_up(api: Running, http: httpx.Client) -> None:
    """Each costs the reading of its records."""
    user = api.another().user
    for n in range(27):
        stored(api, [turn([wait(1.0)])], user=user, began_at=float(n))
    found = listed(http, user_id=user, with_summary=True)["conversations"]
    assert [one["summary"] is not None for one in found] == [True] * 25 + [False] * 2


def test_filters_and_orders_over_http(api: Running, http: httpx.Client) -> None:
    """As parameters, several values by repeating one."""
    user = api.another().user
    ids = [stored(api, many(1), user=user, began_at=float(n), finished=n % 2 == 0) for n in range(4)]
    other = stored(api, many(1), user=user, began_at=9.0, service_id=OTHER_SERVICE)
    everything = [other, *ids[::-1]]

    def found(**query: Any) -> list[str]:
        return [one["id"] for one in listed(http, user_id=user, **query)["conversations"]]

    assert found() == found(sort_by="-created_at") == everything
    assert found(sort_by="+created_at") == everything[::-1]
    assert found(is_finished=True) == [ids[2], ids[0]]
    assert found(service_id=[OTHER_SERVICE, "0" * 24]) == [other]
    assert found(id=[ids[1], other]) == [other, ids[1]]


def test_whose_conversations_are_seen(api: Running) -> None:
    """With the permission to get users' info the organization's, else the own ones; another organization's never."""
    own_only = frozenset(Permission) - {Permission.GET_USER_INFO}
    first, second = api.another(permissions=own_only), api.another(permissions=own_only)
    stranger = api.another("another")
    mine, theirs = (stored(api, many(1), user=key.user) for key in (first, second))
    foreign = stored(api, many(1), organization="another", user=stranger.user)
    for key, organization, seen in (
        (first, "acme", {mine}), (second, "acme", {theirs}), (api.key, "acme", {mine, theirs}),
        (stranger, "another", {foreign}),
    ):  # fmt: skip
        with signed_in(api, key, organization) as client:
            found = {one["id"] for one in listed(client, id=[mine, theirs, foreign])["conversations"]}
            assert found == seen
            for one in (mine, theirs, foreign):
                assert client.get(f"{LIST}{one}/turn/").status_code == (200 if one in seen else 404)
    with signed_in(api, stranger, "another") as client:
        token = client.headers["Authorization"]
    for path in (LIST, f"{LIST}{mine}/turn/"):
        crossed = httpx.get(
            f"{api.url}/v1/acme{path}", headers={"Authorization": token, "X-ORG-ID": "another"}, trust_env=False
        )
        assert crossed.status_code == 403


def test_permissions_decide_what_is_shown(api: Running) -> None:
    """Without messages no words, without insights neither actions nor records; without the first one nothing."""
    conversation = stored(api, varied())

    def asked(*missing: Permission) -> tuple[httpx.Response, httpx.Response]:
        with signed_in(api, api.another(permissions=frozenset(Permission) - set(missing))) as client:
            return client.get(LIST, params={"id": conversation, "with_summary": True}), client.get(
                f"{LIST}{conversation}/turn/"
            )

    for answer in asked(Permission.GET_CONVERSATION):
        assert answer.status_code == 403
        assert answer.json()["message"] == "missing permission Conversation:GetConversation in acme"
    page, turns = asked(Permission.GET_MESSAGE)
    assert page.json()["conversations"][0]["final_message"] == ""
    assert turns.status_code == 403
    page, turns = asked(Permission.GET_INTERACTION_INSIGHTS)
    assert page.json()["conversations"][0]["summary"] is None
    for one in turns.json()["turns"]:
        assert (one["actions"], one["record"], one["timing"]) == (None, None, None)
        assert one["messages"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"limit": 0}, "limit"), ({"limit": 151}, "limit"), ({"user_id": "nobody"}, "user_id"),
        ({"id": "x" * 24}, "id"), ({"continuation_token": -1}, "continuation_token"),
        ({"continuation_token": 2**52 + 1}, "continuation_token"), ({"continuation_token": 5}, "of no page"),
        ({"tag": "a:b"}, "tag"), ({"sort_by": "created_at"}, "sort_by"), ({"is_finished": "perhaps"}, "is_finished"),
        ({"service_id": [f"{n:024x}" for n in range(101)]}, "service_id"),
    ],
)  # fmt: skip
def test_what_is_not_well_formed_is_refused(query: dict[str, Any], named: str, http: httpx.Client) -> None:
    """422, naming it."""
    answer = http.get(LIST, params=query)
    assert answer.status_code == 422
    assert named in answer.json()["message"]


def test_turns_that_are_not_there(http: httpx.Client) -> None:
    """404 for no such conversation, 422 for what is no id or no number."""
    assert http.get(f"{LIST}{'a' * 24}/turn/").status_code == 404
    assert http.get(f"{LIST}nothing/turn/").status_code == 422
    assert http.get(f"{LIST}{'a' * 24}/turn/", params={"limit": 101}).status_code == 422


def test_turns_are_paged_over_http(api: Running, http: httpx.Client) -> None:
    """By number, until there are no more."""
    conversation, found, token = stored(api, many(11)), [], 0
    while True:
        query = {"limit": 4, "continuation_token": token}
        page = http.get(f"{LIST}{conversation}/turn/", params=query).json()
        found += [one["number"] for one in page["turns"]]
        assert page["has_more"] == (page["continuation_token"] is not None)
        if not page["has_more"]:
            break
        token = page["continuation_token"]
    assert found == list(range(1, 12))


def test_nobody_reads_without_signing_in(api: Running) -> None:
    """401, however the token is wrong."""
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        for path in (LIST, f"{LIST}{'a' * 24}/turn/"):
            assert httpx.get(f"{api.url}/v1/acme{path}", headers=headers, trust_env=False).status_code == 401


def test_reading_is_limited(tmp_path: Path, sqlite_url: str) -> None:
    """Both lists together; who asks too often is told when to come back."""
    with (
        running(a_config(tmp_path, sqlite_url, rates={"conversations_read": 3})) as service,
        signed_in(service, service.key) as client,
    ):
        conversation = stored(service, many(1))
        paths = [LIST, f"{LIST}{conversation}/turn/"] * 2
        found = [client.get(path) for path in paths]
        assert [one.status_code for one in found] == [200, 200, 200, 429]
        assert [one.headers["X-RateLimit-Remaining"] for one in found] == ["2", "1", "0", "0"]
        assert int(found[-1].headers["Retry-After"]) >= 1


def test_in_maintenance(tmp_path: Path, sqlite_url: str) -> None:
    """503, like everything else."""
    config = a_config(tmp_path, sqlite_url)
    with running(config) as service, signed_in(service, service.key) as client:
        Path(config.maintenance_file).touch()
        assert client.get(LIST).status_code == 503
        assert client.get(f"{LIST}{'a' * 24}/turn/").status_code == 503


def test_a_database_that_is_gone(tmp_path: Path) -> None:
    """503 until it is back."""
    with (
        running_server() as server,
        running(a_config(tmp_path, server.url)) as service,
        signed_in(service, service.key) as client,
    ):
        conversation = stored(service, many(1))
        paths = (LIST, f"{LIST}{conversation}/turn/")
        server.stop()
        assert [client.get(path).status_code for path in paths] == [503, 503]
        server.start()
        assert [client.get(path).status_code for path in paths] == [200, 200]


def test_reading_while_others_write(api: Running, http: httpx.Client) -> None:
    """Pages are whole while conversations are stored by several at once."""
    user = api.another().user
    before = {stored(api, many(1), user=user, began_at=float(n)) for n in range(6)}

    def write(place: int) -> str:
        return stored(api, many(2), user=api.another().user, began_at=100.0 + place)

    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(write, place) for place in range(6)]
        for _ in range(10):
            assert {one["id"] for one in listed(http, user_id=user, with_summary=True)["conversations"]} == before
        new = {one.result() for one in writing}
    assert new <= {one["id"] for one in listed(http)["conversations"]}


# Migration ---------------------------------------------------------------------------------------------------------


def test_a_listed_database_closes(url: str) -> None:
    """Reading leaves no connection in use."""
    Database.migrate(url)
    with contextlib.closing(Database.open(url)) as database:
        assert Listing(database).conversations("acme", user=None).conversations == ()
        assert Listing(database).records([], last=1) == {}
        assert database._engine.pool.checkedout() == 0  # type: ignore[attr-defined]

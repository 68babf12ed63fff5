"""Turns of agents that run elsewhere: posted, once, all or none, the same on SQLite and PostgreSQL."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx
import pytest
from service_helpers import NewUrl, Service
from service_rig import Running, a_config, running, signed_in
from service_turns import a_record, a_row
from stopgap.engine.metrics import record_of
from stopgap.engine.service.metrics._postedturns import new_turns
from stopgap.engine.service.metrics._turnfacts import stored_facts
from stopgap.engine.service.storage import (
    Database,
    FinishedError,
    FullError,
    History,
    Interaction,
    NewTurn,
    Turns,
    _turns,
    new_id,
)
from stopgap.engine.turns import ROW_COLUMNS
from stopgap.fillers import UsageError

pytest_plugins = ("service_databases",)

URL = "/turn/"


@pytest.fixture(scope="module")
def api(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with running(a_config(folder, new_url(folder))) as found:
        yield found


@pytest.fixture(scope="module")
def http(api: Running) -> Iterator[httpx.Client]:
    with signed_in(api, api.key) as client:
        yield client


def posted(http: httpx.Client, *turns: dict[str, Any], **more: Any) -> Any:
    answer = http.post(URL, json={"turns": turns, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def interactions(service: Service, conversation: str) -> tuple[Interaction, ...]:
    return service.history.read("org_1", conversation, user=service.user.id).interactions


def test_posted_once_however_often(http: httpx.Client) -> None:
    """The second time nothing is new, and the ids are the same: anybody can work them out."""
    session = new_id()
    turns = [a_record(session, 1), a_row(f"{session} too", 1), a_record(session, 2)]
    first = posted(http, *turns)
    assert first == {
        "conversation_ids": [digest(f"stopgap conversation acme {name}") for name in (session, f"{session} too")],
        "interaction_ids": [
            digest(f"stopgap turn acme {name}")
            for name in (f"{session} {session}-1", f"{session} too {session} too-1", f"{session} {session}-2")
        ],
        "new_turns": 3,
    }
    assert posted(http, *turns) == {**first, "new_turns": 0}
    more = posted(http, *turns, a_record(session, 3), a_record(session, 3))
    assert (more["new_turns"], more["interaction_ids"][3]) == (1, more["interaction_ids"][4])


def test_what_becomes_of_a_turn(service: Service) -> None:
    """An interaction without words in a conversation of its own, which is over, and says where it is from."""
    turns, session = Turns(service.database), "call"
    found = turns.post("org_1", new_turns([a_record(session), a_row(session, 2)]), user=service.user.id)
    (id,) = found.conversations
    conversation, (first, second) = (
        (told := service.history.read("org_1", id, user=None)).conversation,
        told.interactions,
    )
    assert (conversation.user, conversation.service, conversation.tags) == (
        service.user.id, "0" * 24, {"posted turns": None},
    )  # fmt: skip
    assert conversation.created_at == conversation.finished_at == service.hands.at
    assert (conversation.interaction_count, conversation.is_test) == (2, False)
    assert (first.number, first.agent_message, first.user_message, first.actions) == (1, "", None, ())
    assert (first.id, first.agent_message_id) == (found.interactions[0],) * 2
    assert (first.started_at, first.completed_at) == (20.0, service.hands.at)
    assert first.record is not None
    assert record_of(first.record) == record_of(a_record(session))
    assert second.record is not None
    assert second.record == a_row(session, 2)
    assert set(second.record) == set(ROW_COLUMNS)
    with pytest.raises(FinishedError):
        service.claim(id)
    facts = stored_facts(turns.of("org_1", id), id)
    assert [(one.id, one.wait_s, one.heard) for one in facts] == [(first.id, 1.0, True), (second.id, 1.0, False)]


def test_nobody_can_go_on_with_it(http: httpx.Client) -> None:
    """409, to interact as to finish."""
    found = posted(http, a_record(new_id()), service_id="5" * 24)
    url = f"/conversation/{found['conversation_ids'][0]}"
    said = http.post(
        f"{url}/interact?request_format=text&response_format=text",
        data={"initial_message_type": "user-message"}, files={"recorded_message": ("message", b"hello")},
    )  # fmt: skip
    assert [said.status_code, http.post(f"{url}/finish/").status_code] == [409, 409]


def test_numbers_go_on(service: Service) -> None:
    """In order of time within a request, whoever posts it; the conversation stays its first poster's."""
    turns, other = Turns(service.database), service.accounts.add_user("org_1", []).id
    (id,) = turns.post(
        "org_1", new_turns([a_record("call", n) for n in (3, 1, 2)]), user=service.user.id, service="a" * 24
    ).conversations  # fmt: skip
    turns.post("org_1", new_turns([a_record("call", n) for n in (2, 5, 4, 1)]), user=other, service="b" * 24)
    found = interactions(service, id)
    assert [(one.number, one.started_at) for one in found] == [(n, 20.0 * n) for n in range(1, 6)]
    conversation = service.history.read("org_1", id, user=service.user.id).conversation
    assert (conversation.service, conversation.interaction_count) == ("a" * 24, 5)


def test_what_is_there_stays_as_it_is(service: Service) -> None:
    """A turn that comes again says nothing new."""
    turns = Turns(service.database)
    (id,) = turns.post("org_1", new_turns([a_record("call")]), user=service.user.id).conversations
    again = turns.post("org_1", new_turns([a_record("call", dead_air_s=9.0)]), user=service.user.id)
    assert again.new == 0
    assert stored_facts(turns.of("org_1", id), id)[0].longest_dead_air_s == 1.0


def test_many_post_the_same_at_once(service: Service) -> None:
    """Each turn is stored once; numbers have no gaps; nobody waits forever, in whatever order turns come."""
    turns = Turns(service.database)
    every = [a_record(f"call{n % 3}", n) for n in range(30)]

    def post(number: int) -> int:
        some = every[number : number + 15]
        order = some if number % 2 else some[::-1]
        return turns.post("org_1", new_turns(order), user=service.user.id).new

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(post, range(16))) == 30
    for name in range(3):
        found = interactions(service, digest(f"stopgap conversation org_1 call{name}"))
        assert [one.number for one in found] == list(range(1, 11))
        assert {one.record["id"] for one in found if one.record} == {f"call{name}-{n}" for n in range(name, 30, 3)}


WRONG: list[tuple[dict[str, Any], str]] = [
    (a_record("s", outcome="waiting"), "turns.1: it is not over yet; post it when it is"),
    (a_record(""), "turns.1: session: write 1 to 200 characters"),
    (a_record("s", id="x" * 201), "turns.1: id: write 1 to 200 characters"),
    (a_record("s", behavior=["x" * 201, 1]), "turns.1: behavior: write 1 to 200 characters"),
    (a_record("s", assigned=[["a", 1], ["", 1]]), "turns.1: assigned: write 1 to 200 characters"),
    (a_record("s", speech_ended_at=-1.0), "turns.1: speech_ended_at: write a number of seconds from 0 to 1e+11"),
    (a_record("s", speech_ended_at=1e12), "turns.1: speech_ended_at: write"),
    (a_record("s", began_s=1e300), "turns.1: it holds what no record does"),
    (a_record("s", waits=[{}]), "turns.1: waits.0.began_s: field required; write a turn as TurnRecord.as_dict"),
    (a_record("s", agent="x" * 40_000), "turns.1: it has more than 32768 characters as JSON"),
    ({}, "turns.1: id: field required"),
    (a_row("s", cancelled_ms=5.0), "turns.1: reply_ready_ms: write either reply_ready_ms or cancelled_ms"),
    (a_row("s", reply_ready_ms=None), "turns.1: reply_ready_ms: write either"),
    (a_row("s", reply_ready_ms="5"), "turns.1: reply_ready_ms: input should be a valid number; write a row as a log"),
    (a_row("s", reply_ready_ms=4e6), "turns.1: reply_ready_ms: input should be less than or equal to 3600000"),
    (a_row("s", started_at=1e12), "turns.1: started_at: input should be"),
    (a_row("s", prompt_tokens=10**5000), "turns.1: it holds a number of thousands of digits"),
    ({"turn_id": "x"}, "turns.1: conversation_id: field required"),
]


@pytest.mark.parametrize(("turn", "says"), WRONG)
def test_all_or_none(turn: dict[str, Any], says: str) -> None:
    """The first turn that is none is named, and what to write instead."""
    with pytest.raises(UsageError) as told:
        new_turns([a_record("s"), turn])
    assert says in str(told.value)
    assert len(str(told.value)) < 300


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"turns": []}, "body.turns"),
        ({"turns": [a_row("s")] * 1001}, "body.turns"),
        ({"turns": ["x"]}, "body.turns.0"),
        ({"turns": {}}, "body.turns"),
        ({}, "body.turns"),
        ({"turns": [a_row("s")], "service_id": "x"}, "body.service_id"),
    ],
)
def test_bodies_that_are_not_well_formed(http: httpx.Client, body: dict[str, Any], says: str) -> None:
    """422 with the field's place."""
    answer = http.post(URL, json=body)
    assert (answer.status_code, says in answer.json()["message"]) == (422, True)


def test_nothing_of_a_refused_request_is_stored(http: httpx.Client) -> None:
    """The turns before the wrong one neither; a body may be larger than others, within bounds."""
    session = new_id()
    answer = http.post(URL, json={"turns": [a_record(session), a_record(session, 2, outcome="waiting")]})
    assert answer.status_code == 422
    large = "x" * 3000
    many = [a_record(session, n, language=large) for n in range(1, 1001)]
    assert posted(http, *many)["new_turns"] == 1000
    answer = http.post(URL, json={"turns": [a_record(session, n, language=large * 2) for n in range(1000)]})
    assert (answer.status_code, "4000000 bytes" in answer.json()["message"]) == (413, True)


def test_a_session_may_be_full(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what would make it too long is stored, of other sessions neither."""
    monkeypatch.setattr(_turns, "MOST_TURNS", 3)
    turns = Turns(service.database)
    (id,) = turns.post("org_1", new_turns([a_row("call", n) for n in (1, 2)]), user=service.user.id).conversations
    for number, others in ((5, []), (4, [a_row("other", 9)])):
        new = [*others, *(a_row("call", n) for n in range(1, number + 1))]
        with pytest.raises(FullError, match="session 'call' has more than 3 turns; give the rest"):
            turns.post("org_1", new_turns(new), user=service.user.id)
    turns.post("org_1", new_turns([a_row("call", n) for n in (1, 2, 3)]), user=service.user.id)
    assert len(interactions(service, id)) == 3
    with service.database.asking() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM conversations").scalar() == 1


def test_turns_that_cannot_be_told_apart(service: Service) -> None:
    """A space may be the name's or stand between names: neither turn hides the other."""
    turns = Turns(service.database)
    one, other = NewTurn("a b", "c", 1.0, {}), NewTurn("a", "b c", 1.0, {})
    assert one.ids("org_1")[1] == other.ids("org_1")[1]
    posts: list[Callable[[], object]] = [
        lambda: turns.post("org_1", [one, other], user=service.user.id),
        lambda: turns.post("org_1", [other], user=service.user.id),
    ]
    with pytest.raises(UsageError, match="'b c' of session 'a' cannot be told from"):
        posts[0]()
    turns.post("org_1", [one], user=service.user.id)
    with pytest.raises(UsageError, match="'b c' of session 'a' cannot be told from"):
        posts[1]()


def test_characters_that_no_database_takes(http: httpx.Client, api: Running) -> None:
    """They become U+FFFD."""
    session = new_id()
    found = posted(http, a_record(f"{session}\x00", agent="a\x00"), a_row(f"{session}\x00\x00", tool="\x00"))
    database = Database.open(api.config.database)
    try:
        told = [History(database).read("acme", id, user=None).interactions[0] for id in found["conversation_ids"]]
    finally:
        database.close()
    assert [one.record[name] for one, name in zip(told, ("agent", "tool"), strict=True) if one.record] == [
        "a\ufffd", "\ufffd",
    ]  # fmt: skip


def test_turns_are_in_order_of_time(service: Service) -> None:
    """Whatever order they were posted in."""
    turns = Turns(service.database)
    for number in (3, 1, 2):
        (id,) = turns.post("org_1", new_turns([a_row("call", number)]), user=service.user.id).conversations
    found = turns.of("org_1", id)
    assert all(one.started_at < other.started_at for one, other in pairwise(found))
    assert [one.number for one in interactions(service, id)] == [1, 2, 3]

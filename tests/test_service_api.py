"""The conversation service over HTTP on loopback, driven by the API's own SDK where that can do it."""

import base64
import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from amigo_sdk import AmigoClient
from amigo_sdk.errors import AuthenticationError, BadRequestError, ConflictError, NotFoundError
from amigo_sdk.generated.model import (
    ConversationCreateConversationRequest,
    CreateConversationParametersQuery,
    InteractWithConversationParametersQuery,
)
from postgres_server import running_server
from service_helpers import NewUrl
from service_rig import SERVICE, Running, a_config, running
from stopgap.engine.service.identity import IssuedKey, Permission
from stopgap.engine.service.storage import Database, History

pytest_plugins = ("service_databases",)


@pytest.fixture(scope="module")
def service(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with running(a_config(folder, new_url(folder))) as found:
        yield found


@pytest.fixture
def client(service: Running) -> Iterator[AmigoClient]:
    with sdk(service, service.another()) as client:
        yield client


def sdk(service: Running, key: IssuedKey, organization: str = "acme") -> AmigoClient:
    return AmigoClient(
        api_key=key.key, api_key_id=key.id, user_id=key.user, organization_id=organization, base_url=service.url
    )


def create(client: AmigoClient, message: str | None = None, **changes: Any) -> list[Any]:
    """Return the events of a new conversation."""
    body = ConversationCreateConversationRequest.model_validate(
        {"service_id": SERVICE, "initial_message": message, **changes}
    )
    query = CreateConversationParametersQuery.model_validate({"response_format": "text"})
    return [event.root for event in client.conversations.create_conversation(body, query)]


def interact(client: AmigoClient, conversation: str, message: str = "hello", **query: Any) -> list[Any]:
    """Return the events of an interaction, actions unwrapped."""
    parameters = InteractWithConversationParametersQuery.model_validate(
        {"request_format": "text", "response_format": "text", **query}
    )
    sent = client.conversations.interact_with_conversation(conversation, parameters, text_message=message)
    return [unwrapped(event) for event in sent]


def unwrapped(event: Any) -> Any:
    """Return what is inside of the SDK's nests."""
    while hasattr(event, "root") or hasattr(event, "action"):
        event = event.root if hasattr(event, "root") else event.action
    return event


def types(events: list[Any]) -> list[str]:
    return [event.type for event in events]


def conversation_of(events: list[Any]) -> str:
    return str(events[0].conversation_id)


class Bare:
    """Requests that the SDK would not send."""

    def __init__(self, service: Running, key: IssuedKey, organization: str = "acme") -> None:
        self.key = key
        self.http = httpx.Client(base_url=f"{service.url}/v1/{organization}", trust_env=False)
        headers = {"x-api-key": key.key, "x-api-key-id": key.id, "x-user-id": key.user}
        self.token = self.http.post("/user/signin_with_api_key", headers=headers).raise_for_status().json()["id_token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def interact(self, conversation: str, text: str = "hello", **changes: Any) -> httpx.Response:
        query = {"request_format": "text", "response_format": "text", **changes.pop("params", {})}
        form = {"initial_message_type": "user-message", **changes.pop("data", {})}
        files = changes.pop("files", {"recorded_message": ("message.txt", text.encode(), "text/plain")})
        url = f"/conversation/{conversation}/interact"
        return self.http.post(url, params=query, data=form, files=files, **changes)


@pytest.fixture
def sign_in() -> Iterator[Callable[..., Bare]]:
    """What signs in without the SDK: ``sign_in(service, key, organization)``."""
    with contextlib.ExitStack() as stack:

        def opened(service: Running, key: IssuedKey, organization: str = "acme") -> Bare:
            bare = Bare(service, key, organization)
            stack.callback(bare.http.close)
            return bare

        yield opened


@pytest.fixture
def bare(service: Running, sign_in: Callable[..., Bare]) -> Bare:
    return sign_in(service, service.another())


def stored(service: Running, conversation: str, organization: str = "acme") -> Any:
    database = Database.open(service.config.database)
    try:
        return History(database).read(organization, conversation, user=None)
    finally:
        database.close()


# The SDK ---------------------------------------------------------------------------------------------------------


def test_a_conversation_from_its_beginning_to_its_end(service: Running, client: AmigoClient) -> None:
    """Created, answered with what was said before, finished: as the SDK does it, and as it is stored."""
    events = create(client, "good morning")
    assert types(events) == ["conversation-created", "new-message", "new-message", "interaction-complete"]
    conversation = conversation_of(events)
    events = interact(client, conversation, "and again")
    assert types(events) == ["user-message-available", "new-message", "new-message", "interaction-complete"]
    assert events[-1].full_message == "You have said 1 things before."
    client.conversations.finish_conversation(conversation)
    with pytest.raises(ConflictError):
        client.conversations.finish_conversation(conversation)
    with pytest.raises(ConflictError):
        interact(client, conversation)
    found = stored(service, conversation)
    assert [i.user_message for i in found.interactions] == ["good morning", "and again"]
    assert found.interactions[1].id == events[-1].interaction_id
    assert found.interactions[1].record["outcome"] == "replied"
    assert found.conversation.finished_at is not None


def test_fillers_come_while_a_tool_is_slow(service: Running, client: AmigoClient) -> None:
    """The tool's own line, at its threshold, in a form that the SDK accepts, and in what is stored."""
    conversation = conversation_of(create(client))
    events = interact(client, conversation, "tool=1.2")
    assert types(events)[:4] == ["user-message-available", "tool-call-started", "action-too-long", "tool-call-ended"]
    assert events[2].filler == "Looking that up."
    assert events[2].previously_started_event["tool_id"] == "lookup"
    (sound,) = stored(service, conversation).interactions[1].record["sounds"]
    assert sound["text"] == "Looking"  # what was heard of it until the answer came
    client.conversations.finish_conversation(conversation)


def test_voice_goes_in_and_out(client: AmigoClient) -> None:
    """A WAV is heard by the agent; the answer is PCM at 16 kHz; a filler is a WAV."""
    conversation = conversation_of(create(client))
    file = io.BytesIO()
    soundfile.write(file, np.zeros(32_000, np.float32), 16_000, format="WAV")
    query = InteractWithConversationParametersQuery.model_validate(
        {"request_format": "voice", "response_format": "voice"}
    )
    events = [
        unwrapped(event)
        for event in client.conversations.interact_with_conversation(
            conversation, query, audio_bytes=file.getvalue(), audio_content_type="audio/wav"
        )
    ]
    assert events[0].user_message == "2.0 s of speech"
    pcm = b"".join(base64.b64decode(event.message) for event in events if event.type == "new-message")
    assert len(pcm) == pytest.approx(2 * 1600, abs=4)
    events = interact(client, conversation, "wait=1.0", response_format="voice")
    (filler,) = [event.filler for event in events if event.type == "action-too-long"]
    assert base64.b64decode(filler)[8:12] == b"WAVE"
    client.conversations.finish_conversation(conversation)


def test_an_agent_may_end_the_conversation(service: Running, client: AmigoClient) -> None:
    """Then nothing has to be finished."""
    conversation = conversation_of(create(client))
    assert interact(client, conversation, "end")[-1].conversation_completed
    assert stored(service, conversation).conversation.finished_at is not None


def test_a_failed_interaction_leaves_nothing(service: Running, client: AmigoClient) -> None:
    """An error event instead of completion: not stored, and the conversation goes on; nor is a creation that fails."""
    events = create(client, "fail")
    assert types(events) == ["conversation-created", "error"]
    with pytest.raises(NotFoundError):
        interact(client, conversation_of(events))
    conversation = conversation_of(create(client))
    assert types(interact(client, conversation, "fail")) == ["user-message-available", "error"]
    assert types(interact(client, conversation))[-1] == "interaction-complete"
    assert len(stored(service, conversation).interactions) == 2


def test_wrong_keys_do_not_sign_in(service: Running) -> None:
    """Nor does the right key of another user."""
    mine, other = service.another(), service.another()
    for key in (IssuedKey(mine.id, mine.user, "wrong"), IssuedKey(other.id, mine.user, other.key)):
        with sdk(service, key) as client, pytest.raises(AuthenticationError):
            create(client)


def test_one_conversation_at_a_time(client: AmigoClient) -> None:
    """Another one is refused until the first is finished."""
    conversation = conversation_of(create(client))
    with pytest.raises(BadRequestError):
        create(client)
    client.conversations.finish_conversation(conversation)
    create(client)


# Everything else ---------------------------------------------------------------------------------------------------


def test_basic_credentials_are_the_token(service: Running, bare: Bare) -> None:
    """User name {org}_{user}, the token as password; another user's name, or another issuer, does not do."""
    del bare.http.headers["Authorization"]
    body = {"service_id": SERVICE}

    def status(user: str, **headers: str) -> int:
        auth = httpx.BasicAuth(f"acme_{user}", bare.token)
        url = "/conversation/?response_format=text"
        return bare.http.post(url, json=body, auth=auth, headers={"x-mongo-cluster-name": "x", **headers}).status_code

    assert status("0" * 24) == 401
    assert status(bare.key.user, **{"X-ORG-ID": "other"}) == 401
    assert status(bare.key.user, **{"X-ORG-ID": "acme"}) == 201


def test_organizations_see_nothing_of_each_other(service: Running, bare: Bare, sign_in: Callable[..., Bare]) -> None:
    """Neither by their own address nor by the other's, nor do users of one organization write to each other's."""
    url = "/conversation/?response_format=text"
    created = bare.http.post(url, json={"service_id": SERVICE})
    conversation = created.text.split('"conversation_id":"')[1][:24]
    stranger = sign_in(service, service.another("other"), "other")
    neighbour = sign_in(service, service.another())
    assert stranger.interact(conversation).status_code == 404
    assert stranger.http.post(f"/conversation/{conversation}/finish/").status_code == 404
    assert neighbour.interact(conversation).status_code == 404
    stranger.http.base_url = httpx.URL(f"{service.url}/v1/acme")
    assert stranger.interact(conversation).status_code == 403


def test_permissions_are_needed(service: Running, sign_in: Callable[..., Bare]) -> None:
    """Each endpoint names the one that is missing; without insights no action is sent, fillers included."""
    key = service.another(permissions=frozenset({Permission.CREATE_CONVERSATION}))
    limited = sign_in(service, key)
    url = "/conversation/?response_format=text"
    created = limited.http.post(url, json={"service_id": SERVICE, "initial_message": "tool=0.8"})
    assert "tool-call" not in created.text
    assert "action-too-long" not in created.text
    conversation = created.text.split('"conversation_id":"')[1][:24]
    refused = limited.interact(conversation)
    assert refused.status_code == 403
    assert "Conversation:InteractWithConversation" in refused.json()["message"]


def test_actions_are_filtered(client: AmigoClient) -> None:
    """A regular expression chooses; ^$ hides fillers, too."""
    conversation = conversation_of(create(client))
    assert types(interact(client, conversation, "tool=0.8", current_agent_action_type="^$")) == [
        "user-message-available", "new-message", "new-message", "interaction-complete",
    ]  # fmt: skip
    events = interact(client, conversation, "tool=0.8", current_agent_action_type="ended$")
    assert types(events)[1] == "tool-call-ended"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"params": {"request_format": "text", "response_format": "smell"}}, 422),
        ({"params": {"current_agent_action_type": "("}}, 422),
        ({"files": {"recorded_message": ("m.txt", b"  ", "text/plain")}}, 400),
        ({"files": {"recorded_message": ("m.txt", b"\xff", "text/plain")}}, 422),
        ({"data": {"initial_message_type": "skip"}}, 422),
        ({"data": {"external_event_message_content": "x", "external_event_message_timestamp": "tomorrow"}}, 422),
        (
            {"data": {"external_event_message_content": "x", "external_event_message_timestamp": "2999-01-01T00:00Z"}},
            400,
        ),
        ({"params": {"request_format": "voice"}}, 415),
        ({"params": {"request_format": "voice", "request_audio_config": "{}"}}, 422),
        ({"files": {"recorded_message": ("m.txt", b"x" * 10_100_000, "text/plain")}}, 413),
    ],
)
def test_bad_requests_are_told_what_is_wrong(bare: Bare, changes: dict[str, Any], status: int) -> None:
    """One sentence; and the conversation is free for the next request."""
    url = "/conversation/?response_format=text"
    created = bare.http.post(url, json={"service_id": SERVICE})
    conversation = created.text.split('"conversation_id":"')[1][:24]
    answer = bare.interact(conversation, **changes)
    assert answer.status_code == status
    assert answer.json()["message"]
    assert bare.interact(conversation).text.count("interaction-complete") == 1


def test_a_conversation_answers_one_at_a_time(bare: Bare) -> None:
    """A second request while the first is answered is refused with 409."""
    created = bare.http.post("/conversation/?response_format=text", json={"service_id": SERVICE})
    conversation = created.text.split('"conversation_id":"')[1][:24]
    url = f"/conversation/{conversation}/interact?request_format=text&response_format=text"
    form = {"initial_message_type": "user-message"}
    files = {"recorded_message": ("m.txt", b"wait=1.0", "text/plain")}
    with bare.http.stream("POST", url, data=form, files=files) as first:
        lines = first.iter_lines()
        assert "user-message-available" in next(lines)
        assert bare.interact(conversation).status_code == 409
        assert "interaction-complete" in list(lines)[-1]
    assert bare.interact(conversation).status_code == 200


def test_a_client_that_hangs_up_stops_its_agent(service: Running, bare: Bare) -> None:
    """The agent is cancelled, nothing is stored, and the conversation is free at once rather than after the agent."""
    created = bare.http.post("/conversation/?response_format=text", json={"service_id": SERVICE})
    conversation = created.text.split('"conversation_id":"')[1][:24]
    url = f"/conversation/{conversation}/interact?request_format=text&response_format=text"
    form = {"initial_message_type": "user-message"}
    files = {"recorded_message": ("m.txt", b"wait=600", "text/plain")}
    with bare.http.stream("POST", url, data=form, files=files) as first:
        next(first.iter_lines())
    freed = threading.Event()
    for _ in range(200):
        if bare.interact(conversation).status_code == 200:
            freed.set()
            break
        time.sleep(0.02)
    assert freed.is_set()
    assert [i.user_message for i in stored(service, conversation).interactions] == [None, "hello"]


def test_a_database_that_is_gone(tmp_path: Path, sign_in: Callable[..., Bare]) -> None:
    """503, also at the end of an answer that was under way; once it is back, so is the service."""
    with running_server() as server, running(a_config(tmp_path, server.url)) as service:
        bare = sign_in(service, service.key)
        path = "/conversation/?response_format=text"
        body = {"service_id": SERVICE, "initial_message": f"until={tmp_path / 'gone'}"}
        with bare.http.stream("POST", path, json=body) as under_way:
            lines = under_way.iter_lines()
            assert "conversation-created" in next(lines)
            server.stop()
            (tmp_path / "gone").touch()
            last = list(lines)[-1]
        assert '"type":"error"' in last
        assert '"http_error_code":503' in last
        assert httpx.get(f"{service.url}/healthz", trust_env=False).status_code == 204
        assert httpx.get(f"{service.url}/readyz", trust_env=False).status_code == 503
        refused = bare.http.post(path, json={"service_id": SERVICE})
        assert (refused.status_code, refused.json()["message"]) == (
            503,
            "the database does not answer; try again later",
        )
        server.start()
        assert httpx.get(f"{service.url}/readyz", trust_env=False).status_code == 204
        other = sign_in(service, service.another())  # what was under way is held for a minute
        assert other.http.post(path, json={"service_id": SERVICE}).text.count("interaction-complete") == 1


def test_too_many_requests_are_told_when_to_come_back(url: str, tmp_path: Path, sign_in: Callable[..., Bare]) -> None:
    """429 with the headers that the SDK reads; each endpoint counts apart, sign-ins too; successes have headers."""
    rates = {"create": 1, "finish": 1, "interact": 1, "sign_in": 2}
    with running(a_config(tmp_path, url, rates=rates)) as service:
        bare = sign_in(service, service.key)
        path = "/conversation/?response_format=text"
        created = bare.http.post(path, json={"service_id": SERVICE})
        assert created.headers["X-RateLimit-Remaining"] == "0"
        again = bare.http.post(path, json={"service_id": SERVICE})
        assert again.status_code == 429
        assert 1 <= int(again.headers["Retry-After"]) <= 60

        headers = {"x-api-key": service.key.key, "x-api-key-id": service.key.id, "x-user-id": service.key.user}
        signed_in = [bare.http.post("/user/signin_with_api_key", headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in signed_in] == [200, 429]  # the first of two was the fixture's
        assert signed_in[0].headers["X-RateLimit-Limit"] == "2"
        assert signed_in[0].headers["X-RateLimit-Remaining"] == "0"
        other = sign_in(service, service.another())  # another user at the same address has sign-ins of their own
        assert other.http.post(path, json={"service_id": SERVICE}).status_code == 201

        conversation = created.text.split('"conversation_id":"')[1][:24]
        assert bare.interact(conversation).headers["X-RateLimit-Limit"] == "1"
        assert bare.interact(conversation).status_code == 429
        finished = bare.http.post(f"/conversation/{conversation}/finish/")
        assert finished.status_code == 204
        assert finished.headers["X-RateLimit-Remaining"] == "0"


def test_maintenance_and_health(url: str, tmp_path: Path, sign_in: Callable[..., Bare]) -> None:
    """While the file exists everything answers 503; the process is healthy, but not ready."""
    config = a_config(tmp_path, url)
    with running(config) as service:
        bare = sign_in(service, service.key)
        assert httpx.get(f"{service.url}/readyz", trust_env=False).status_code == 204
        Path(config.maintenance_file).touch()
        assert bare.http.post("/conversation/?response_format=text", json={}).status_code == 503
        assert httpx.get(f"{service.url}/healthz", trust_env=False).status_code == 204
        assert httpx.get(f"{service.url}/readyz", trust_env=False).status_code == 503

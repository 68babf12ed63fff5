"""Behaviours that name phrases while packs change: in a plain manager, and stored sets of a running service."""

import base64
import io
import json
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from service_rig import ORGANIZATION, SERVICE, Running, a_config, serving_at, signed_in
from stopgap.engine import FillerManager, Session, VirtualClock
from stopgap.engine.outputs import MemoryOutput
from stopgap.engine.service._agents import AgentRequest, Answer
from stopgap.engine.service._app import create_app
from stopgap.engine.service._runtime import Runtime
from stopgap.engine.service.identity import KeyChecker, Permission, create_secret, issue_key
from stopgap.engine.service.storage import Accounts, BehaviorVersions, Database, NewBehavior, NewSet
from stopgap.fillers import Behavior, Behaviors, ConfigError

RATE = 16_000
URL = "/dynamic_behavior_set/"
TEXTS = {"moment": "One moment", "bear": "Bear with me", "hold": "Hold on", "look": "Let me look"}
AFTER_MS = 300


def write_pack(folder: Path, *names: str, level: float = 0.2, **texts: str) -> Path:
    """Write a pack of phrases, tones of *level*; *texts* differ from `TEXTS`."""
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "tone.wav", level * np.sin(0.1 * np.arange(4000)) * np.hanning(4000), RATE)
    clips = [
        f'[[clips]]\nid = "{name}"\nfile = "tone.wav"\nkind = "phrase"\ntext = "{texts.get(name, TEXTS[name])}"\n'
        for name in names
    ]
    head = 'format = 1\nname = "mine"\nlanguage = "en"\nlicence = "mine"\n'
    (folder / "pack.toml").write_text(head + "".join(clips), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pack(tmp_path / "mine", "moment", "bear")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def manager_of(folder: Path, clock: VirtualClock, phrases: tuple[str, ...] = (), **settings: Any) -> FillerManager:
    """Return a manager whose behaviour ``asked`` is triggered by "please" and says only *phrases*, if there are any."""
    rule: dict[str, Any] = {"triggers": ["please"], "fillers": {"phrases": phrases}}
    config = {
        "mode": "ladder", "seed": 1, "packs": [str(folder)], "behaviors": {"asked": rule} if phrases else {},
        "ladder": [{"after_ms": AFTER_MS, "kind": "phrase"}],
        "limits": {"per_minute": "unlimited", "per_conversation": "unlimited"}, **settings,
    }  # fmt: skip
    return FillerManager.from_config(config, clock=clock)


def said(session: Session, clock: VirtualClock, behaviors: Behaviors | None = None) -> str | None:
    """Return what is said in a turn in which the user said "please"; None: nothing."""
    turn = session.begin(user_said="please", behaviors=behaviors)
    clock.advance(1.0)
    turn.cancel()
    clock.advance(1.0)
    return next((sound.clip for sound in turn.record.sounds), None)


def naming(*phrases: str, **fillers: Any) -> Behaviors:
    """Return a behaviour that is not the configuration's, triggered by "please"."""
    rule = {"triggers": ("please",), "fillers": {"phrases": phrases, **fillers}}
    return Behaviors({"stored": Behavior.model_validate(rule)})


def test_the_configurations_phrases_hold_and_new_recordings_are_played(folder: Path, clock: VirtualClock) -> None:
    """A reload without a phrase that a behaviour of the configuration names is refused, and the turn says it still; one
    with another recording is heard in the next turn, and so is a further clip that says the same."""
    output = MemoryOutput(RATE)
    with manager_of(folder, clock, ("One moment",)) as manager, manager.session(output) as session:
        assert said(session, clock) == "moment"
        write_pack(folder, "bear")
        with pytest.raises(ConfigError, match=r"behaviors\.asked\.fillers\.phrases\[0\] = 'One moment' is the text or"):
            manager.reload_packs()
        assert said(session, clock) == "moment"
        before = len(output.samples)
        assert np.abs(output.samples).max() == pytest.approx(0.2, abs=0.01)
        write_pack(folder, "moment", "bear", level=0.4)
        assert manager.reload_packs()
        assert said(session, clock) == "moment"
        assert np.abs(output.samples[before:]).max() == pytest.approx(0.4, abs=0.01)
        write_pack(folder, "moment", "bear", "hold", hold="One moment")
        assert manager.reload_packs()
        assert {said(session, clock) for _ in range(2)} == {"moment", "hold"}


@pytest.mark.parametrize("mode", ["ladder", "predictive"])
def test_phrases_come_and_go(mode: str, folder: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """A phrase that no clip has is as if it were not named, with one warning until it was there again; where none is
    left, agent and tool decide; one that a reload adds is said in the next turn."""
    asked = naming("One moment", "Hold on")
    with manager_of(folder, clock, mode=mode) as manager, manager.session(MemoryOutput(RATE)) as session:
        assert {said(session, clock, asked) for _ in range(3)} == {"moment"}
        write_pack(folder, "hold", "bear")
        assert manager.reload_packs()
        assert {said(session, clock, asked) for _ in range(3)} == {"hold"}
        write_pack(folder, "bear", "look")
        assert manager.reload_packs()
        assert {said(session, clock, asked) for _ in range(4)} == {"bear", "look"}
        assert [message.partition(", which")[0] for message in caplog.messages] == [
            f"version 1 of behavior stored names the phrase {phrase!r}"
            for phrase in ("Hold on", "One moment", "Hold on")
        ]


def test_a_tools_phrases_stand_in_at_the_time_that_the_behaviour_says(folder: Path, clock: VirtualClock) -> None:
    """What is gone leaves the rest of what the behaviour says: a line of the tool's, when the behaviour wants one."""
    tools = {"lookup": {"phrases": ["Bear with me"], "after_s": 2.0}}
    with manager_of(folder, clock, tools=tools) as manager, manager.session(MemoryOutput(RATE)) as session:
        turn = session.begin(user_said="please", behaviors=naming("Hold on", after_s=0.5))
        turn.milestone("tool_started", tool="lookup")
        clock.advance(1.0)
        assert [(sound.clip, round(sound.start_s, 2)) for sound in turn.record.sounds] == [("bear", 0.5)]


@dataclass
class Desk:
    """A running service, whose pack a test changes."""

    folder: Path
    runtime: Runtime
    running: Running
    http: httpx.Client

    def reload(self, *names: str, level: float = 0.2) -> None:
        write_pack(self.folder, *names, level=level)
        assert self.runtime.manager.reload_packs()

    def post_set(self, *phrases: str) -> httpx.Response:
        """Ask for a set that is triggered by "please" and says only *phrases*."""
        version = {
            "is_active": True, "conversation_triggers": ["please"], "actions": [], "fillers": {"phrases": phrases},
        }  # fmt: skip
        body = {"name": "x", "tags": {}, "applied_to_services": [SERVICE], "initial_version": version}
        return self.http.post(URL, json=body)

    def said(self, text: str = "please wait=0.5", response_format: str = "text") -> str:
        """Begin a conversation with *text*, finish it, and return its one filler as it was sent."""
        body = {"service_id": SERVICE, "initial_message": text, "initial_message_type": "user-message"}
        with self.http.stream(
            "POST", "/conversation/", params={"response_format": response_format}, json=body
        ) as answer:
            events = [json.loads(line) for line in answer.iter_lines()]
        assert events[-1]["type"] == "interaction-complete", events
        self.http.post(f"/conversation/{events[0]['conversation_id']}/finish/").raise_for_status()
        actions = [event["action"] for event in events if event["type"] == "current-agent-action"]
        (filler,) = [action["filler"] for action in actions if action["type"] == "action-too-long"]
        return str(filler)


@pytest.fixture
def desk(folder: Path, tmp_path: Path) -> Iterator[Desk]:
    """A service with a database of its own, on loopback."""
    config = a_config(tmp_path, services={"desk": {"id": SERVICE, "agent": "service_rig:agent", "voice": True}})
    (tmp_path / "stopgap.toml").write_text(
        f'mode = "ladder"\nseed = 1\npacks = ["{folder}"]\n[[ladder]]\nafter_ms = {AFTER_MS}\nkind = "phrase"\n',
        encoding="utf-8",
    )
    Database.migrate(config.database)
    create_secret(Path(config.secret_file or ""))
    runtime = Runtime.open(config)
    accounts = Accounts(runtime.database)
    accounts.add_organization(ORGANIZATION)
    user = accounts.add_user(ORGANIZATION, frozenset(Permission))
    key = issue_key(accounts, KeyChecker(), ORGANIZATION, user.id)
    with serving_at(create_app(config, runtime)) as url:
        running = Running(url, config, user.id, key)
        with signed_in(running, key) as http:
            yield Desk(folder, runtime, running, http)


def test_a_stored_sets_phrase_goes(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The other phrases of the set are said, then, where none is left, any; the answer comes; each phrase is warned of
    once, with the set; and nobody can name it any more."""
    found = desk.post_set("Bear with me", "One moment").json()["dynamic_behavior_set_id"]
    desk.reload("moment", "hold", "look")
    assert {desk.said() for _ in range(3)} == {"One moment"}
    desk.reload("hold")
    assert {desk.said() for _ in range(2)} == {"Hold on"}
    assert [message.partition(", which")[0] for message in caplog.messages] == [
        f"version 1 of behavior {found} names the phrase {phrase!r}" for phrase in ("Bear with me", "One moment")
    ]
    refused = desk.post_set("Bear with me")
    assert refused.status_code == 422
    assert "fillers.phrases[0] = 'Bear with me' is the text or id of no clip" in refused.json()["message"]


def test_a_stored_sets_phrase_comes(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A set that another process took, whose pack is newer, is in force without the phrase, and says it as soon as this
    process has it; then it can be named here, too."""
    assert desk.post_set("Hold on").status_code == 422
    new = NewBehavior(("please",), (), {"fillers": {"phrases": ["Hold on"]}})
    versions = BehaviorVersions(desk.runtime.database)
    versions.create(ORGANIZATION, NewSet("x", (SERVICE,)), new, creator=desk.running.user)
    assert desk.said() in ("One moment", "Bear with me")
    assert len(caplog.messages) == 1
    desk.reload("moment", "bear", "hold")
    assert {desk.said() for _ in range(3)} == {"Hold on"}
    assert desk.post_set("Hold on").status_code == 201


def test_a_stored_sets_phrase_is_recorded_anew(desk: Desk) -> None:
    """The very next interaction carries the new recording."""
    desk.post_set("One moment").raise_for_status()

    def level() -> float:
        samples, _ = soundfile.read(io.BytesIO(base64.b64decode(desk.said(response_format="voice"))))
        return float(np.abs(samples).max())

    assert level() == pytest.approx(0.2, abs=0.01)
    desk.reload("moment", "bear", level=0.4)
    assert level() == pytest.approx(0.4, abs=0.01)


def test_a_clip_that_is_about_to_be_said_goes(desk: Desk) -> None:
    """What was planned before a reload is said, and the answer comes, though the packs have no such clip any more: also
    where it came with a reload itself, and nothing was said since."""
    service = desk.runtime.services[SERVICE]

    async def agent(request: AgentRequest) -> AsyncGenerator[Answer, None]:
        desk.reload("look")
        async for answer in service.agent(request):
            yield answer

    desk.reload("hold")
    desk.runtime.services[SERVICE] = replace(service, agent=agent)
    assert desk.said() == "Hold on"

"""The tuner: what it answers, whom it refuses, and the page in a real browser."""

import http.client
import io
import json
import socket
import threading
import tomllib
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from stopgap.benchmarks import TraceTurn, read_trace
from stopgap.benchmarks.tuner import MOST_TURNS, Tuned, Workbench, bound, server_of, tuner_app
from stopgap.cli import main
from stopgap.cli._toml import as_toml
from stopgap.cli.tune._tuner import SavedFile
from stopgap.fillers import Config, ConfigError, Kind, UsageError, load_config

LADDER = {"mode": "ladder", "ladder": [{"after_ms": 450, "kind": "hesitation"}]}


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Tuner:
    """A tuner that is being served."""

    port: int
    file: Path
    turns: list[TraceTurn]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send a request; underscores in the names of *headers* stand for hyphens."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = link.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            link.close()

    def post(self, path: str, **data: object) -> Answer:
        return self.ask("POST", path, json.dumps(data).encode(), Content_Type="application/json")


@pytest.fixture(scope="module")
def tuner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuner]:
    """A tuner over a stretch of measured turns, served on a free port until the last test of this file."""
    turns = read_trace("voice_mixed_dev")[:160]
    file = tmp_path_factory.mktemp("tuner") / "stopgap.tuned.toml"
    app = tuner_app(Workbench("a trace", turns, Tuned({})), SavedFile(file))
    server = server_of(app)
    with bound(0) as listening:  # requests queue from here on: nothing has to wait for the server
        port: int = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield Tuner(port, file, turns)
        server.should_exit = True
        thread.join()


def test_the_overview_tells_all_turns_and_waits(tuner: Tuner) -> None:
    """Every turn is there, and every wait is in the histogram of its agent."""
    data = tuner.ask("GET", "/api/overview").data
    assert [turn["id"] for turn in data["turns"]] == [turn.turn_id for turn in tuner.turns]
    agents = [context for context in data["contexts"] if context["tool"] is None]
    assert sum(context["replies"] + context["cancelled"] for context in agents) == len(tuner.turns)
    assert all(sum(c["counts"]) + c["beyond"] == c["replies"] for c in data["contexts"])
    assert all(np.all(np.diff(c["survival"]) <= 0.0) and c["survival"][0] == 1.0 for c in data["contexts"])
    assert (data["start"]["A"]["mode"], data["start"]["B"]["mode"]) == ("ladder", "predictive")


def test_settings_decide_what_is_found(tuner: Tuner) -> None:
    """Figures and turns are those of the settings in the request, in whatever order they are asked for."""
    silent, ladder = (tuner.post("/api/simulate", settings=s).data for s in ({"mode": "none"}, LADDER))
    assert not any(silent["sounds"])
    assert silent["figures"]["cost"] > ladder["figures"]["cost"]
    assert silent["figures"]["spoken_per_waiting_minute"] == 0.0
    assert {kind for sounds in ladder["sounds"] for kind, *_ in sounds} == {list(Kind).index(Kind.HESITATION)}
    assert all(start == 0.45 for sounds in ladder["sounds"] for _, start, *_ in sounds)
    assert tuner.post("/api/simulate", settings={"mode": "none"}).data == silent


def test_the_cue_sheet_is_what_plays_without_a_reply(tuner: Tuner) -> None:
    """The ladder's steps stand on the sheet at their times, its repetitions as often as limits allow."""
    steps = [{"after_ms": 700, "kind": "hesitation"}, {"after_ms": 2000, "kind": "progress", "repeat_ms": 4000}]
    settings = {"mode": "ladder", "ladder": steps, "limits": {"per_turn": 3}}
    cues = tuner.post("/api/sheet", settings=settings, context=0).data["cues"]
    assert [start for _, start, *_ in cues] == [0.7, 2.0, 6.0]


def test_a_turn_is_heard(tuner: Tuner) -> None:
    """The sound of a turn is a WAV that begins with the user and is as long as the turn."""
    turn = next(turn for turn in tuner.turns if turn.reply_ready_ms)
    answer = tuner.post("/api/sound", settings=LADDER, turn=turn.turn_id)
    assert answer.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.body)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        seconds = len(samples) / file.getframerate()
        rate = file.getframerate()
    zero_s = float(answer.headers["x-zero-s"])
    assert zero_s + turn.end_ms / 1000.0 < seconds < zero_s + turn.end_ms / 1000.0 + 4.0
    assert np.abs(samples[round((zero_s + 0.1) * rate) : round((zero_s + 0.45) * rate)]).max() == 0
    assert np.abs(samples[round((zero_s + 0.45) * rate) : round((zero_s + 0.9) * rate)]).max() > 300


@pytest.mark.parametrize("mode", ["ladder", "predictive"])
def test_what_is_seen_is_what_is_heard(mode: str, tuner: Tuner) -> None:
    """A turn's sound holds the fillers at the times that the simulation gave, whatever the conversation said before."""
    bench = Workbench("a trace", tuner.turns, Tuned({}))
    found = bench.simulate({"mode": mode})
    for place in (3, 7, 11):
        samples, zero_s = bench.sound({"mode": mode}, tuner.turns[place].turn_id)
        level = np.abs(samples[round(zero_s * 24_000) :])
        covered = np.zeros(len(level), bool)
        for _, start, end, *_ in found["sounds"][place]:
            assert level[round(start * 24_000) : round(end * 24_000)].max() > 0.005
            covered[max(0, round(start * 24_000) - 24) : round(end * 24_000) + 24] = True
        reply = found["reply"][place]
        before = round((reply if reply is not None else tuner.turns[place].end_ms / 1000.0) * 24_000) - 24
        assert level[:before][~covered[:before]].max(initial=0.0) == 0.0


def test_saving_writes_what_differs(tuner: Tuner) -> None:
    """The file holds the changes alone, the page sees it, and it loads."""
    settings = {"costs": {"ambience_credit": 0.25}, "limits": {"per_turn": 5}, "kinds": {"hold": {"enabled": False}}}
    saved = tuner.post("/api/save", settings=settings).data
    assert saved["path"] == str(tuner.file)
    assert (
        saved["toml"]
        == tuner.file.read_text(encoding="utf-8")
        == tuner.post("/api/toml", settings=settings).data["toml"]
    )
    assert tomllib.loads(saved["toml"]) == {"costs": {"ambience_credit": 0.25}, "kinds": {"hold": {"enabled": False}}}
    assert load_config(tuner.file).costs.ambience_credit == 0.25


def test_saving_the_defaults_gives_a_file_that_loads(tuner: Tuner) -> None:
    """Where nothing differs the file says so."""
    text = tuner.post("/api/save", settings={}).data["toml"]
    assert text.startswith("# ")
    assert load_config(tuner.file) == Config()


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        ("/api/simulate", {"settings": {"mode": "loud"}}, "mode"),
        ("/api/simulate", {"settings": {"limits": {"per_turn": -1}}}, "limits.per_turn"),
        ("/api/simulate", {"settings": {"costs": {"reply_delay": float("nan")}}}, "costs.reply_delay"),
        ("/api/simulate", {"settings": {"packs": ["/etc"]}}, "settings.packs"),
        ("/api/simulate", {"settings": {"limits": {"per_minute": 3}}}, "settings.limits.per_minute"),
        ("/api/simulate", {"settings": []}, "settings"),
        ("/api/save", {"settings": {"ladder": [{"after_ms": 1, "kind": "shout"}]}}, "ladder[0].kind"),
        ("/api/sheet", {"settings": {}, "context": 99}, "context 99"),
        ("/api/sound", {"settings": {}, "turn": "nobody"}, "turn 'nobody'"),
    ],
)
def test_wrong_settings_are_explained(path: str, data: dict[str, object], words: str, tuner: Tuner) -> None:
    """One sentence says what is wrong and where."""
    answer = tuner.post(path, **data)
    assert answer.status == 422
    assert words in answer.data["error"]
    assert "\n" not in answer.data["error"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_other_names_are_refused(host: str, tuner: Tuner) -> None:
    """A foreign name that was made to point here is no way in."""
    assert tuner.ask("GET", "/api/overview", Host=host.format(port=tuner.port)).status == 403


def test_the_name_localhost_will_do(tuner: Tuner) -> None:
    """It is this machine's own."""
    assert tuner.ask("GET", "/", Host=f"localhost:{tuner.port}").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "application/json", "Origin": "http://evil.example"}, 403),
        ({"Content_Type": "application/json", "Origin": "null"}, 403),
        ({"Content_Type": "application/json", "Origin": "http://127.0.0.1:1"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({}, 415),
    ],
)
def test_other_sites_cannot_post(headers: dict[str, str], status: int, tuner: Tuner) -> None:
    """Neither a script of another site nor a form gets through."""
    assert tuner.ask("POST", "/api/save", b'{"settings": {}}', **headers).status == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"settings": {}, "more": 1}', 400),
        (b"[" * 60_000, 400),
        (b'{"settings": "' + b"x" * (64 << 10) + b'"}', 413),
    ],
)
def test_requests_are_bounded(body: bytes, status: int, tuner: Tuner) -> None:
    """What is no request, or too long for one, is refused."""
    assert tuner.ask("POST", "/api/simulate", body, Content_Type="application/json").status == status


def test_requests_that_were_given_up_are_dropped(tuner: Tuner) -> None:
    """Nothing is computed for a page that asks for something newer already."""
    bench = Workbench("a trace", tuner.turns, Tuned({}))
    computed: list[object] = []
    bench.simulate = computed.append  # type: ignore[method-assign, assignment]
    received: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"settings": {}}', "more_body": False},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []
    scope = {
        "type": "http", "method": "POST", "path": "/api/simulate", "query_string": b"", "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"127.0.0.1:80"), (b"content-type", b"application/json")],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return received.pop(0) if len(received) > 1 else received[0]

    async def send(message: Any) -> None:
        sent.append(message)

    anyio.run(tuner_app(bench, SavedFile(tuner.file)), scope, receive, send)
    assert sent[0]["status"] == 499
    assert not computed


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/vendor/uplot/LICENSE", "/api/overview", "/nothing"])
def test_every_answer_is_guarded(path: str, tuner: Tuner) -> None:
    """Browsers are told to load nothing from elsewhere, and not to guess types."""
    headers = tuner.ask("GET", path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/static/../_web.py", "/static/%2e%2e/_web.py", "/static/vendor", "/static//etc/passwd"]
)
def test_only_the_pages_files_are_served(path: str, tuner: Tuner) -> None:
    """Nothing beside the folder of static files can be had."""
    assert tuner.ask("GET", path).status == 404


def test_only_this_machine_is_served() -> None:
    """The socket is bound to the loopback interface."""
    with bound(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


def test_long_traces_are_cut(tuner: Tuner) -> None:
    """Of a long trace the last turns are looked at, and the page is told."""
    many = [TraceTurn(f"t{n}", "c", 10.0 * n, "a", 900.0, None) for n in range(MOST_TURNS + 5)]
    data = Workbench("long", many, Tuned({})).overview()
    assert (data["left_out"], len(data["turns"]), data["turns"][0]["id"]) == (5, MOST_TURNS, "t5")


@pytest.mark.parametrize(
    "text",
    [
        'mode = "ladder"\n[handoff.ambience]\nfade_ms = 40\n[handoff.phrase]\nmin_play_ms = 200\n',
        "[kinds.tone]\nenabled = false\ngain_db = -6.0\n",
        "[kinds.tone]\nenabled = true\n[kinds.phrase]\ngain_db = -3.0\n",
        '[tools.look]\nafter_s = 2.0\nphrases = ["One moment."]\n[agents.a]\nsilent = true\n[tools.b]\nkinds = []\n',
        'seed = 4\n[limits]\nper_minute = "unlimited"\n[[ladder]]\nafter_ms = 900\nkind = "phrase"\nrepeat_ms = 2000\n',
    ],
)
def test_what_the_file_says_is_kept(text: str, tmp_path: Path) -> None:
    """Saving without a change gives a configuration equal to the one that the tuner was started with."""
    path = tmp_path / "stopgap.toml"
    path.write_text(text, encoding="utf-8")
    again = tmp_path / "again.toml"
    again.write_text(as_toml(Tuned.from_file(path).worth_saving({})), encoding="utf-8")
    one, two = load_config(path), load_config(again)
    assert one == two
    assert (one.override("a", "look"), one.override("a", "b")) == (two.override("a", "look"), two.override("a", "b"))


def test_a_missing_extra_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact command says how to get it."""
    monkeypatch.setattr("stopgap.cli.tune._tuner.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as end:
        main(["tuner", "voice_mixed_dev", "--no-open"])
    assert end.value.code == 2
    assert "pip install 'stopgap[tuner]'" in capsys.readouterr().err


def test_a_port_in_use_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence names the port and the way out."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as end:
            main(["tuner", "voice_mixed_dev", "--no-open", "--port", str(port)])
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert f"port {port}" in told
    assert "--port" in told
    assert told.count("\n") == 1


def test_a_wrong_configuration_is_refused_at_the_start(tmp_path: Path) -> None:
    """Before a page can be opened."""
    path = tmp_path / "stopgap.toml"
    path.write_text("[limits]\nper_turn = -1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"limits\.per_turn"):
        Tuned.from_file(path)
    with pytest.raises(UsageError, match=r"settings\.output"):
        Tuned({}).tried({"output": {"file": "x.wav"}})


# In a browser ---------------------------------------------------------------------------------------------------


class Page:
    """An open page, with what its console said."""

    def __init__(self, browser: Any, tuner: Tuner, **options: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(**options)
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(tuner.address)
        self.page.wait_for_selector("#cues li:nth-child(2)")

    def figure(self, name: str, policy: str) -> str:
        return str(self.page.inner_text(f'[data-figure="{name}"][data-policy="{policy}"]'))

    def wait_for_other(self, name: str, policy: str, than: str) -> None:
        self.page.wait_for_function(
            "([name, policy, than]) => document.querySelector("
            "`[data-figure=${name}][data-policy=${policy}]`).textContent !== than",
            arg=[name, policy, than],
        )


def test_a_policy_is_tuned_heard_and_saved_by_keyboard(browser: Any, tuner: Tuner) -> None:
    """A slider is moved, the figures follow, a turn on the next page is played, and what was set is saved and loads."""
    open_page = Page(browser, tuner)
    page = open_page.page
    a, b = open_page.figure("cost", "A"), open_page.figure("cost", "B")
    page.focus("#B-ambience_credit")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    open_page.wait_for_other("cost", "B", b)
    assert open_page.figure("cost", "A") == a
    assert "do not compare" in page.inner_text("#status")
    page.focus("#next")
    page.keyboard.press("Enter")
    assert page.inner_text("#page").startswith("2 /")
    page.focus("#list")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    chosen = page.get_attribute("#list [aria-selected=true]", "data-turn")
    assert chosen == tuner.turns[9].turn_id
    with page.expect_response("**/api/sound") as sound:
        page.keyboard.press(" ")
    assert sound.value.status == 200
    assert sound.value.headers["content-type"] == "audio/wav"
    assert json.loads(sound.value.request.post_data)["turn"] == chosen
    page.wait_for_function("() => document.getElementById('audio').duration > 2")
    assert f"{chosen} under A" in page.inner_text("#playing")
    page.wait_for_selector(f'[data-turn="{chosen}"] .playhead', state="attached")
    page.keyboard.press(" ")
    page.wait_for_function("() => document.getElementById('audio').paused && !document.querySelector('.playhead')")
    tuner.file.unlink(missing_ok=True)
    page.focus("#policy-B [data-do=save]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#saved[open]")
    assert "ambience_credit = 0.4" in page.inner_text("#saved-text")
    assert load_config(tuner.file) == load_config({"costs": {"ambience_credit": 0.4}})
    page.keyboard.press("Escape")
    assert not open_page.complaints
    assert all(url.startswith((tuner.address, "blob:")) for url in open_page.requests)
    page.close()


def test_ladders_are_built_from_four_fields(browser: Any, tuner: Tuner) -> None:
    """First delay and kind, then interval and kind; what a mode does not use is hidden."""
    open_page = Page(browser, tuner)
    page = open_page.page
    assert not page.is_visible("#B-first")
    before = open_page.figure("first_sound_p50", "A")
    page.select_option("#policy-A [data-ladder=which]", "own")
    page.select_option("#A-firstKind", "backchannel")
    page.focus("#A-first")
    page.keyboard.press("Home")
    open_page.wait_for_other("first_sound_p50", "A", before)
    with page.expect_response("**/api/toml") as made, page.expect_download() as file:
        page.click("#policy-A [data-do=download]")
    assert file.value.suggested_filename == "stopgap.tuned.toml"
    steps = load_config(tomllib.loads(made.value.json()["toml"])).ladder
    assert [(step.after_ms, step.kind) for step in steps] == [(0.0, Kind.BACKCHANNEL), (1500.0, Kind.PHRASE)]
    assert not page.is_visible("#A-needless")
    assert not open_page.complaints
    page.close()


def test_the_page_fits_a_phone(browser: Any, tuner: Tuner) -> None:
    """At 360 px nothing reaches over the side, with either ladder form and the dialog open."""
    open_page = Page(browser, tuner, viewport={"width": 360, "height": 740})
    page = open_page.page
    page.select_option("#policy-A [data-ladder=which]", "own")
    page.click("#policy-A [data-do=save]")
    page.wait_for_selector("#saved[open]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.body.scrollWidth") <= 360
    assert not open_page.complaints
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme(scheme: str, browser: Any, tuner: Tuner) -> None:
    """A dark ground where the system is dark, a light one where it is light."""
    open_page = Page(browser, tuner, color_scheme=scheme)
    colour = open_page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [int(level) for level in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    assert max(levels) < 60 if scheme == "dark" else min(levels) > 200
    open_page.page.close()


def test_two_pages_do_not_know_of_each_other(browser: Any, tuner: Tuner) -> None:
    """What is set in one leaves the other as it is."""
    one, two = Page(browser, tuner), Page(browser, tuner)
    before = one.figure("cost", "B")
    two.page.select_option("#policy-B [data-key=mode]", "none")
    two.wait_for_other("cost", "B", before)
    one.page.focus("#A-per_turn")
    cost = one.figure("spoken_per_waiting_minute", "A")
    one.page.keyboard.press("Home")
    one.wait_for_other("spoken_per_waiting_minute", "A", cost)
    assert one.figure("cost", "B") == before
    assert not one.complaints + two.complaints
    one.page.close()
    two.page.close()


def test_turns_are_filtered_and_sorted(browser: Any, tuner: Tuner) -> None:
    """Only the turns of a tool, those first that the planner made cheaper."""
    open_page = Page(browser, tuner)
    page = open_page.page
    tools = {news.tool for turn in tuner.turns for news in turn.news if news.name == "tool_started"}
    tool = sorted(name for name in tools if name)[0]
    page.select_option("#filter", f"tool:{tool}")
    page.select_option("#sort", "better-a")
    cards = page.query_selector_all("#list .turn")
    assert cards
    assert all(tool in card.inner_text() for card in cards)
    differences = [float(c.query_selector(".costs span").inner_text().replace("−", "-").lstrip("±")) for c in cards]
    assert differences == sorted(differences, reverse=True)
    page.close()

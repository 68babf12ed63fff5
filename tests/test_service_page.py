"""The page that shows conversations: its files, and what somebody sees of it in a real browser."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from page_rig import BEHAVIOR, many, sound, stored, turn, varied, wait
from service_rig import ORGANIZATION, Running, a_config, running, signed_in
from service_serving import create, interact
from stopgap.engine.metrics import builtin_metrics, facts_of
from stopgap.engine.service.identity import IssuedKey, Permission
from stopgap.engine.service.page._routes import page_files
from stopgap.fillers import Kind

NASTY = "</p><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
METRICS = {
    "reply_wait": 2.4, "time_to_first_sound": 0.62, "time_to_answer": None, "longest_dead_air": 4.0,
    "reply_delay": 0.02, "needless_fillers": 0.125, "fillers_per_minute": 3.1, "target_met": False,
    "experience": "broken",
}  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(a_config(tmp_path_factory.mktemp("service"))) as found:
        yield found


@dataclass
class Desk:
    """A page that is open, with what its console said."""

    service: Running
    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        note = lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None  # noqa: E731
        self.page.on("console", note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
        )

    def open(self, conversation: str = "") -> "Desk":
        self.page.goto(f"{self.service.url}/{'#' if conversation else ''}{conversation}")
        return self

    def sign_in(self, key: IssuedKey, organization: str = ORGANIZATION) -> "Desk":
        self.fill(organization, key.user, key.id, key.key)
        self.page.wait_for_selector("#list > li", state="attached")  # a phone shows one thing at a time
        return self

    def fill(self, *values: str) -> None:
        for place, value in zip(("organization", "user", "key-id", "key"), values, strict=True):
            self.page.fill(f"#{place}", value)
        self.page.keyboard.press("Enter")

    def listed(self) -> list[str]:
        ids: list[str] = self.page.eval_on_selector_all("#list .conversation", "all => all.map(e => e.dataset.id)")
        return ids

    def choose(self, conversation: str) -> None:
        self.page.click(f'#list [data-id="{conversation}"]')
        self.shown(conversation)

    def shown(self, conversation: str) -> None:
        """Wait until a conversation is shown."""
        self.page.wait_for_selector(f'#conversation-title code[title="{conversation}"]')
        self.page.wait_for_selector("#turns .turn")

    def count(self, selector: str) -> int:
        return int(self.page.locator(selector).count())

    def text(self, selector: str) -> str:
        return str(self.page.text_content(selector))

    def said(self, selector: str, words: str) -> None:
        """Wait until an element says *words*."""
        self.page.wait_for_function(
            "([selector, words]) => document.querySelector(selector).textContent.includes(words)", arg=[selector, words]
        )

    def check_quiet(self) -> None:
        """Nothing went wrong, and nothing was asked of anybody else."""
        assert self.complaints == []
        assert all(url.startswith(self.service.url) for url in self.requests)


@pytest.fixture
def opened(browser: Any, service: Running) -> Iterator[Callable[..., Desk]]:
    """What opens a page in a browser that knows nothing: ``opened(viewport=…)``. They close with the test."""
    contexts = []

    def make(at: Running = service, **options: Any) -> Desk:
        context = browser.new_context(**options)
        contexts.append(context)
        return Desk(at, context.new_page()).open()

    yield make
    for context in contexts:
        context.close()


# Files -------------------------------------------------------------------------------------------------------------


def test_the_page_is_guarded(service: Running) -> None:
    """Each of its files says what a browser may do with it; the page itself is never kept."""
    with httpx.Client(base_url=service.url, trust_env=False) as client:
        for name in ("", *(f"page/{name}" for name in page_files() if name != "index.html")):
            answer = client.get(f"/{name}").raise_for_status()
            policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
            assert policy == {
                "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
                "img-src": "'self' data:", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
            }  # fmt: skip
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == ("no-cache" if name else "no-store")
            assert client.head(f"/{name}").headers["Content-Length"] == str(len(answer.content))


def test_files_are_asked_for_again_only_when_they_changed(service: Running) -> None:
    """304 for what the browser has."""
    with httpx.Client(base_url=service.url, trust_env=False) as client:
        tag = client.get("/page/app.js").headers["ETag"]
        again = client.get("/page/app.js", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get("/page/app.js", headers={"If-None-Match": '"older"'}).status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2F_app.py", "%2e%2e", "__init__.py", "a%00b"])
def test_nothing_else_is_served(name: str, service: Running) -> None:
    """Only the page's own files, by their names."""
    with httpx.Client(base_url=service.url, trust_env=False) as client:
        assert client.get(f"/page/{name}").status_code == 404


def test_the_page_needs_nobody_else() -> None:
    """Its files name no other host, and nothing is read as HTML."""
    for name, file in page_files().items():
        text = file.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, name
        assert not re.search(r"(inner|outer|Adjacent)HTML|document\.write|\beval\(|new Function", text), name
        assert not re.search(r"<[a-z][^>]*\s(style|on[a-z]+)=", text), name


def test_the_page_knows_the_builtin_metrics() -> None:
    """By the ids that they have in every organization."""
    known = re.findall(r'\["([0-9a-f]{24})", "(\w+)"', page_files()["metrics.js"].body.decode())
    assert [name for _, name in known] == list(builtin_metrics())
    for id, name in known:
        assert id == hashlib.sha256(f"stopgap metric {name}".encode()).hexdigest()[:24]


# In a browser ------------------------------------------------------------------------------------------------------


def test_signing_in_and_out(service: Running, opened: Callable[..., Desk]) -> None:
    """A wrong key is told so; the right one opens the list; after signing out nothing of it is left."""
    conversation = stored(service, many(2))
    desk = opened()
    assert desk.page.is_visible("#sign-in")
    desk.fill(ORGANIZATION, service.user, service.key.id, "wrong")
    desk.page.wait_for_selector("#sign-in-problem:not(:empty)")
    assert desk.page.is_visible("#sign-in")
    assert all("401" in one for one in desk.complaints)  # Chromium's own word on such an answer
    desk.complaints.clear()
    desk.fill(ORGANIZATION, service.user, service.key.id, "pässwort")
    desk.said("#sign-in-problem", "copy them again")
    desk.sign_in(service.key)
    assert not desk.page.is_visible("#sign-in")
    assert desk.text("#who-text").startswith(ORGANIZATION)
    desk.choose(conversation)
    kept = desk.page.evaluate("JSON.stringify([sessionStorage, localStorage, document.cookie])")
    assert service.key.key not in kept
    assert desk.page.input_value("#key") == ""
    desk.page.reload()  # the tab knows the token
    desk.shown(conversation)
    desk.page.click("#sign-out")
    assert desk.page.is_visible("#sign-in")
    assert not desk.page.is_visible("#desk")
    assert desk.page.evaluate("sessionStorage.length + localStorage.length") == 0
    assert desk.listed() == []
    assert conversation not in desk.page.content()
    desk.page.reload()
    assert desk.page.is_visible("#sign-in")
    desk.check_quiet()


def test_a_token_that_is_not_valid_any_more(service: Running, opened: Callable[..., Desk]) -> None:
    """Leads back to signing in, with a sentence; after that the same conversation is shown."""
    conversation = stored(service, many(1))
    desk = opened().sign_in(service.key)
    desk.choose(conversation)
    desk.page.evaluate(
        "const all = JSON.parse(sessionStorage['stopgap-session']); all.token = 'a.b.c';"
        "sessionStorage['stopgap-session'] = JSON.stringify(all)"
    )
    desk.page.click("#refresh")
    desk.said("#sign-in-problem", "Your sign-in is not valid any more; sign in again.")
    assert desk.page.is_visible("#sign-in")
    assert desk.page.input_value("#organization") == ORGANIZATION
    assert conversation[:6] not in desk.text("#desk")
    desk.sign_in(service.key)
    desk.shown(conversation)
    desk.complaints[:] = [one for one in desk.complaints if "401" not in one]
    desk.check_quiet()


def test_a_real_conversation_is_drawn(service: Running, opened: Callable[..., Desk]) -> None:
    """Spoken to over HTTP, with a tool and its filler: what was said, and every sound of the record."""
    key = service.another()
    with signed_in(service, key) as client:
        conversation = create(client)
        interact(client, conversation, "tool=0.9 please")
        turns = client.get(f"/conversation/{conversation}/turn/").json()["turns"]
    desk = opened().sign_in(key)
    desk.choose(conversation)
    assert desk.count("#turns .turn") == 2
    second = "#turns [data-number='2']"
    assert desk.text(f"{second} .user p") == "tool=0.9 please"
    assert desk.text(f"{second} .agent p") == turns[1]["messages"][1]["message"]
    sounds = turns[1]["record"]["sounds"]
    assert sounds
    assert desk.count(f"{second} .filler") == len(sounds)
    assert desk.text(f"{second} .tool title").startswith("desk/lookup")
    assert f"answer {turns[1]['timing']['answer_heard_s']:.2f} s" in desk.text(f"{second} .numbers")
    desk.check_quiet()


def test_timelines_show_what_records_say(service: Running, opened: Callable[..., Desk]) -> None:
    """Element by element: fillers, silences, tools, milestones, predictions, replies, cuts, behaviours."""
    records = [*varied(), *many(12)]
    conversation = stored(service, records)
    desk = opened().open(conversation).sign_in(service.key)
    desk.shown(conversation)
    for number, record in enumerate(records, start=1):
        card = f"#turns [data-number='{number}']"
        kinds = desk.page.eval_on_selector_all(f"{card} .filler", "all => all.map(e => e.dataset.kind)")
        assert sorted(kinds) == sorted(one.kind for one in record.sounds)
        titles = desk.page.eval_on_selector_all(f"{card} .filler title", "all => all.map(e => e.textContent)")
        for one in record.sounds:
            assert any(one.text is None or f"“{one.text}”" in title for title in titles)
        silences = [
            float(str(found).split(", ")[1].removesuffix(" s"))
            for found in desk.page.eval_on_selector_all(f"{card} .gap title", "all => all.map(e => e.textContent)")
        ]
        facts = facts_of(record)
        assert sum(silences) == pytest.approx(facts.dead_air_s or 0.0, abs=0.006 * (len(silences) + 1))
        assert max(silences, default=0.0) == pytest.approx(facts.longest_dead_air_s or 0.0, abs=0.006)
        assert f"dead air {desk_seconds(facts.longest_dead_air_s)}" in desk.text(f"{card} .numbers")
        started = {(news.at_s, news.tool) for news in record.milestones if news.name == "tool_started"}
        assert desk.count(f"{card} .tool") == len(started)
        other = [one for one in record.milestones if one.name in ("first_token", "tts_started")]
        assert desk.count(f"{card} .milestone") == len(other)
        shown = desk.count(f"{card} .quantile")
        beyond = desk.text(f"{card} .beyond title").count("expected by") if desk.count(f"{card} .beyond") else 0
        assert shown + beyond == 3
        assert desk.count(f"{card} .k-reply") == sum(one.heard_s is not None for one in record.waits)
        assert desk.count(f"{card} .ready") == sum(one.available_s is not None for one in record.waits)
        assert desk.count(f"{card} .held") == sum((one.held_back_s or 0.0) > 0.0005 for one in record.waits)
        assert desk.count(f"{card} .cut") == sum(one.cut and one.kind.spoken for one in record.sounds)
        assert desk.count(f"{card} .off") - desk.count(f"{card} .tag.off") == (record.cut_off_s is not None)
        assert desk.count(f"{card} svg .k-user") == 1 + len(record.user_spoke)
        tags = desk.page.eval_on_selector_all(f"{card} .behavior:not(.dealt)", "all => all.map(e => e.textContent)")
        assert tags == ([] if record.behavior is None else ["refund v2"])
    assert desk.text("[data-number='5'] .tag.off") == "cancelled: barge-in"
    assert desk.text("[data-number='5'] .dealt") == "dealt farewell v1"
    assert desk.text(f'[data-id="{conversation}"] .marks').startswith(f"{BEHAVIOR[0]} v{BEHAVIOR[1]}")
    worst = max(facts_of(one).longest_dead_air_s or 0.0 for one in records)
    assert desk.text(f'[data-id="{conversation}"] .air') == desk_seconds(worst)
    desk.check_quiet()


def desk_seconds(value: float | None) -> str:
    """Return seconds as the page writes them."""
    if value is None:
        return "–"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} s"


def test_nothing_overlaps_and_nothing_sticks_out(service: Running, opened: Callable[..., Desk]) -> None:
    """Texts of a timeline's rows do not run into each other, on a desk or a phone, on either scale."""
    conversation = stored(service, [*varied(), *many(30, seed=5)])
    for viewport in ({"width": 1280, "height": 800}, {"width": 360, "height": 740}):
        desk = opened(viewport=viewport).open(conversation).sign_in(service.key)
        desk.shown(conversation)
        for scale in ("own", "same"):
            desk.page.select_option("#scale", scale)
            trouble = desk.page.evaluate(
                """() => [...document.querySelectorAll("#turns .lane")].flatMap((lane) => {
                  const box = lane.getBoundingClientRect();
                  const found = [...lane.querySelectorAll("text")].map((one) => {
                    const { left, right, top, bottom } = one.getBoundingClientRect();
                    return { text: one.textContent, left, right: right - 1, top: top + 3, bottom: bottom - 3 };
                  });
                  const out = found.filter((one) => one.left < box.left || one.right > box.right);
                  const over = found.flatMap((one, place) => found.slice(place + 1)
                    .filter((other) => one.left < other.right && other.left < one.right)
                    .filter((other) => one.top < other.bottom && other.top < one.bottom)
                    .map((other) => `${one.text} | ${other.text}`));
                  return [...out.map(({ text }) => `out: ${text}`), ...over];
                })"""
            )
            assert trouble == []
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        desk.check_quiet()


def test_the_list_goes_in_pages(service: Running, opened: Callable[..., Desk]) -> None:
    """Forth and back by buttons, every conversation once, the newest first; state and user narrow it."""
    key = service.another("paged")
    ids = [
        stored(service, many(1), organization="paged", user=key.user, began_at=1000.0 + n, finished=n % 5 == 0)
        for n in range(45)
    ][::-1]
    desk = opened().sign_in(key, "paged")
    pages = [desk.listed()]
    for number in (2, 3):
        desk.page.click("#next")
        desk.said("#page", f"page {number}")
        pages.append(desk.listed())
    assert [len(page) for page in pages] == [20, 20, 5]
    assert [id for page in pages for id in page] == ids
    assert desk.page.is_disabled("#next")
    desk.page.click("#previous")
    desk.said("#page", "page 2")
    assert desk.listed() == pages[1]
    desk.page.select_option("#state", "true")
    desk.said("#page", "page 1")
    assert desk.listed() == [id for n, id in enumerate(ids) if (44 - n) % 5 == 0]
    desk.choose(ids[4])
    desk.page.click("#facts button")  # only this user's
    desk.page.wait_for_selector("#chips .chip")
    desk.page.click("#chips button")
    desk.page.wait_for_selector("#chips .chip", state="detached")
    assert desk.page.is_disabled("#previous")
    desk.check_quiet()


def test_a_long_conversation_goes_on(service: Running, opened: Callable[..., Desk]) -> None:
    """More turns than are shown at once follow on a button, and each is drawn."""
    conversation = stored(service, many(70))
    desk = opened().open(conversation).sign_in(service.key)
    desk.shown(conversation)
    assert desk.count("#turns .turn") == 60
    assert desk.text("#turns-count") == "60 of 70"
    desk.page.click("#more")
    desk.page.wait_for_selector("[data-number='70'] .lane")
    assert desk.count("#turns .lane") == 70
    assert not desk.page.is_visible("#more")
    desk.check_quiet()


def test_what_people_write_is_text(service: Running, opened: Callable[..., Desk]) -> None:
    """Words, answers, tags, fillers, tools, reasons, agents, behaviours and metrics: never HTML, never run."""
    evil = turn(
        [wait(3.0)], [sound(Kind.PHRASE, 0.5, 2.5, NASTY)], [("tool_started", 0.2, NASTY), ("tool_ended", 2.0, NASTY)],
        agent=NASTY, behavior=(NASTY, 1), assigned=((NASTY, 2),), policy=NASTY, notes=(NASTY,),
        outcome="cancelled", cancel_reason=NASTY, cut_off_s=3.0,
    )  # fmt: skip
    row = {"turn_id": NASTY, "agent": NASTY, "tool": NASTY, "tool_started_ms": 5.0, "reply_ready_ms": 900.0,
           "milestones": json.dumps([{"name": NASTY, "at_ms": 1.0, "tool": NASTY}])}  # fmt: skip
    texts = [(NASTY, NASTY), (f"javascript:{NASTY}", NASTY * 8)]
    conversation = stored(service, [evil, row], texts=texts, tags={"a tag": NASTY[:100], "script": None})
    desk = opened().open(conversation).sign_in(service.key)
    desk.shown(conversation)
    for summary in desk.page.query_selector_all("#turns summary"):
        summary.click()
    desk.page.wait_for_selector("#turns details table")
    answer = {"metrics": [{"metric_id": "f" * 24, "name": NASTY, "value": NASTY, "references": [NASTY],
                           "justification": NASTY}]}  # fmt: skip
    desk.page.route("**/metric/evaluate", lambda route: route.fulfill(json=answer))
    desk.page.click("#evaluate")
    desk.page.wait_for_selector("#metrics tbody tr")
    desk.page.click(".words .plain")  # the rest of a long answer
    assert desk.text("[data-number='1'] .user p") == NASTY
    assert NASTY in desk.text("[data-number='2'] .agent p")
    assert NASTY[:100] in desk.text("#tags")
    assert desk.text("#metrics tbody th") == NASTY
    assert desk.page.title() == "stopgap conversations"
    assert desk.count("body img") == 0
    assert desk.count("body script") == 0
    desk.check_quiet()


def test_organizations_see_their_own(service: Running, opened: Callable[..., Desk]) -> None:
    """Two pages at once, each with its organization; another one's conversation is told not to be there."""
    key = service.another("apart")
    theirs = stored(service, many(1), organization="apart", user=key.user)
    ours = stored(service, many(1))
    one, two = opened().sign_in(service.key), opened().sign_in(key, "apart")
    assert ours in one.listed()
    assert theirs not in one.listed()
    assert two.listed() == [theirs]
    two.open(ours)
    two.said("#conversation-problem", "There is no conversation")
    assert not two.page.is_visible("#chosen")
    two.choose(theirs)
    assert two.text("#conversation-problem") == ""
    one.check_quiet()
    two.complaints[:] = [each for each in two.complaints if "404" not in each]
    two.check_quiet()


def test_permissions_are_told(service: Running, opened: Callable[..., Desk]) -> None:
    """Without insights the words are there and a sentence; without any permission only a sentence."""
    little = service.another(permissions=frozenset({Permission.GET_CONVERSATION, Permission.GET_MESSAGE}))
    conversation = stored(service, varied(), user=little.user)
    desk = opened().sign_in(little)
    assert desk.listed() == [conversation]
    desk.choose(conversation)
    assert "Conversation:GetInteractionInsights" in desk.text("#withheld")
    assert desk.count("#turns .lane") == 0
    assert desk.count("#turns .said") == 12
    desk.check_quiet()
    nothing = opened()
    nothing.fill(ORGANIZATION, *(lambda key: (key.user, key.id, key.key))(service.another(permissions=frozenset())))
    nothing.said("#list-problem", "Missing permission Conversation:GetConversation in acme.")


def test_an_empty_list_says_so(service: Running, opened: Callable[..., Desk]) -> None:
    """Of an organization without conversations."""
    desk = opened().sign_in(service.another("empty"), "empty")
    assert "No conversations yet" in desk.text("#list")
    desk.page.select_option("#state", "true")
    desk.said("#list", "No such conversations.")
    desk.check_quiet()


def test_metrics_are_asked_for_by_a_button(service: Running, opened: Callable[..., Desk]) -> None:
    """Never by themselves; values in their units, with the turns that they are of; stored ones are read."""
    conversation = stored(service, varied())
    desk = opened().open(conversation)
    asked: list[Any] = []
    with signed_in(service, service.key) as client:
        worst = client.get(f"/conversation/{conversation}/turn/").json()["turns"][5]["messages"][1]["id"]
    ids = {name: hashlib.sha256(f"stopgap metric {name}".encode()).hexdigest()[:24] for name in METRICS}

    def evaluate(route: Any) -> None:
        asked.append(route.request.post_data_json)
        found = [
            {"metric_id": ids[name], "value": value, "references": [worst, "0" * 24], "justification": f"{name}, so"}
            for name, value in METRICS.items()
        ]
        route.fulfill(json={"metrics": found})

    def results(route: Any) -> None:
        asked.append(route.request.url)
        one = {"metric_id": ids["longest_dead_air"], "justification": "older", "source": {"references": []}}
        found = [
            {**one, "result": 4.0, "justification": "newer", "created_at": "2026-01-02T00:00:00Z"},
            {**one, "result": 9.0, "created_at": "2026-01-01T00:00:00Z"},
        ]
        route.fulfill(json={"metric_evaluation_results": found, "has_more": False, "continuation_token": None})

    desk.page.route("**/metric/evaluate", evaluate)
    desk.page.route("**/metric/metric_evaluation_result**", results)
    desk.sign_in(service.key)
    desk.shown(conversation)
    assert asked == []
    desk.page.click("#evaluate")
    desk.page.wait_for_selector("#metrics tbody tr")
    assert asked.pop() == {"metric_ids": list(ids.values()), "conversation_id": conversation}
    values = desk.page.eval_on_selector_all("#metrics tbody .number", "all => all.map(e => e.textContent)")
    assert values == ["2.40 s", "0.62 s", "–", "4.00 s", "0.02 s", "12.5 %", "3.1 / min", "no", "broken"]
    desk.page.click("#metrics tbody tr:nth-child(4) button")
    assert desk.page.evaluate("document.activeElement.dataset.number") == "6"
    desk.page.click("#stored")
    desk.said("#metrics-note", "1 stored result")
    assert f"conversation_id={conversation}" in asked.pop()
    assert desk.text("#metrics tbody .number") == "4.00 s"
    assert "newer" in desk.text("#metrics tbody")
    desk.check_quiet()


def test_metrics_are_what_the_service_says(service: Running, opened: Callable[..., Desk]) -> None:
    """Evaluated by the button, with the sentences that the API tells; those that are stored are the same."""
    conversation = stored(service, varied())
    desk = opened().open(conversation).sign_in(service.key)
    desk.shown(conversation)
    desk.page.click("#evaluate")
    desk.page.wait_for_selector("#metrics tbody tr")
    with signed_in(service, service.key) as client:
        query = {"conversation_id": conversation}
        found = client.get("/metric/metric_evaluation_result", params=query).json()["metric_evaluation_results"]
    assert desk.count("#metrics tbody tr") == len(found) == len(METRICS)
    shown = desk.page.inner_text("#metrics")
    assert all(result["justification"] in shown for result in found)
    desk.page.click("#stored")
    desk.said("#metrics-note", "stored")
    assert sorted(desk.page.inner_text("#metrics").splitlines()) == sorted(shown.splitlines())


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (404, "Not Found", "This service does not evaluate metrics."),
        (403, "missing permission Metric:EvaluateMetric in acme", "Missing permission Metric:EvaluateMetric in acme."),
        (429, "more than 20 requests a minute", "Too many requests; try again in 7 s."),
        (400, "conversation has no interactions", "Conversation has no interactions."),
    ],
)
def test_metrics_that_cannot_be_had(
    status: int, message: str, words: str, service: Running, opened: Callable[..., Desk]
) -> None:
    """A sentence says why, and everything else stays as it is."""
    conversation = stored(service, many(1))
    desk = opened().open(conversation).sign_in(service.key)
    desk.shown(conversation)
    problem = {"message": message, "error_code": status}
    desk.page.route(
        "**/metric/**", lambda route: route.fulfill(status=status, json=problem, headers={"Retry-After": "7"})
    )
    for one in ("#evaluate", "#stored"):
        desk.page.click(one)
        desk.said("#metrics-note", words)
        assert desk.page.is_enabled(one)
    assert desk.count("#turns .lane") == 1


def test_everything_is_reached_by_keyboard(service: Running, opened: Callable[..., Desk]) -> None:
    """Sign-in, list and conversation; whatever can be used has a name, and a picture tells itself in words."""
    key = service.another("keys")
    first, second = (
        stored(service, varied(), organization="keys", user=key.user, began_at=at) for at in (2000.0, 1000.0)
    )
    desk = opened()
    page = desk.page
    assert page.evaluate("document.activeElement.id") == "organization"
    for value in ("keys", key.user, key.id, key.key):
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#list .conversation")
    page.focus("#next" if page.is_enabled("#next") else "#state")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.id") == first
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    desk.shown(second)
    assert page.get_attribute(f'#list [data-id="{second}"]', "aria-current") == "true"
    assert page.evaluate("document.activeElement.dataset.id") == second
    story = page.get_attribute("[data-number='3'] .lane", "aria-label")
    assert story.startswith("Reply after 7.20 s. backchannel mm-hm at 0.2 s;")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, a, summary")]
          .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length))
          .map((one) => one.outerHTML)"""
    )
    assert nameless == []
    desk.check_quiet()


def test_on_a_phone_one_thing_at_a_time(service: Running, opened: Callable[..., Desk]) -> None:
    """The list, then the conversation, and back."""
    conversation = stored(service, varied())
    desk = opened(viewport={"width": 360, "height": 740}).sign_in(service.key)
    assert not desk.page.is_visible("#conversation")
    desk.choose(conversation)
    assert not desk.page.is_visible("#list")
    assert desk.page.is_visible("#turns")
    desk.page.go_back()
    desk.page.wait_for_selector("#list", state="visible")
    desk.choose(conversation)
    desk.page.click("#back")
    desk.page.wait_for_selector("#list", state="visible")
    assert not desk.page.is_visible("#conversation")
    desk.check_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme(scheme: str, service: Running, opened: Callable[..., Desk]) -> None:
    """A dark ground where the system is dark, a light one where it is light."""
    desk = opened(color_scheme=scheme)
    colour = desk.page.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [int(level) for level in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    assert max(levels) < 60 if scheme == "dark" else min(levels) > 200


def test_who_asks_too_often_is_told(tmp_path: Path, opened: Callable[..., Desk]) -> None:
    """With how long to wait; what is shown stays."""
    with running(a_config(tmp_path, rates={"sign_in": 1000, "conversations_read": 3})) as service:
        conversation = stored(service, many(2))
        desk = opened(service).sign_in(service.key)
        desk.choose(conversation)
        for _ in range(2):
            with desk.page.expect_response("**/conversation/?**"):
                desk.page.click("#refresh")
        desk.said("#list-problem", "Too many requests; try again in ")
        assert desk.listed() == [conversation]
        assert desk.count("#turns .lane") == 2

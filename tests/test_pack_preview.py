"""The page that shows a pack: its file, and what somebody sees and does with it in a real browser."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import Run
from stopgap.cli.pack._previewsound import COLUMNS, HEIGHT, Sound
from stopgap.fillers import Manifest, bundled_folder, read_manifest

NASTY = "</p></title></script><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
HEAD = f"""format = 1
name = '''{NASTY}'''
language = "cy-GB"
voice = '''" onload="document.title='taken' {NASTY}'''
licence = '''</style>{NASTY}'''
"""
CLIPS = f"""
[[clips]]
id = "check"
file = "check.flac"
kind = "phrase"
text = '''Let me {NASTY.replace(" ", "-")} check.'''
claims_work = true
original = "originals/check.wav"
cut_marks = [{{ ms = 250, words = 1 }}, {{ ms = 400, words = 2 }}]
steps = [
  {{ step = "cut", start_ms = 500, end_ms = 1500 }},
  {{ step = '''{NASTY}''', value = '''{NASTY}''' }},
]

[[clips]]
id = "gone"
file = "gone.flac"
kind = "progress"
text = '''{NASTY}'''
order = 1

[[clips]]
id = "hum"
file = "hum.flac"
kind = "ambience"
language = "zxx"
original = "../outside.wav"
"""


def tone(seconds: float, rate: int, hz: float = 220.0) -> Any:
    return 0.2 * np.sin(2.0 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    """A pack whose every text is an attack, with an original, a file that is missing, and a link out of it."""
    folder = tmp_path / "nasty"
    (folder / "originals").mkdir(parents=True)
    soundfile.write(folder / "check.flac", tone(0.9, 24_000), 24_000)
    soundfile.write(folder / "originals" / "check.wav", tone(2.0, 48_000, 330.0), 48_000)
    soundfile.write(folder / "hum.flac", tone(2.0, 16_000), 16_000)
    (folder / "pack.toml").write_text(HEAD + CLIPS, encoding="utf-8")
    return folder


@dataclass
class Preview:
    """A page that is open, with what its console said."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
        )

    def open(self, file: Path) -> "Preview":
        self.page.goto(file.as_uri())
        return self

    def clip(self, id: str) -> Any:
        return self.page.locator(f'.clip[data-id="{id}"]')

    def playing(self) -> str | None:
        """Return which clip plays."""
        found: str | None = self.page.evaluate("now ? now.clip.dataset.id : null")
        return found

    def wait_playing(self, id: str) -> None:
        self.page.wait_for_selector(f'.clip.playing[data-id="{id}"]')

    def wait_played(self, id: str) -> float:
        """Wait until a clip has ended by itself, and return where, in s."""
        return float(
            self.page.wait_for_selector(f'.clip[data-played-to][data-id="{id}"]').get_attribute("data-played-to")
        )


@pytest.fixture
def preview(browser: Any) -> Iterator[Preview]:
    """A tab as wide as a desk's; it must not have complained of anything."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = Preview(context.new_page())
    yield found
    assert found.complaints == []
    context.close()


@pytest.fixture
def bundled(run: Run, tmp_path: Path) -> tuple[Path, Manifest]:
    """The bundled pack's page, and its manifest."""
    assert run("pack", "preview", "en-us").code == 0
    return tmp_path / "preview.html", read_manifest(bundled_folder() / "en-us")


# The file -----------------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote(run: Run, tmp_path: Path) -> None:
    """One file, by default in the present folder; an older one is replaced."""
    (tmp_path / "preview.html").write_text("old", encoding="utf-8")
    ended = run("pack", "preview", "en-us")
    assert ended.code == 0
    assert re.fullmatch(r"wrote preview\.html: 36 clips, \d\.\d MB\n", ended.out)
    assert [path.name for path in tmp_path.iterdir()] == ["preview.html"]
    assert "<title>en-us: stopgap pack preview</title>" in (tmp_path / "preview.html").read_text(encoding="utf-8")


def test_the_page_needs_no_other_file(run: Run, tmp_path: Path) -> None:
    """No address but data:, and the browser is told to refuse the rest, inline handlers among it."""
    run("pack", "preview", "en-us")
    text = re.sub(r"data:audio/flac;base64,[\w+/=]+", "data:", (tmp_path / "preview.html").read_text(encoding="utf-8"))
    assert not re.search(r"https?:|//[a-z]|\bhref=|@import|url\(|\bstyle=|\bon[a-z]+=", text)
    assert set(re.findall(r"\bsrc=\"([^\"]*)\"", text)) == {"data:"}
    assert "default-src 'none'" in text
    assert "unsafe" not in text


def test_what_cannot_be_shown(run: Run, nasty: Path, tmp_path: Path) -> None:
    """No pack, an unreadable manifest, no such folder for the page: one sentence, and nothing is written."""
    assert "'none' not found" in run("pack", "preview", "none").err
    ended = run("pack", "preview", "en-us", "--out", "nowhere/page.html")
    assert ended.code == 2
    assert "nowhere/page.html cannot be written" in ended.err
    (nasty / "pack.toml").write_text("format = 1\n", encoding="utf-8")
    ended = run("pack", "preview", nasty)
    assert ended.code == 2
    assert "name is missing; write it" in ended.err
    assert not list(tmp_path.glob("*.html"))


def test_open_shows_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --open the browser gets the file's address."""
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    assert run("pack", "preview", "en-us", "--open").code == 0
    assert shown == [(tmp_path / "preview.html").as_uri()]


@pytest.mark.parametrize("frames", [1, 7, COLUMNS, 10 * COLUMNS + 3])
def test_a_wave_reaches_from_the_highest_to_the_lowest_sample(frames: int) -> None:
    """Each column is as high as its samples; a short sound has fewer and wider columns."""
    samples = np.random.default_rng(frames).uniform(-0.5, 0.5, frames).astype(np.float32)
    path = Sound(samples, 8_000).wave(0.5)
    moves = re.findall(r"([Mhv VHZ])(-?[\d.]*)(?: (-?\d+))?", path)
    x = y = 0.0
    highest, lowest, widest = float(HEIGHT), 0.0, 0.0
    for command, number, second in moves:
        if command == "M":
            x, y = float(number), float(second)
        elif command in "hv":
            x, y = (x + float(number), y) if command == "h" else (x, y + float(number))
        elif command == "V":
            y = float(number)
        highest, lowest, widest = min(highest, y), max(lowest, y), max(widest, x)
    assert widest == pytest.approx(COLUMNS, rel=1e-2)
    assert highest == pytest.approx((1.0 - 2.0 * samples.max()) * HEIGHT / 2, abs=0.51)
    assert lowest == pytest.approx((1.0 - 2.0 * samples.min()) * HEIGHT / 2, abs=1.51)


# In the browser -----------------------------------------------------------------------------------------------------


def test_every_clip_is_drawn(preview: Preview, bundled: tuple[Path, Manifest]) -> None:
    """Each clip of the manifest has its wave, its sound, its text, and each cut mark before its end a line."""
    file, manifest = bundled
    preview.open(file)
    drawn = preview.page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.clip')].map(clip => [clip.dataset.id, {
             kind: clip.dataset.kind, title: clip.querySelector('h3').textContent,
             marks: [...clip.querySelectorAll('.mark')].map(mark => Number(mark.dataset.at)),
             words: [...clip.querySelectorAll('.words')].map(text => text.textContent).join(' '),
             box: clip.querySelector('.shape path').getBBox().width,
             sound: clip.querySelector('audio').src.startsWith('data:audio/flac;base64,'),
           }]))"""
    )
    assert drawn.keys() == {entry.id for entry in manifest.clips}
    for entry in manifest.clips:
        shown = drawn[entry.id]
        assert (shown["kind"], shown["title"]) == (entry.kind, entry.text or entry.id)
        inner = [mark.ms / 1000 for mark in entry.cut_marks if mark.words < len((entry.text or "").split())]
        assert shown["marks"] == pytest.approx(inner, abs=1e-4)
        assert shown["words"] == (entry.text if inner else "")
        assert shown["box"] == pytest.approx(COLUMNS, rel=0.02)
        assert shown["sound"]


def test_a_mark_plays_up_to_itself(preview: Preview, bundled: tuple[Path, Manifest]) -> None:
    """A click on a cut mark plays from the start to there, and tells what was heard."""
    preview.open(bundled[0])
    clip = preview.clip("look-that-up")
    mark = clip.locator(".mark").nth(1)
    at = float(mark.get_attribute("data-at"))
    mark.locator("line").dispatch_event("click")
    assert preview.wait_played("look-that-up") == at
    assert preview.page.locator("#status").inner_text() == f"A cut at {at:.2f} s. Heard: Let me look"
    assert preview.playing() is None
    mark.press("Enter")
    preview.wait_playing("look-that-up")
    assert preview.page.evaluate("[now.from, now.end]") == [0, at]


def test_a_click_into_the_wave_plays_from_there(preview: Preview, bundled: tuple[Path, Manifest]) -> None:
    """The playhead starts where the wave was clicked and moves on."""
    from playwright.sync_api import expect

    preview.open(bundled[0])
    wave = preview.clip("melody").locator(".wave")
    box = wave.bounding_box()
    wave.click(position={"x": box["width"] / 4, "y": box["height"] / 2})
    preview.wait_playing("melody")
    assert preview.page.evaluate("now.from / now.end") == pytest.approx(0.25, abs=0.002)
    playhead = preview.clip("melody").locator(".playhead")
    expect(playhead).to_have_attribute("x1", re.compile(r"^(25\.[5-9]|2[6-9]|[3-9]\d)"))
    preview.page.click("#stop")
    assert preview.playing() is None


def test_loops_go_round(preview: Preview, bundled: tuple[Path, Manifest]) -> None:
    """What loops in a conversation loops here, at its own rate; what does not, ends."""
    preview.open(bundled[0])
    preview.clip("room").locator(".play").click()
    preview.wait_playing("room")
    assert preview.page.evaluate("[now.source.loop, now.context.sampleRate, now.source.buffer.length]") == [
        True, 32_000, 6 * 32_000,
    ]  # fmt: skip
    preview.clip("uh").locator(".play").click()
    assert preview.wait_played("uh") == float(preview.clip("uh").locator(".sound").get_attribute("data-duration"))
    assert preview.playing() is None


def test_the_keyboard_is_enough(preview: Preview, bundled: tuple[Path, Manifest]) -> None:
    """Arrows go from clip to clip, space plays and stops the one in focus, Escape stops."""
    file, manifest = bundled
    preview.open(file)
    first, second = manifest.clips[0].id, manifest.clips[1].id
    focused = "document.activeElement.dataset.id"
    preview.page.keyboard.press("ArrowDown")
    assert preview.page.evaluate(focused) == first
    preview.page.keyboard.press("ArrowDown")
    assert preview.page.evaluate(focused) == second
    preview.page.keyboard.press("ArrowUp")
    preview.page.keyboard.press("ArrowUp")
    assert preview.page.evaluate(focused) == first
    for _ in range(len(manifest.clips) + 3):
        preview.page.keyboard.press("ArrowRight")
    assert preview.page.evaluate(focused) == "melody"  # holds stand last
    for stopping in (" ", "Escape"):
        preview.page.keyboard.press(" ")
        preview.wait_playing("melody")
        preview.page.keyboard.press(stopping)
        assert preview.playing() is None


def test_the_filters(preview: Preview, run: Run, nasty: Path, tmp_path: Path) -> None:
    """Kind, language and findings leave clips out, and headings with nothing under them."""
    run("pack", "preview", nasty)
    preview.open(tmp_path / "preview.html")
    shown = "[...document.querySelectorAll('.clip')].filter(c => c.checkVisibility()).map(c => c.dataset.id)"
    assert preview.page.evaluate(shown) == ["check", "gone", "hum"]
    preview.page.select_option("#kind", "progress")
    assert preview.page.evaluate(shown) == ["gone"]
    assert preview.page.locator("h2:visible").all_inner_texts()[1:] == ["Progress 1 clip"]
    preview.page.select_option("#kind", "")
    preview.page.select_option("#language", "zxx")
    assert preview.page.evaluate(shown) == ["hum"]
    assert preview.page.inner_text("#shown") == "1 of 3 shown"
    preview.page.select_option("#language", "")
    preview.page.check("#found")
    assert preview.page.evaluate(shown) == ["gone", "hum"]


def test_the_original_beside_what_was_made_of_it(preview: Preview, run: Run, nasty: Path, tmp_path: Path) -> None:
    """The switch shows and plays the recording, of a longer one only the clip's piece; steps say what was done."""
    run("pack", "preview", nasty)
    preview.open(tmp_path / "preview.html")
    clip = preview.clip("check")
    clip.get_by_role("button", name="original").click()
    assert clip.locator(".sound:visible").get_attribute("data-which") == "original"
    clip.locator(".play").click()
    preview.wait_playing("check")
    assert preview.page.evaluate("[now.source.buffer.duration, now.context.sampleRate]") == [1.0, 48_000]
    clip.get_by_role("button", name="prepared").click()
    preview.page.wait_for_selector(".clip.playing[data-which=prepared]")
    assert preview.page.evaluate("now.source.buffer.duration") == pytest.approx(0.9)
    clip.locator("summary").click()
    assert "start_ms = 500" in clip.locator("details").inner_text()
    assert preview.clip("check").locator(".findings").count() == 0
    assert preview.clip("hum").locator(".switch").count() == 0
    assert "is outside the pack's folder" in preview.clip("hum").inner_text()


def test_what_is_wrong_is_shown_where_it_is(preview: Preview, run: Run, nasty: Path, tmp_path: Path) -> None:
    """A clip's findings stand with it, a clip that does not load has no wave, the pack's stand on top."""
    ended = run("pack", "preview", nasty)
    assert ended.code == 0
    assert "1 error in " in ended.err
    preview.open(tmp_path / "preview.html")
    assert "error file 'gone.flac' is missing" in preview.clip("gone").inner_text()
    assert preview.clip("gone").locator("svg, .play").count() == 0
    assert "The pack cannot be used: 1 error" in preview.page.inner_text(".summary")
    assert "hesitation (cy-GB): no clips" in preview.page.inner_text(".summary")


def test_texts_do_nothing(preview: Preview, run: Run, nasty: Path, tmp_path: Path) -> None:
    """Whatever a manifest says is shown as it is written: nothing of it runs, nor asks for anything."""
    run("pack", "preview", nasty)
    preview.open(tmp_path / "preview.html")
    preview.clip("check").locator(".play").click()
    preview.wait_played("check")
    assert preview.page.title() == f"{NASTY}: stopgap pack preview"
    assert preview.page.locator("script").count() == 1
    assert preview.page.locator("img").count() == 0
    assert NASTY in preview.page.inner_text("h1")
    assert NASTY in preview.clip("gone").inner_text()
    assert preview.requests == [(tmp_path / "preview.html").as_uri()]


def test_nothing_that_gets_into_the_page_runs(browser: Any, run: Run, tmp_path: Path) -> None:
    """Were a text not escaped, the browser would still refuse its script, its handler, its style and its address."""
    run("pack", "preview", "en-us")
    text = (tmp_path / "preview.html").read_text(encoding="utf-8")
    hole = f"<main><style>body{{color:red}}</style><iframe src='https://example.com'></iframe>{NASTY}"
    (tmp_path / "hole.html").write_text(text.replace("<main>", hole, 1), encoding="utf-8")
    found = Preview(browser.new_page())
    found.open(tmp_path / "hole.html")
    found.page.get_by_text("36 of 36 shown").wait_for()
    assert found.page.title() == "en-us: stopgap pack preview"
    assert not [url for url in found.requests if url.startswith("http")]
    assert sum("Content Security Policy" in one for one in found.complaints) >= 3
    found.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(browser: Any, run: Run, nasty: Path, tmp_path: Path, scheme: str) -> None:
    """Nothing is wider than a phone, whatever is in the pack, and a finger finds the play button."""
    shutil.copy(bundled_folder() / "en-us" / "progress" / "little-longer.flac", nasty / "check.flac")
    run("pack", "preview", nasty)
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page.goto((tmp_path / "preview.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = page.locator(".play").first.bounding_box()
    assert min(box["width"], box["height"]) >= 32
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 21)"
    assert dark == (scheme == "dark")
    page.close()


def test_without_scripts_the_browsers_own_players_are_there(browser: Any, bundled: tuple[Path, Manifest]) -> None:
    """Where scripts are off, each clip has a player, and nothing is shown that does not work."""
    file, manifest = bundled
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("audio:visible").count() == len(manifest.clips)
    assert page.locator(":is(.play, .filters, .player):visible").count() == 0
    context.close()

"""Bars of the commands that make packs: moving on a terminal, and nowhere else."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from speech_rig import wav
from terminal_rig import STOPGAP, OnTerminal, Terminal

SPEC = """
name = "mine"
language = "en"
licence = "CC0"
lines = [
  { kind = "hesitation", text = "Um" },
  { kind = "phrase", text = "One moment, please" },
  { kind = "phrase", text = "Hold on" },
]
"""
TTS = """
import os

def tts(text):
    print("speaking", text)  # as models do
    if text == "Hold on" and os.path.exists("alive"):
        open("alive", "w").close()
        while True:
            os.read(os.open("never", os.O_RDONLY), 1)
    with open(f"{len(text)}.wav", "rb") as file:
        return file.read()
"""
RECORD = ("pack", "record", "agent.toml", "--tts", "barred_tts:tts", "--out", "new", "--no-beds")
COMMANDS = {
    "record": (RECORD, {"recording": 3, "preparing": 6}),
    "import": (
        ("pack", "import", "phrase", "--out", "new", "--language", "en", "--licence", "CC0"),
        {"reading": 3, "preparing": 6},
    ),
    "prepare": (("pack", "prepare", "made"), {"preparing": 6}),
}
"""By name: the arguments, and what the bars count up to."""
LISTED = {"record": "takes", "import": "clips", "prepare": "made"}
"""By command: which of the JSON's lists is that of three clips."""
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, a TTS, recordings and a pack."""
    folder = tmp_path_factory.mktemp("ready")
    (folder / "agent.toml").write_text(SPEC, encoding="utf-8")
    (folder / "barred_tts.py").write_text(TTS, encoding="utf-8")
    (folder / "phrase").mkdir()
    for number, text in enumerate(("Um", "One moment, please", "Hold on")):
        (folder / f"{len(text)}.wav").write_bytes(wav(300.0 + 50.0 * number))
        (folder / "phrase" / f"{text}.wav").write_bytes(wav(300.0 + 50.0 * number))
    made = [word.replace("new", "made") for word in RECORD]
    subprocess.run([sys.executable, *STOPGAP, *made], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def here(ready: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready, tmp_path / "here"))


def check_bars(ended: OnTerminal, totals: dict[str, int]) -> None:
    """Check that each bar went from nothing to its total, and that the last one was wiped away."""
    for what, total in totals.items():
        counts = ended.counts(what)
        assert {of for _, of in counts} == {total}, (what, ended.shown)
        done = [number for number, _ in counts]
        assert done == sorted(done)
        assert done[-1] == total
    assert ended.shown.count("\x1b[?25l") == ended.shown.count("\x1b[?25h")  # the cursor, hidden and shown again
    assert ended.shown.endswith("\x1b[2K")


@pytest.mark.parametrize("name", COMMANDS)
def test_bar_on_a_terminal(here: Path, name: str) -> None:
    """It counts up to its total and leaves nothing behind; the report is on standard output, as plain text."""
    arguments, totals = COMMANDS[name]
    ended = Terminal(*STOPGAP, *arguments, here=here).ended()
    assert ended.code == 0, ended.shown
    check_bars(ended, totals)
    assert not CONTROL.search(ended.out)
    assert b"3 clips" in ended.out


@pytest.mark.parametrize("name", COMMANDS)
def test_json_beside_a_bar(here: Path, name: str) -> None:
    """Standard output is the JSON and nothing else, also where the TTS prints."""
    arguments, totals = COMMANDS[name]
    ended = Terminal(*STOPGAP, *arguments, "--json", here=here).ended()
    assert ended.code == 0, ended.shown
    check_bars(ended, totals)
    assert not CONTROL.search(ended.out)
    assert len(json.loads(ended.out)[LISTED[name]]) == 3
    assert ("speaking Um" in ended.shown) == (name == "record")


def test_report_below_the_bar(here: Path) -> None:
    """Where both go to one terminal, the report begins on a line of which the bar was wiped away."""
    ended = Terminal(*STOPGAP, "pack", "prepare", "made", here=here, all_of_it=True).ended()
    bars, wiped, report = ended.shown.rpartition("\x1b[2K")
    assert (ended.code, wiped != "") == (0, True)
    assert report.startswith("made: 3 clips prepared\r\n")
    assert "\x1b" not in report
    check_bars(OnTerminal(ended.code, b"", bars + wiped), {"preparing": 6})


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_bar_in_a_file(here: Path, name: str, form: tuple[str, ...]) -> None:
    """With ``2>file`` no control character is written anywhere, and what is not the report is what the TTS prints."""
    arguments, _ = COMMANDS[name]
    with (here / "errors").open("wb") as errors:
        command = [sys.executable, *STOPGAP, *arguments, *form]
        ended = subprocess.run(command, cwd=here, stdout=subprocess.PIPE, stderr=errors, timeout=120)
    told = (here / "errors").read_text()
    assert ended.returncode == 0, told
    assert not CONTROL.search(ended.stdout)
    assert sorted(told.splitlines()) == (
        ["speaking Hold on", "speaking One moment, please", "speaking Um"] if name == "record" else []
    )
    if form:
        assert len(json.loads(ended.stdout)[LISTED[name]]) == 3


@pytest.mark.parametrize("name", ["import", "prepare"])
def test_no_bar_on_a_terminal_without_a_cursor(here: Path, name: str) -> None:
    """As editors have them (``TERM=dumb``): nothing is written, not even an empty line."""
    ended = Terminal(*STOPGAP, *COMMANDS[name][0], here=here, term="dumb").ended()
    assert (ended.code, ended.shown) == (0, "")


def test_interrupted_on_a_terminal(here: Path) -> None:
    """The bar is wiped away, the cursor is back, and one sentence stands on a line of its own."""
    for name in ("alive", "never"):
        os.mkfifo(here / name)
    running = Terminal(*STOPGAP, *RECORD, "--parallel", "1", here=here)
    with (here / "alive").open() as pipe:  # opens once the last text is being said
        assert pipe.read() == ""
    running.process.send_signal(signal.SIGINT)
    ended = running.ended()
    assert ended.code == 130
    assert {of for _, of in ended.counts("recording")} == {3}
    bars, _, told = ended.shown.rpartition("\x1b[2K")
    assert bars.count("\x1b[?25l") == bars.count("\x1b[?25h") == 1
    assert told == "interrupted: what was recorded is kept, and the same command goes on\r\n"


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_bar_of_a_pack_that_takes_long_to_load(here: Path, term: str) -> None:
    """After a second somebody at a terminal sees how far it is; it, too, leaves nothing behind."""
    code = (
        "from stopgap.fillers import ClipBank, _progress\n"
        "_progress.PATIENCE_S = -1.0\n"
        "print(len(ClipBank(['made']).catalog))"
    )
    ended = Terminal("-c", code, here=here, term=term).ended()
    assert (ended.code, ended.out) == (0, b"3\n")
    if term == "dumb":
        assert ended.shown == ""
    else:
        assert re.search(r"loading mine .*100%", ended.shown)
        assert ended.shown.endswith("\x1b[2K")

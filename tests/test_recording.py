"""Recording a spec: what is kept, what is found again, and what an interruption leaves behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from speech_rig import a_script, a_spec, files, reasons, recorded, wav
from stopgap.fillers import PackError
from stopgap.fillers.recording import Outcome, RecordOptions, Repeat, Take, Untried, open_tts, plan, record

TTS = "./tts {text} {out}"
SAYS = 'echo "$1" >> said; cat tone.wav > "$2"'
"""The same tone for every text."""
COUNTS = 'echo "$1" >> said; n=$(wc -l < said); cat "tone$n.wav" > "$2"'
"""Another tone each time."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with tones in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tone.wav").write_bytes(wav())
    for number in range(1, 10):
        (tmp_path / f"tone{number}.wav").write_bytes(wav(300.0 + number))
    return tmp_path


def said(here: Path) -> list[str]:
    """Return what the script was asked for, in order."""
    return (here / "said").read_text().splitlines() if (here / "said").exists() else []


# Found again ------------------------------------------------------------------------------------------------------


def test_what_is_there_is_not_recorded_again(here: Path) -> None:
    """Each text is said once, whatever else the spec says by then."""
    a_script(here / "tts", SAYS)
    first = recorded(a_spec("One", "Two"), TTS, here / "en", parallel=1)
    second = recorded(a_spec("Two", "Three", "One", name="other"), TTS, here / "en", parallel=1)
    assert said(here) == ["One", "Two", "Three"]
    assert [take.cached for take in second.takes] == [True, False, True]
    assert second.takes[2].original == first.takes[0].original


@pytest.mark.parametrize("change", ["text", "command", "take"])
def test_another_text_voice_or_take_is_another_recording(here: Path, change: str) -> None:
    """The file's name is made of all three."""
    a_script(here / "tts", COUNTS)
    recorded(a_spec("One"), TTS, here / "en")
    spec = a_spec(lines=[{"kind": "phrase", "text": "One", "say": "Wun"}]) if change == "text" else a_spec("One")
    spec = a_spec("One", takes=2) if change == "take" else spec
    recorded(spec, f"{TTS} --slow" if change == "command" else TTS, here / "en")
    assert len(said(here)) == 2
    assert len(files(here / "en")) == 2


def test_damaged_recording_is_made_again(here: Path) -> None:
    """It is not lost either: the new one lies beside it."""
    a_script(here / "tts", SAYS)
    (take,) = recorded(a_spec("One"), TTS, here / "en").takes
    take.original.write_bytes(wav()[:1000])
    (again,) = recorded(a_spec("One"), TTS, here / "en").takes
    assert (again.cached, again.original.name) == (False, f"{take.original.stem}-2.wav")
    assert take.original.read_bytes() == wav()[:1000]
    assert recorded(a_spec("One"), TTS, here / "en").takes[0].original == again.original


def test_again(here: Path) -> None:
    """Everything is said anew; earlier recordings stay, and the newest one is found."""
    a_script(here / "tts", COUNTS)
    (first,) = recorded(a_spec("One"), TTS, here / "en").takes
    (second,) = recorded(a_spec("One"), TTS, here / "en", again=True).takes
    (third,) = recorded(a_spec("One"), TTS, here / "en", again=True).takes
    assert [take.original.read_bytes() for take in (first, second, third)] == [wav(300.0 + n) for n in (1, 2, 3)]
    assert recorded(a_spec("One"), TTS, here / "en").takes[0].original == third.original


def test_again_with_the_same_result(here: Path) -> None:
    """The very same recording is not kept twice."""
    a_script(here / "tts", SAYS)
    for again in (False, True, True):
        (take,) = recorded(a_spec("One"), TTS, here / "en", again=again).takes
    assert files(here / "en") == [take.original.name]
    assert said(here) == ["One"] * 3


def test_link_is_not_a_recording(here: Path) -> None:
    """What a link leads to is neither read nor written."""
    a_script(here / "tts", COUNTS)
    (take,) = recorded(a_spec("One"), TTS, here / "en").takes
    take.original.rename(here / "elsewhere.wav")
    take.original.symlink_to(here / "elsewhere.wav")
    (again,) = recorded(a_spec("One"), TTS, here / "en").takes
    assert not again.cached
    assert (here / "elsewhere.wav").read_bytes() == wav(301.0)


def test_originals_elsewhere_are_refused(here: Path) -> None:
    """Nothing is written through a link."""
    a_script(here / "tts", SAYS)
    (here / "en").mkdir()
    (here / "outside").mkdir()
    (here / "en" / "originals").symlink_to(here / "outside")
    with pytest.raises(PackError, match="en/originals leads out of the pack's folder; remove that link"):
        recorded(a_spec("One"), TTS, Path("en"))
    with pytest.raises(PackError, match=r"tone\.wav is a file; give a folder for the pack"):
        recorded(a_spec("One"), TTS, Path("tone.wav"))
    assert said(here) == []


def test_folder_that_cannot_be_written(here: Path) -> None:
    """The run ends; what is told names no text that was not tried."""
    a_script(here / "tts", 'rm -rf en; touch en; cat tone.wav > "$2"')
    result = recorded(a_spec("One", "Two"), TTS, here / "en", parallel=1)
    (found,) = reasons(result)
    assert found.startswith("'One': the recording cannot be written (")
    assert [untried.line.text for untried in result.untried] == ["Two"]


# Takes ------------------------------------------------------------------------------------------------------------


def test_takes_differ(here: Path) -> None:
    """Each is a clip of its own."""
    a_script(here / "tts", COUNTS)
    result = recorded(a_spec("One", takes=3), TTS, here / "en")
    assert [(take.number, take.line.clip_id(take.number)) for take in result.takes] == [
        (1, "one"), (2, "one-2"), (3, "one-3"),
    ]  # fmt: skip
    assert [take.original.read_bytes() for take in result.takes] == [wav(300.0 + n) for n in (1, 2, 3)]
    assert result.notes() == []


def test_tts_that_repeats_itself(here: Path) -> None:
    """One take is kept, that is no failure, and the next run knows it."""
    a_script(here / "tts", SAYS)
    for _ in range(2):
        result = recorded(a_spec("One", takes=3), TTS, here / "en")
        assert (len(result.takes), len(result.repeats), len(result.failures)) == (1, 2, 0)
        assert result.notes() == ["this TTS says 'One' the same way each time; 1 of 3 takes kept"]
    assert len(said(here)) == 3


def test_tts_that_knows_two_ways(here: Path) -> None:
    """Those two are kept."""
    a_script(here / "tts", 'echo >> said; n=$(( ($(wc -l < said) - 1) / 2 + 1 )); cat "tone$n.wav" > "$2"')
    result = recorded(a_spec("One", takes=3), TTS, here / "en")
    assert [take.number for take in result.takes] == [1, 3]
    assert result.notes() == ["this TTS repeats itself in 'One'; 2 of 3 takes kept"]


def test_failed_take_is_named(here: Path) -> None:
    """By its number, where there are several."""
    a_script(here / "tts", 'echo >> said; test $(wc -l < said) = 2 && exit 1; cat tone1.wav > "$2"')
    result = recorded(a_spec("One", takes=2), TTS, here / "en")
    assert reasons(result) == ["'One', take 2: the command ended with exit code 1"]


def test_most_common_rate_wins(here: Path) -> None:
    """Also against a recording that was there."""
    a_script(here / "tts", SAYS)
    (here / "tone.wav").write_bytes(wav(rate=8_000))
    recorded(a_spec("One"), TTS, here / "en")
    (here / "tone.wav").write_bytes(wav())
    result = recorded(a_spec("One", "Two", "Three"), TTS, here / "en")
    assert reasons(result)[0].startswith("'One': this recording came at 8000 Hz and the others at 24000 Hz")
    assert len(recorded(a_spec("One", "Two", "Three"), TTS, here / "en").takes) == 3
    assert len(files(here / "en")) == 5


# The run ----------------------------------------------------------------------------------------------------------


def test_plan(here: Path) -> None:
    """It says what is there and what is missing, and makes nothing."""
    a_script(here / "tts", SAYS)
    tts, spec = open_tts(TTS), a_spec("One", takes=2)
    assert plan(spec, tts, here / "en") == (Untried(spec.lines[0], 1), Untried(spec.lines[0], 2))
    assert not (here / "en").exists()
    record(spec, tts, here / "en")
    assert [type(outcome) for outcome in plan(spec, tts, here / "en")] == [Take, Repeat]
    anew = plan(spec, tts, here / "en", options=RecordOptions(again=True))
    assert [type(outcome) for outcome in anew] == [Untried, Untried]


def test_each_take_is_told(here: Path) -> None:
    """As soon as it is known; the result is in the spec's order all the same."""
    a_script(here / "tts", 'test "$1" = Two && exit 1; cat tone.wav > "$2"')
    told: list[Outcome] = []
    spec = a_spec("One", "Two", "Three", takes=2)
    result = record(spec, open_tts(TTS), here / "en", on_take=told.append, options=RecordOptions(parallel=3))
    assert len(told) == 6
    assert [take.line.text for take in result.takes] == ["One", "Three"]
    assert len(reasons(result)) == 2


def test_killed_run_goes_on(here: Path) -> None:
    """After SIGKILL there are no half files, and only what is missing is said."""
    os.mkfifo(here / "blocked")
    a_script(
        here / "tts", 'echo "$1" >> said; test "$1" = Three && ! test -e go && exec cat blocked; cat tone.wav > "$2"'
    )
    program = (
        "from pathlib import Path; from speech_rig import a_spec, recorded\n"
        f"recorded(a_spec('One', 'Two', 'Three', 'Four'), {TTS!r}, Path('en'), parallel=1)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=here, env=environment)
    with (here / "blocked").open("w"):  # opens once the third text is being said, and frees its command at the end
        process.send_signal(signal.SIGKILL)
        process.wait()
    (here / "en" / "originals" / f".one-0.wav.{process.pid}.part").write_bytes(wav()[:500])
    assert len([name for name in files(here / "en") if not name.startswith(".")]) == 2
    (here / "go").touch()
    result = recorded(a_spec("One", "Two", "Three", "Four"), TTS, here / "en", parallel=1)
    assert [take.cached for take in result.takes] == [True, True, False, False]
    assert said(here) == ["One", "Two", "Three", "Three", "Four"]
    assert len(files(here / "en")) == 4
    assert all(soundfile.info(here / "en" / "originals" / name).frames == 12_000 for name in files(here / "en"))


def test_facts_that_cannot_be_read(here: Path) -> None:
    """What somebody wrote into the file beside a recording is no reason to say it again."""
    a_script(here / "tts", SAYS)
    (take,) = recorded(a_spec("One"), TTS, here / "en").takes
    for content in ("", "[]", "{", json.dumps({"word_ends_ms": "no"}), json.dumps({"same_as": 3})):
        take.original.with_suffix(".json").write_text(content)
        (again,) = recorded(a_spec("One"), TTS, here / "en").takes
        assert (again.cached, again.word_ends_ms) == (True, ())

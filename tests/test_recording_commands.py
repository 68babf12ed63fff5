"""Recording through commands: real synthesisers, and scripts that misbehave."""

import asyncio
import os
import re
from pathlib import Path

import pytest
import soundfile
from speech_rig import a_script, a_spec, files, need, reasons, recorded, wav
from stopgap.fillers import UsageError
from stopgap.fillers.recording import RecordOptions, TtsOptions, open_tts
from stopgap.fillers.recording._process import run_command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a tone in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tone.wav").write_bytes(wav())
    return tmp_path


# Real ones --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tts",
    ["espeak-ng -v es -w {out} {text}", "espeak-ng -v es --stdout {text}", "espeak-ng -v es --stdin -w {out}"],
)
def test_espeak(here: Path, tts: str) -> None:
    """Text as an argument or on standard input, audio from a file or from standard output, accents and all."""
    need("espeak-ng")
    result = recorded(a_spec("Un momento, por favor", "Déjame ver…", language="es"), tts, here / "es")
    assert reasons(result) == []
    assert [take.rate for take in result.takes] == [22_050, 22_050]
    assert [re.sub("[0-9a-f]{12}", "#", name) for name in files(here / "es")] == [
        "dejame-ver-#.wav",
        "un-momento-por-favor-#.wav",
    ]


def test_flite(here: Path) -> None:
    """Its options come in another order."""
    need("flite")
    (take,) = recorded(a_spec("One moment"), "flite -voice slt -t {text} -o {out}", here / "en").takes
    assert soundfile.info(take.original).duration > 0.5


def test_text_is_no_option(here: Path) -> None:
    """A text that begins with a hyphen is spoken: espeak-ng would take this one for an option and say nothing."""
    need("espeak-ng")
    result = recorded(a_spec("-v one moment", "--version"), "espeak-ng -w {out} {text}", here / "en")
    assert all(soundfile.info(take.original).duration > 0.5 for take in result.takes)
    assert len(result.takes) == 2


def test_voice_that_is_missing(here: Path) -> None:
    """The last line of standard error is told."""
    need("espeak-ng")
    (found,) = reasons(recorded(a_spec("Um"), "espeak-ng -v nosuch -w {out} {text}", here / "en"))
    assert found == (
        "'Um': the command ended with exit code 1 and said \"Error: The specified espeak-ng voice does not exist.\""
    )


# Scripts ----------------------------------------------------------------------------------------------------------


def test_text_is_not_interpreted(here: Path) -> None:
    """No shell sees it, and its braces are its own."""
    a_script(here / "tts", 'printf "%s" "$1" > said; cat tone.wav > "$2"')
    text = "'; touch broken; $(touch broken) `touch broken` {out} * \\"
    assert len(recorded(a_spec(text), "./tts {text} {out}", here / "en").takes) == 1
    assert (here / "said").read_text() == text
    assert not (here / "broken").exists()


def test_text_may_be_part_of_a_word(here: Path) -> None:
    """After ``--text=`` a hyphen does no harm and nothing is put before it."""
    a_script(here / "tts", 'printf "%s" "$1" > said; cat tone.wav')
    recorded(a_spec("-um"), "./tts --text={text}", here / "en")
    assert (here / "said").read_text() == "--text=-um"


def test_files_stay_in_originals(here: Path) -> None:
    """Names come from slugs, whatever the text."""
    a_script(here / "tts", "cat tone.wav")
    recorded(a_spec("../../etc/passwd", "..", "/absolute/x"), "./tts {text}", here / "en")
    assert [re.sub("[0-9a-f]{12}", "#", name) for name in files(here / "en")] == [
        "absolute-x-#.wav",
        "clip-#.wav",
        "etc-passwd-#.wav",
    ]
    assert sorted(path.name for path in here.iterdir()) == ["en", "tone.wav", "tts"]


@pytest.mark.parametrize(
    "content", ['[{"word": "one", "end_s": 0.2}, {"word": "moment", "end_s": 0.45}]', "[0.2, 0.45]"]
)
def test_alignment(here: Path, content: str) -> None:
    """A command may tell where words end; the next run still knows."""
    a_script(here / "tts", f"echo '{content}' > \"$1\"; cat tone.wav")
    for cached in (False, True):
        (take,) = recorded(a_spec("One moment"), "./tts {alignment} {text}", here / "en").takes
        assert take.word_ends_ms == (200.0, 450.0)
        assert take.cached is cached


@pytest.mark.parametrize("content", ["[0.4, 0.2]", '{"words": []}', '["0.2"]', "[NaN]", "nothing", "[[]]", "[7.0]"])
def test_wrong_alignment(here: Path, content: str) -> None:
    """It is not passed over: who asks for it wants it right."""
    a_script(here / "tts", f"echo '{content}' > \"$1\"; cat tone.wav")
    (found,) = reasons(recorded(a_spec("One moment"), "./tts {alignment} {text}", here / "en"))
    assert "alignment" in found or "a word ends after the recording" in found


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "the command ended with exit code 3"),
        ("echo first >&2; echo 'no model' >&2; exit 1", 'the command ended with exit code 1 and said "no model"'),
        ("kill -9 $$", "the command was killed by signal 9"),
        ("exit 0", "the command returned nothing"),
        ("echo 'no licence' >&2", 'the command returned nothing and said "no licence"'),
        ("echo hello", 'the command returned text ("hello"), not audio'),
        ("head -c 20000 tone.wav", "what the command returned is truncated: 4044 bytes are missing"),
        ("head -c 60000000 /dev/zero", "the command printed more than 50 MB"),
    ],
)
def test_bad_command(here: Path, script: str, reason: str) -> None:
    """Each is a sentence that names the text."""
    a_script(here / "tts", script)
    (found,) = reasons(recorded(a_spec("Um"), "./tts {text}", here / "en"))
    assert found.startswith(f"'Um': {reason}")
    assert not (here / "en" / "originals").exists()


def test_file_that_is_not_written(here: Path) -> None:
    """Exit code 0 is not enough."""
    (found,) = reasons(recorded(a_spec("Um"), "true {text} {out}", here / "en"))
    assert found == "'Um': the command wrote no file to {out}"


def test_hanging_command_is_killed_with_its_children(here: Path) -> None:
    """The pipe that both hold open is closed at their deaths."""
    os.mkfifo(here / "alive")
    a_script(here / "tts", "exec 9> alive; echo up >&9; sleep 600 & sleep 600")
    reader = os.open(here / "alive", os.O_RDONLY | os.O_NONBLOCK)
    try:
        result = recorded(a_spec("Um"), "./tts {text}", here / "en", timeout_s=1.0)
        assert reasons(result) == ["'Um': the command did not end within 1 s"]
        os.set_blocking(reader, True)
        while os.read(reader, 100):  # ends when nobody holds it open any more
            pass
    finally:
        os.close(reader)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 6, 10, 30])
def test_command_that_is_given_up_at_once_leaves_nothing(here: Path, turns: int) -> None:
    """Also while asyncio is still connecting its pipes, and the command has started others already."""
    os.mkfifo(here / "alive")
    a_script(here / "tts", "exec 9<> alive; sleep 600 & sleep 600")

    async def give_up() -> None:
        task = asyncio.create_task(run_command(["./tts"], None, 1000))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    reader = os.open(here / "alive", os.O_RDONLY | os.O_NONBLOCK)
    try:
        asyncio.run(give_up())
        os.set_blocking(reader, True)
        assert os.read(reader, 100) == b""  # ends when nobody holds it open any more
    finally:
        os.close(reader)


def test_server_that_a_command_leaves_running(here: Path) -> None:
    """Some start a helper on their first call, which keeps their output open: nobody waits for it."""
    a_script(here / "tts", 'sleep 3 & cat tone.wav > "$1"')
    assert len(recorded(a_spec("Um"), "./tts {out} {text}", here / "en").takes) == 1


def test_raw_pcm(here: Path) -> None:
    """Piper's --output-raw, for one."""
    a_script(here / "tts", "tail -c +45 tone.wav")
    asked = TtsOptions(format="pcm", rate=24_000)
    (take,) = recorded(a_spec("Um"), "./tts {text}", here / "en", asked=asked).takes
    assert (take.rate, soundfile.info(take.original).frames) == (24_000, 12_000)


@pytest.mark.parametrize(
    ("tts", "message"),
    [
        ("espeak-ng", "is no URL, no package.module:function, and as a command lacks {text} and {out}"),
        ("cat '{text}", "is no command line (No closing quotation); close its quotes"),
        ("cat {txt} {out}", "has {txt}; a command has {text}, {out} and {alignment}"),
        ("no-such-program {text}", "there is no program 'no-such-program'"),
        ("{text} {out}", "begins with a placeholder"),
        (
            "sh -c 'espeak-ng -w {out} \"{text}\"'",
            "the shell would run what a text says; pass it as an argument: sh -c",
        ),
        ("/bin/bash -lc 'say {text}' {out}", "puts {text} into a script"),
        ("", "lacks {text} and {out}"),
    ],
)
def test_wrong_command(tts: str, message: str) -> None:
    """It is told before anything is run."""
    with pytest.raises(UsageError, match=re.escape(message)):
        open_tts(tts)


def test_endpoint_options_are_refused() -> None:
    """They would be passed over."""
    with pytest.raises(UsageError, match="--tts-voice is for speech endpoints; write it into the command itself"):
        open_tts("cat {text}", TtsOptions(voice="v"))


@pytest.mark.parametrize("how", [{"timeout_s": float("nan")}, {"timeout_s": 0.0}, {"per_minute": float("nan")}])
def test_wrong_numbers(how: dict[str, float]) -> None:
    """NaN is none."""
    with pytest.raises(UsageError, match="is no number"):
        RecordOptions(**how)  # type: ignore[arg-type]

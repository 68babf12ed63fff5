"""``stopgap pack record``: from a spec and a TTS to a pack that loads."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from speech_rig import Answer, a_script, need, speech_server, wav
from stopgap.fillers import ClipBank, bundled_folder, load_pack, read_manifest
from stopgap.fillers.checking import check_pack
from stopgap.fillers.recording import TtsFormat
from stopgap.fillers.texts import read_bank

Run = Callable[..., Any]

SPEC = """
name = "My Agent"
language = "en-GB"
voice = "Ann"
licence = "CC0"
lines = [
  { kind = "hesitation", text = "Um" },
  { kind = "phrase", text = "One moment, please", takes = 2 },
  { kind = "progress", text = "Still looking", order = 2, claims_work = true, weight = 3.0 },
]
"""
TTS = "./tts {text} {out}"
BEDS = [clip for clip in read_manifest(bundled_folder() / "en-us").clips if not clip.kind.spoken]
COUNTS = 'echo "$1" >> said; n=$(wc -l < said); cat "tone$n.wav" > "$2"'
"""Another tone each time."""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The current folder, once a command runs: a spec, and a TTS that says another tone each time."""
    (tmp_path / "agent.toml").write_text(SPEC, encoding="utf-8")
    for number in range(1, 10):
        (tmp_path / f"tone{number}.wav").write_bytes(wav(300.0 + 20.0 * number))
    a_script(tmp_path / "tts", COUNTS)
    return tmp_path


def test_one_command_makes_a_pack(run: Run, here: Path) -> None:
    """The clips carry what the spec says of them; the recordings lie beside them as they came."""
    ended = run("pack", "record", "agent.toml", "--tts", TTS, "--parallel", 1)
    assert (ended.code, ended.err) == (0, "")
    assert "my-agent: 4 takes recorded with tts\n" in ended.out
    assert "my-agent: 9 clips prepared\n" in ended.out
    assert "look and listen: stopgap pack preview my-agent\n" in ended.out
    assert 'use it: packs = ["my-agent"] and language = "en-GB"' in ended.out
    manifest, clips = load_pack(here / "my-agent")
    assert (manifest.name, manifest.language, manifest.voice, manifest.licence) == ("My Agent", "en-GB", "Ann", "CC0")
    assert [(clip.id, clip.kind.value) for clip in clips] == [
        ("um", "hesitation"),
        ("one-moment-please", "phrase"),
        ("one-moment-please-2", "phrase"),
        ("still-looking", "progress"),
        *((clip.id, clip.kind.value) for clip in BEDS),
    ]
    last = manifest.clips[3]
    assert (last.text, last.order, last.claims_work, last.weight) == ("Still looking", 2, True, 3.0)
    assert last.steps[0].step == "recorded"
    assert last.original is not None
    assert (here / "my-agent" / last.original).read_bytes() == wav(380.0)
    assert check_pack(str(here / "my-agent")).errors == ()
    ClipBank([here / "my-agent"])


def test_second_run_asks_for_nothing(run: Run, here: Path) -> None:
    """The pack is the same; with other settings its clips are prepared anew from the same recordings."""
    run("pack", "record", "agent.toml", "--tts", TTS)
    before = (here / "my-agent" / "pack.toml").read_bytes()
    ended = run("pack", "record", "agent.toml", "--tts", TTS)
    assert "0 takes recorded with tts, 4 there before" in ended.out
    assert (here / "my-agent" / "pack.toml").read_bytes() == before
    assert run("pack", "record", "agent.toml", "--tts", TTS, "--loudness", -30, "--rate", 16_000).code == 0
    manifest, clips = load_pack(here / "my-agent")
    assert manifest.preparation is not None
    assert manifest.preparation.loudness == -30
    assert {clip.rate for clip in clips} == {16_000}
    assert {step.facts["target"] for step in manifest.clips[-1].steps if step.step == "loudness"} == {-42.0}
    assert len((here / "said").read_text().splitlines()) == 4


@pytest.mark.parametrize(("takes", "clips"), [(1, 3), (3, 9)])
def test_takes(run: Run, here: Path, takes: int, clips: int) -> None:
    """The command's number is for all lines."""
    assert run("pack", "record", "agent.toml", "--tts", TTS, "--takes", takes, "--out", "p", "--no-beds").code == 0
    assert len(read_manifest(here / "p").clips) == clips


def test_failures_are_listed_and_the_rest_is_kept(run: Run, here: Path) -> None:
    """Exit code 1; the same command tries again what failed."""
    a_script(here / "tts", f'test "$1" = Um && ! test -e go && echo "no breath" >&2 && exit 1; {COUNTS}')
    ended = run("pack", "record", "agent.toml", "--tts", TTS)
    assert ended.code == 1
    assert ended.err == "failed: 'Um': the command ended with exit code 1 and said \"no breath\"\n"
    assert "3 takes recorded with tts, 1 missing: the same command tries them again" in ended.out
    assert len(load_pack(here / "my-agent")[1]) == 3 + len(BEDS)
    (here / "go").touch()
    assert run("pack", "record", "agent.toml", "--tts", TTS).code == 0
    assert len(load_pack(here / "my-agent")[1]) == 4 + len(BEDS)


def test_nothing_recorded_makes_no_pack(run: Run, here: Path) -> None:
    """All failed: there is no folder that looks like a pack."""
    ended = run("pack", "record", "agent.toml", "--tts", "false {text}")
    assert ended.code == 1
    assert ended.err.count("\n") == 4
    assert not (here / "my-agent").exists()


def test_json(run: Run, here: Path) -> None:
    """All of it for programs; a take that repeats another is told apart from a failure."""
    a_script(here / "tts", 'test "$1" = Um && exit 1; cat tone1.wav > "$2"')
    ended = run("pack", "record", "agent.toml", "--tts", TTS, "--json", "--no-beds")
    assert ended.code == 1
    told = json.loads(ended.out)
    assert (told["pack"], told["tts"]) == ("my-agent", "tts")
    assert [take["clip"] for take in told["takes"]] == ["one-moment-please", "still-looking"]
    assert told["repeats"] == [{"clip": "one-moment-please-2", "text": "One moment, please", "take": 2}]
    assert told["notes"] == ["this TTS says 'One moment, please' the same way each time; 1 of 2 takes kept"]
    assert [(failed["clip"], failed["take"]) for failed in told["not_recorded"]] == [("um", 1)]
    assert told["not_tried"] == told["failures"] == []
    assert [made["id"] for made in told["made"]] == ["one-moment-please", "still-looking"]


def test_dry_run(run: Run, here: Path) -> None:
    """It lists what is there and what is missing, and writes nothing."""
    ended = run("pack", "record", "agent.toml", "--tts", TTS, "--dry-run")
    assert ended.code == 0
    assert "4 of 4 takes to record" in ended.out
    assert not (here / "my-agent").exists()
    run("pack", "record", "agent.toml", "--tts", TTS, "--takes", 1)
    told = json.loads(run("pack", "record", "agent.toml", "--tts", TTS, "--dry-run", "--json").out)
    assert told["to_record"] == 1
    assert [take["state"] for take in told["takes"]] == ["there", "there", "to record", "there"]


def test_odd_folder_names(run: Run, here: Path) -> None:
    """What is told to be copied can be copied: TOML is TOML, and a name is no option."""
    ended = run("pack", "record", "agent.toml", "--tts", TTS, "--takes", 1, "--out", '-my"pack\\')
    assert ended.code == 0
    assert "pack preview './-my\"pack\\'\n" in ended.out
    assert 'packs = ["-my\\"pack\\\\"] and language = ' in ended.out


def test_name_too_long(run: Run, here: Path) -> None:
    """No disk has room for it; that is one sentence for every command."""
    name = "x" * 300
    for words in (["check", name], ["prepare", name], ["record", "agent.toml", "--tts", TTS, "--out", name]):
        ended = run("pack", *words)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "(File name too long); name another" in ended.err


def test_bundled_texts(run: Run, here: Path) -> None:
    """A language stands for the texts that come with stopgap."""
    need("espeak-ng")
    ended = run("pack", "record", "es", "--tts", "espeak-ng -v es -w {out} {text}", "--out", "es", "--takes", 1)
    assert (ended.code, ended.err) == (0, "")
    manifest, clips = load_pack(here / "es")
    assert manifest.language == "es"
    assert len(clips) == len(read_bank("es").lines) + len(BEDS)


def test_region_of_bundled_texts(run: Run, here: Path) -> None:
    """The voice is of the region that was asked for, whatever the texts' own."""
    run("pack", "record", "en-GB", "--tts", TTS, "--out", "british", "--takes", 1, "--no-beds")
    assert load_pack(here / "british")[0].language == "en-GB"


def test_endpoint(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its voice is the spec's if none is given; the key is nowhere to be read, whatever happens."""
    monkeypatch.setenv("MY_KEY", "sk-secret-9")
    with speech_server() as server:
        server.answers["Um"] = [Answer(b'{"error": {"message": "sk-secret-9 may not say Um"}}', 400)]
        ended = run("pack", "record", "agent.toml", "--tts", server.url, "--tts-key-env", "MY_KEY")
    assert ended.code == 1
    assert 'HTTP 400 and said "(key) may not say Um"' in ended.err
    assert {body["voice"] for body in server.asked} == {"Ann"}
    assert set(server.keys) == {"Bearer sk-secret-9"}
    written = [file.read_bytes() for file in here.rglob("*") if file.is_file()]
    assert not any(b"sk-secret-9" in content for content in (*written, ended.out.encode(), ended.err.encode()))


def test_refused_key_leaves_the_rest_untried(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and which texts were not tried."""
    monkeypatch.setenv("MY_KEY", "sk-secret-9")
    with speech_server() as server:
        server.answers |= {text: [Answer(b"", 401)] for text in ("Um", "One moment, please", "Still looking")}
        ended = run(
            "pack", "record", "agent.toml", "--tts", server.url, "--tts-key-env", "MY_KEY", "--parallel", 1
        )  # fmt: skip
    assert ended.code == 1
    assert ended.err.splitlines() == [
        "failed: 'Um': the endpoint refused access (HTTP 401); check the key",
        "not tried: 'One moment, please' (one-moment-please)",
        "not tried: 'One moment, please' (one-moment-please-2)",
        "not tried: 'Still looking' (still-looking)",
    ]


def test_python_callable(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in the current folder; where words end becomes cut marks."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (here / "my_agents_tts.py").write_text(
        "import numpy as np\n"
        "from stopgap.fillers.recording import Speech\n"
        "async def speak(text):\n"
        "    at = np.arange(24000) / 24000\n"
        "    sound = 0.3 * np.sin(2 * np.pi * (200 + len(text)) * at) * (np.abs(at - 0.5) > 0.06)\n"
        "    return Speech(sound.astype(np.float32), 24000, (440.0, 1000.0))\n",
        encoding="utf-8",
    )
    assert run("pack", "record", "agent.toml", "--tts", "my_agents_tts:speak", "--takes", 1).code == 0
    entry = read_manifest(here / "my-agent").clips[0]
    assert entry.word_ends_ms == (440.0, 1000.0)


def test_what_a_module_prints_is_not_the_report(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models like to say that they load."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (here / "chatty_tts.py").write_text(
        "import numpy as np\nprint('loading')\n"
        "def speak(text):\n    print('speaking')\n"
        "    return (0.3 * np.sin(np.arange(24000) * 0.05 * (1 + len(text)))).astype(np.float32), 24000\n",
        encoding="utf-8",
    )
    ended = run("pack", "record", "agent.toml", "--tts", "chatty_tts:speak", "--takes", 1, "--json")
    assert len(json.loads(ended.out)["takes"]) == 3
    assert ended.err.split() == ["loading", *["speaking"] * 3]


def test_lines_that_the_spec_no_longer_has(run: Run, here: Path) -> None:
    """Their clips stay, and this is said; so does what they had from the pack, when the pack is told otherwise."""
    run("pack", "record", "agent.toml", "--tts", TTS)
    changed = SPEC.replace('"Um"', '"Eh"').replace("en-GB", "en-US").replace('"Ann"', '"Bea"').replace("CC0", "ours")
    (here / "agent.toml").write_text(changed, encoding="utf-8")
    ended = run("pack", "record", "agent.toml", "--tts", TTS, "--takes", 1)
    assert (
        "note: clips of earlier recordings that are not in this spec stay: um, one-moment-please-2; to drop one, "
        "delete its [[clips]] from my-agent/pack.toml\n"
    ) in ended.out
    clips = {clip.id: (clip.language, clip.voice, clip.licence) for clip in load_pack(here / "my-agent")[1]}
    assert clips["um"] == clips["one-moment-please-2"] == ("en-GB", "Ann", "CC0")
    assert clips["eh"] == clips["one-moment-please"] == ("en-US", "Bea", "ours")


def test_recordings_join_a_pack_at_its_level(run: Run, here: Path) -> None:
    """Speech that is there and not recorded anew says how loud the pack is."""
    run("pack", "record", "agent.toml", "--tts", TTS, "--loudness", -33)
    (here / "more.toml").write_text(SPEC.replace('"Um"', '"Eh"'), encoding="utf-8")
    assert run("pack", "record", "more.toml", "--tts", TTS).code == 0
    manifest = read_manifest(here / "my-agent")
    assert manifest.preparation is not None
    assert manifest.preparation.loudness == -33
    assert max(abs(clip.loudness_dbfs or 0.0) for clip in manifest.clips if clip.kind.spoken) > 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothere.toml", "--tts", TTS), "nothere.toml does not exist; give the path of a spec file"),
        (("xx", "--tts", TTS), "write one of de, en, es, fr, pt, or the path of a spec, a TOML file"),
        (("agent.toml", "--tts", "nosuch {text}"), "there is no program 'nosuch'"),
        (("agent.toml", "--tts", TTS, "--loudness", "loud"), "--loudness 'loud' is no number; write LUFS like -20"),
        (("agent.toml", "--tts", TTS, "--loudness", "3"), "loudness = 3.0 is not possible"),
        (("agent.toml", "--tts", TTS, "--tts-speed", "1.2"), "--tts-speed is for speech endpoints"),
        (("agent.toml", "--tts", TTS, "--out", "agent.toml"), "agent.toml is a file; give a folder for the pack"),
    ],
)
def test_wrong_usage(run: Run, here: Path, arguments: tuple[str, ...], message: str) -> None:
    """One sentence, before anything is said."""
    ended = run("pack", "record", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert not (here / "said").exists()


def test_formats_of_the_command_are_those_of_the_library() -> None:
    """They are written twice, since the command's help must not load numpy."""
    from typing import get_args

    from stopgap.cli.pack._record import AudioFormat

    assert [form.value for form in AudioFormat] == list(get_args(TtsFormat))


@pytest.mark.parametrize(
    ("number", "shell"),
    [(signal.SIGINT, ()), (signal.SIGTERM, ()), (signal.SIGTERM, ("sh", "-c", 'trap "" INT; exec "$@"', "sh"))],
    ids=["Ctrl-C", "SIGTERM", "SIGTERM in the background, where Ctrl-C is ignored"],
)
def test_interrupted_run_goes_on(here: Path, number: signal.Signals, shell: tuple[str, ...]) -> None:
    """Ctrl-C, or SIGTERM, ends the TTS with all that it started; what was recorded is kept."""
    os.mkfifo(here / "alive")
    stuck = 'test "$1" = "Still looking" && ! test -e go && exec 9> alive && { sleep 600 & sleep 600; }'
    a_script(here / "tts", f"{stuck}; {COUNTS}")
    command = [sys.executable, "-c", "from stopgap.cli import main; main()", "pack", "record", "agent.toml"]
    command += ["--tts", TTS, "--parallel", "1"]
    process = subprocess.Popen([*shell, *command], cwd=here, stderr=subprocess.PIPE, text=True)
    with (here / "alive").open() as pipe:  # opens once the last text is being said
        process.send_signal(number)
        assert pipe.read() == ""  # ends when nobody holds it open any more
    assert process.communicate(timeout=60)[1] == (
        "interrupted: what was recorded is kept, and the same command goes on\n"
    )
    assert process.returncode == 130
    (here / "go").touch()
    ended = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=60)
    assert "1 take recorded with tts, 3 there before" in ended.stdout
    assert len(tomllib.loads((here / "my-agent" / "pack.toml").read_text(encoding="utf-8"))["clips"]) == 4 + len(BEDS)

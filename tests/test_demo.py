"""The demo: the same turns under every policy, and a file without flaws."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from stopgap import ClipBank
from stopgap.cli._app import app
from stopgap.fillers import Samples
from typer.testing import CliRunner

POLICIES = ("none", "ladder", "predictive")


def run(*arguments: str) -> str:
    """Run the demo and return what it printed to stdout."""
    result = CliRunner().invoke(app, ["demo", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_fillers_reduce_dead_air_and_prediction_reduces_cost(seed: int, tmp_path: Path) -> None:
    """On the same turns fillers leave less dead air than none, and predictive costs less than the ladder."""
    printed = json.loads(run("--json", "--seed", str(seed), "--out", str(tmp_path / "demo.wav")))
    totals = printed["totals"]
    assert totals["ladder"]["dead_air"] < totals["none"]["dead_air"]
    assert totals["predictive"]["dead_air"] < totals["none"]["dead_air"]
    assert totals["predictive"]["cost"] < totals["ladder"]["cost"] < totals["none"]["cost"]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_file_has_no_click_no_clipping_and_no_words_over_the_reply(
    policy: str, tmp_path: Path, bank: ClipBank
) -> None:
    """No sample step is larger than the material's own, nothing clips, and only a fade sounds over the reply."""
    path = tmp_path / "demo.wav"
    printed = json.loads(run("--json", "--policy", policy, "--turns", "8", "--out", str(path)))
    samples, rate = soundfile.read(path, dtype="float32")
    assert np.abs(samples).max() < 1.0
    step = max(largest_step(clip.samples) for clip in bank.clips(rate))
    lines = [line for folder in ("user", "reply") for line in demo_lines(folder)]
    own = max(step, max(largest_step(line) for line in lines) * 32_000 / rate)
    assert largest_step(samples) <= own * 1.05
    for turn in printed["turns"]:
        assert turn["reply_start_ms"] >= turn["reply_ready_ms"]
        for sound in turn["sounds"]:
            fade_ms = 20.0 if sound["kind"] in ("ambience", "hold") else 0.0
            assert sound["end_ms"] <= turn["reply_start_ms"] + fade_ms + 1e-3


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    """--plot writes a picture beside the sound."""
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    run("--turns", "2", "--out", str(tmp_path / "demo.flac"), "--plot", str(tmp_path / "demo.png"))
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--policy", "clever"), "none, ladder, predictive"),
        (("--out", "demo.mp3"), ".wav"),
        (("--out", "no/such/folder/demo.wav"), "folder that exists"),
        (("--device", "no such device"), "no such device"),
    ],
)
def test_bad_options_are_one_sentence(arguments: tuple[str, ...], word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong option names what to write instead, and nothing is played."""
    result = CliRunner().invoke(app, ["demo", *arguments])
    assert result.exit_code != 0
    said = result.output + str(result.exception)
    assert word in said or "PortAudio is not installed" in said


def largest_step(samples: Samples) -> float:
    return float(np.abs(np.diff(samples)).max())


def demo_lines(role: str) -> list[Samples]:
    from stopgap.fillers import bundled_folder

    return [
        soundfile.read(path, dtype="float32")[0] for path in sorted((bundled_folder() / "demo" / role).glob("*.flac"))
    ]


@pytest.mark.parametrize(("language", "said"), [("es-MX", "es-ES"), ("de", "de-DE")])
def test_another_language(language: str, said: str, tmp_path: Path) -> None:
    """Questions and fillers are in the language asked for, of whatever region; beds are those of the English pack."""
    printed = json.loads(run("--json", "--language", language, "--turns", "8", "--out", str(tmp_path / "demo.wav")))
    of_pack = {clip.id: clip for clip in ClipBank(["en-us", "es-es", "de-de"]).catalog}
    heard = {sound["clip"] for turn in printed["turns"] for sound in turn["sounds"]}
    languages = {of_pack[clip].language for clip in heard}
    assert said in languages
    assert languages <= {said, "zxx"}


def test_a_language_that_the_demo_does_not_speak() -> None:
    """The languages that it has are named."""
    result = CliRunner().invoke(app, ["demo", "--language", "fi"])
    assert "the demo does not speak 'fi'; choose en, de, es" in str(result.exception)

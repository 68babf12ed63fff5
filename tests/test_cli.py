"""The command line: what it prints, how it ends, and what it leaves behind."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from stopgap.benchmarks import benchmark_config, best_ladder, read_trace
from stopgap.fillers import ClipBank, Config, UsageError, load_config

HEADER = "turn_id,conversation_id,started_at,agent,tool,tool_started_ms,tool_ended_ms,reply_ready_ms,cancelled_ms\n"


Run = Callable[..., Any]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace of a few turns, one with a tool and one that was cancelled."""
    path = tmp_path / "trace.csv"
    rows = [f"t{n},c{n % 2},{20 * n},a,,,,{700 + 400 * n},\n" for n in range(5)]
    path.write_text(
        HEADER + "".join(rows) + "t5,c1,100,a,look,500,6000,8000,\nt6,c0,120,a,,,,,2500\n", encoding="utf-8"
    )
    return path


@pytest.fixture
def no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take all audio devices away."""
    from stopgap.fillers import OutputError

    def refuse() -> Any:
        raise OutputError("PortAudio is not installed; install it or write to a file")

    monkeypatch.setattr("stopgap.engine.outputs.load_sounddevice", refuse)
    monkeypatch.setattr("stopgap.engine.outputs._device.load_sounddevice", refuse)


def one_line(ended: Any) -> str:
    """Return the one line on stderr of a run that refused its input; nothing else was said."""
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("stopgap: ")
    assert ended.err.count("\n") == 1
    return str(ended.err)


# The program ------------------------------------------------------------------------------------------------------


def test_help_names_every_command(run: Run) -> None:
    """``--help`` lists the commands, and every command has a help of its own."""
    shown = run("--help")
    assert shown.code == 0
    for name in (
        "demo",
        "play",
        "devices",
        "doctor",
        "replay",
        "metrics",
        "compare",
        "pack",
        "config",
        "bench",
        "trace",
    ):
        assert re.search(rf"\b{name}\b", shown.out)
        assert run(name, "--help").code == 0


def test_version(run: Run) -> None:
    """``--version`` prints the version and nothing else."""
    import stopgap

    assert run("--version") == (0, f"stopgap {stopgap.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["frobnicate"], ["play"], ["replay", "x", "--wrong"], ["config", "chekc"]])
def test_wrong_usage_ends_with_2(run: Run, arguments: list[str]) -> None:
    """An unknown command or option, or a missing argument, ends with 2 and says so on stderr."""
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


def test_runs_as_a_module() -> None:
    """``python -m stopgap`` is the same program."""
    done = subprocess.run([sys.executable, "-m", "stopgap", "--version"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.startswith("stopgap ")


def test_help_loads_nothing_heavy() -> None:
    """Help must not wait for numpy, pydantic or an audio library."""
    code = (
        "import sys\nfrom stopgap.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'pydantic', 'sounddevice', 'soundfile') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently there")
def test_a_reader_that_leaves_is_no_error() -> None:
    """``stopgap pack list | head -1`` prints no traceback."""
    command = f"{sys.executable} -m stopgap pack list --json | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [(UsageError("wrong\nthing"), 2, "stopgap: wrong thing\n"), (KeyboardInterrupt(), 130, "")],
)
def test_what_ends_a_command(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    """Our errors are one line, and Ctrl-C needs no words."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("stopgap.fillers.load_config", fail)
    assert run("config", "show") == (code, "", said)


# play -------------------------------------------------------------------------------------------------------------


def test_play_writes_a_clip(run: Run, bank: ClipBank) -> None:
    """A clip given by its id lands in the file, sample for sample at the configured rate."""
    ended = run("play", "um", "--out", "um.wav")
    assert ended.code == 0
    assert '"Um"' in ended.out
    heard, rate = soundfile.read("um.wav", dtype="float32")
    clip = next(clip for clip in bank.clips(rate) if clip.id == "um")
    assert rate == 48_000
    np.testing.assert_allclose(heard, clip.samples, atol=1e-4)


def test_play_takes_a_clip_of_a_kind(run: Run) -> None:
    """A kind plays one of its clips."""
    ended = run("play", "progress", "--out", "x.flac")
    assert ended.code == 0
    assert "(progress, " in ended.out


def test_play_loops_for_the_seconds_asked(run: Run) -> None:
    """A loop lasts as long as asked and fades out at its end."""
    assert run("play", "ambience", "--out", "x.wav", "--seconds", "9.5").code == 0
    heard, rate = soundfile.read("x.wav")
    assert len(heard) == round(9.5 * rate)
    assert abs(heard[-1]) < 0.001
    assert np.abs(heard[-rate:]).max() > 0.001


def test_play_obeys_the_configuration(run: Run) -> None:
    """The configured rate and the kind's gain hold."""
    Path("c.toml").write_text("[output]\nrate = 16000\n[kinds.hesitation]\ngain_db = -20\n", encoding="utf-8")
    run("play", "um", "--out", "soft.wav", "--config", "c.toml")
    run("play", "um", "--out", "plain.wav")
    (soft, rate), (plain, _) = soundfile.read("soft.wav"), soundfile.read("plain.wav")
    assert rate == 16_000
    assert np.abs(soft).max() == pytest.approx(0.1 * np.abs(plain).max(), rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense", "--out", "x.wav"], "neither a kind (backchannel, "),
        (["um", "--out", "x.mp3"], "neither .wav nor .flac"),
        (["um", "--out", "none/x.wav"], "cannot be written"),
        (["um", "--out", "x.wav", "--device", "0"], "--device and --out"),
        (["um", "--config", "none.toml"], "none.toml does not exist"),
    ],
)
def test_play_refuses(run: Run, arguments: list[str], said: str) -> None:
    """What cannot be played is named, and no file is left."""
    assert said in one_line(run("play", *arguments))
    assert not list(Path().iterdir())


@pytest.mark.usefixtures("no_device")
def test_play_without_a_device_tells_of_out(run: Run) -> None:
    """Where nothing can be played, the message names the option that works."""
    assert "--out FILE.wav" in one_line(run("play", "um"))


def test_play_is_heard(null_sink: Any, bank: ClipBank) -> None:
    """Through a device the clip sounds, whole; a machine that is busy may put silence between its parts."""
    file = null_sink.record()
    environment = {**os.environ, **null_sink.environment}
    command = [sys.executable, "-m", "stopgap", "play", "one-moment"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    said = [line for line in done.stderr.splitlines() if not line.startswith("ALSA lib")]  # of a machine that is busy
    assert (done.returncode, said) == (0, [])
    clip = next(clip for clip in bank.clips(null_sink.rate) if clip.id == "one-moment")
    heard, whole = (np.count_nonzero(np.abs(samples) > 1e-3) for samples in (null_sink.recorded(file), clip.samples))
    assert heard == pytest.approx(whole, rel=0.05)


# devices, doctor --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_device")
def test_devices_without_portaudio(run: Run) -> None:
    """Without PortAudio there is one sentence, and the check has failed."""
    ended = run("devices")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("stopgap: PortAudio is not installed")


def test_devices_as_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output devices are listed, inputs are not, and the default is marked."""

    class Sd:
        PortAudioError = RuntimeError

        @staticmethod
        def query_hostapis(number: int) -> dict[str, Any]:
            return {"name": f"api {number}"}

        @staticmethod
        def query_devices(device: int | None = None, kind: str | None = None) -> Any:
            facts = {"hostapi": 0, "default_samplerate": 44100.0}
            facts |= {"default_low_output_latency": 0.01, "default_high_output_latency": 0.05}
            all_of_them = [
                {"index": n, "name": f"card [{n}]", "max_output_channels": channels, **facts}
                for n, channels in enumerate((0, 2, 1))
            ]
            return all_of_them if kind is None else all_of_them[1]

    monkeypatch.setattr("stopgap.engine.outputs.load_sounddevice", Sd)
    listed = json.loads(run("devices", "--json").out)
    assert [(d["index"], d["name"], d["default"]) for d in listed] == [(1, "card [1]", True), (2, "card [2]", False)]
    assert listed[0]["latency_low_ms"] == 10.0
    assert "card [2]" in run("devices").out


@pytest.mark.usefixtures("no_device")
def test_doctor_is_content_without_a_device(run: Run) -> None:
    """A server has no sound card: that is a warning, not a failure."""
    ended = run("doctor", "--json")
    report = json.loads(ended.out)
    states = {check["what"]: check["state"] for check in report["checks"]}
    assert ended.code == 0
    assert report["ok"] is True
    assert states["PortAudio"] == "warning"
    assert states["numpy"] == states["pack en-us"] == states["configuration"] == "ok"


def test_doctor_finds_a_wrong_configuration(run: Run) -> None:
    """A configuration that cannot be used is an error with its sentence."""
    Path("c.toml").write_text('mode = "perfect"\n', encoding="utf-8")
    ended = run("doctor", "--config", "c.toml")
    assert ended.code == 1
    assert "mode = 'perfect'" in ended.out
    assert run("doctor", "--config", "none.toml").code == 1


# pack -------------------------------------------------------------------------------------------------------------


def test_pack_list(run: Run, bank: ClipBank) -> None:
    """Every clip of the bundled packs is listed, for people and for programs."""
    packs = {pack["pack"]: pack for pack in json.loads(run("pack", "list", "--json").out)}
    assert sorted(packs) == ["de-de", "en-us", "es-es"]
    pack = packs["en-us"]
    assert [clip["id"] for clip in pack["clips"]] == [clip.id for clip in bank.originals]
    shown = run("pack", "list", "en-us")
    assert shown.code == 0
    assert all(clip.id in shown.out for clip in bank.originals)


def test_the_bundled_pack_is_without_fault(run: Run) -> None:
    """What we ship passes our own check; what it warns of stands in test_pack_check.py."""
    ended = run("pack", "check", "en-us", "--json")
    report = json.loads(ended.out)
    assert ended.code == 0
    assert (report["ok"], report["errors"]) == (True, [])


def test_pack_check_finds_faults(run: Run) -> None:
    """Each fault of a pack is named with its clip: errors end with 1, warnings with 0."""
    rate, rng = 16_000, np.random.default_rng(1)
    sine = np.sin(2 * np.pi * 220 * np.arange(rate) / rate) * np.hanning(rate)
    sounds = {
        "clipped": np.clip(4 * sine, -1, 1),
        "click": 0.3 * np.cos(np.arange(8000) / 50) + 0.1,
        "soft": 0.01 * sine,
        "silent": np.zeros(4000),
        "seam": np.linspace(-0.5, 0.5, rate) + 0.001 * rng.standard_normal(rate),
    }
    Path("pack").mkdir()
    manifest = 'format = 1\nname = "p"\nlanguage = "en"\nlicence = "MIT"\n'
    for name, samples in sounds.items():
        soundfile.write(f"pack/{name}.wav", samples, rate)
        kind = "ambience" if name == "seam" else "phrase"
        manifest += f'[[clips]]\nid = "{name}"\nfile = "{name}.wav"\nkind = "{kind}"\ntext = "x y"\n'
    Path("pack/pack.toml").write_text(manifest, encoding="utf-8")
    ended = run("pack", "check", "pack", "--json")
    assert ended.code == 0
    warnings = json.loads(ended.out)["warnings"]
    for found in (
        "clipped: is clipped", "clipped: lasts 1.00 s without a cut mark", "click: starts at 0.4", "silent: is silent",
        "seam: steps by", "phrase: loudness spreads", "hesitation (en): no clips",
    ):  # fmt: skip
        assert any(found in warning for warning in warnings), found
    Path("pack/soft.wav").write_bytes(b"")
    Path("pack/click.wav").unlink()
    ended = run("pack", "check", "pack")
    assert ended.code == 1
    assert "soft.wav is empty" in ended.out
    assert "'click.wav' is missing" in ended.out


def test_pack_check_lists_every_wrong_key(run: Run) -> None:
    """All problems of a manifest are told at once."""
    Path("pack").mkdir()
    Path("pack/pack.toml").write_text('format = 2\nname = "p"\nlangauge = "en"\n', encoding="utf-8")
    ended = run("pack", "check", "pack")
    assert ended.code == 1
    assert "format = 2" in ended.out
    assert "did you mean language?" in ended.out
    assert "licence is missing" in ended.out


def test_a_pack_that_is_not_there(run: Run) -> None:
    """An unknown pack is wrong usage."""
    assert "'none' not found" in one_line(run("pack", "check", "none"))
    assert "'none' not found" in one_line(run("pack", "list", "none"))


# config -----------------------------------------------------------------------------------------------------------


def test_config_init_writes_what_config_check_accepts(run: Run) -> None:
    """The example can be used as it is."""
    assert run("config", "init") == (0, "wrote stopgap.toml\n", "")
    assert run("config", "check", "stopgap.toml") == (0, "stopgap.toml is fine\n", "")
    assert [path.name for path in Path().iterdir()] == ["stopgap.toml"]


def test_the_example_holds_every_default(run: Run) -> None:
    """The example says what would hold without it, and mentions every key."""
    text = (files("stopgap.cli") / "example.toml").read_text(encoding="utf-8")
    assert load_config(tomllib.loads(text)) == Config()
    uncommented = re.sub(r"^# (?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)
    load_config(tomllib.loads(uncommented))
    keys = set(re.findall(r"^(\w+) = ", uncommented, re.MULTILINE))
    keys |= {part for name in re.findall(r"^\[+([^]]+)\]", uncommented, re.MULTILINE) for part in name.split(".")}
    assert not _keys(Config.model_json_schema()) - keys


def _keys(schema: dict[str, Any]) -> set[str]:
    tables = [schema, *schema.get("$defs", {}).values()]
    return {key for table in tables for key in table.get("properties", {})}


def test_config_init_does_not_overwrite(run: Run) -> None:
    """A file that exists stays as it is without ``--force``."""
    Path("mine.toml").write_text("seed = 7\n", encoding="utf-8")
    assert "--force" in one_line(run("config", "init", "mine.toml"))
    assert Path("mine.toml").read_text(encoding="utf-8") == "seed = 7\n"
    assert run("config", "init", "mine.toml", "--force").code == 0
    assert "[costs]" in Path("mine.toml").read_text(encoding="utf-8")


def test_config_init_needs_a_folder(run: Run) -> None:
    """A path in a folder that is not there is refused."""
    assert "cannot be written" in one_line(run("config", "init", "none/stopgap.toml"))


def test_config_check_tells_every_problem(run: Run) -> None:
    """Each problem is a line with the key's path."""
    Path("c.toml").write_text(
        'mode = "x"\n[limits]\nmin_gap_ms = -1\nper_turn = "y"\n[tools.a]\nphrses = []\n', encoding="utf-8"
    )
    ended = run("config", "check", "c.toml")
    assert (ended.code, ended.err) == (1, "")
    lines = ended.out.splitlines()
    assert len(lines) == 4
    for place in ("mode = 'x'", "limits.min_gap_ms = -1", "limits.per_turn = 'y'", "tools.a.phrses"):
        assert any(line.startswith(f"error: {place}") for line in lines), place


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mode = \n", "not valid TOML"),
        ('packs = ["none"]\n', "pack 'none' not found"),
        ('[tools.a]\nphrases = ["no such words"]\n', "tools.a.phrases[0] = 'no such words'"),
    ],
)
def test_config_check_looks_at_all_it_refers_to(run: Run, text: str, said: str) -> None:
    """Syntax, packs and phrases are checked."""
    Path("c.toml").write_text(text, encoding="utf-8")
    report = run("config", "check", "c.toml", "--json")
    assert report.code == 1
    assert said in json.loads(report.out)["problems"][0]


def test_config_check_doubts_a_log_in_no_folder(run: Run) -> None:
    """A log that cannot be written would only be missed later."""
    Path("c.toml").write_text('turn_log = "logs/turns.csv"\n', encoding="utf-8")
    ended = run("config", "check", "c.toml")
    assert ended.code == 0
    assert "warning: turn_log = 'logs/turns.csv': there is no such folder: no turn will be logged" in ended.out
    Path("logs").mkdir()
    assert run("config", "check", "c.toml") == (0, "c.toml is fine\n", "")


def test_config_check_doubts_a_language_without_clips(run: Run) -> None:
    """A configuration under which nothing can be said is possible, and hardly meant."""
    Path("c.toml").write_text('language = "de"\n', encoding="utf-8")
    ended = run("config", "check", "c.toml")
    assert ended.code == 0
    assert "warning: no spoken clip of en-us fits language 'de'" in ended.out


def test_config_check_of_no_file(run: Run) -> None:
    """A file that is not there is wrong usage."""
    assert "none.toml does not exist" in one_line(run("config", "check", "none.toml"))


def test_config_show_can_be_read_back(run: Run) -> None:
    """What is shown is a configuration again, with the file's values in it."""
    Path("c.toml").write_text(
        'seed = 3\n[agents."gpt 4.x"]\nphrases = ["One\\tmoment, \\"please\\"."]\n[output]\nfile = "a\\\\b.wav"\n',
        encoding="utf-8",
    )
    config = load_config("c.toml")
    shown = run("config", "show", "c.toml")
    assert shown.code == 0
    assert load_config(tomllib.loads(shown.out)) == config
    assert load_config(json.loads(run("config", "show", "c.toml", "--json").out)) == config
    assert load_config(tomllib.loads(run("config", "show").out)) == Config()


# replay -----------------------------------------------------------------------------------------------------------


def test_replay_writes_a_line_a_turn(run: Run, trace: Path) -> None:
    """Each line has exactly the documented keys, in the trace's order."""
    ended = run("replay", trace, "--out", "turns.jsonl")
    assert ended.code == 0
    assert "cost of a turn" in ended.out
    lines = [json.loads(line) for line in Path("turns.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["turn_id"] for line in lines] == [f"t{n}" for n in range(7)]
    for line in lines:
        assert set(line) == {"turn_id", "reply_ready_ms", "cancelled_ms", "reply_start_ms", "sounds", "prediction"}
        assert set(line["prediction"]) == {"q50_ms", "q80_ms", "q95_ms"}
        for sound in line["sounds"]:
            assert set(sound) == {"kind", "clip", "text", "start_ms", "end_ms", "cut"}
    assert any(line["sounds"] for line in lines)
    assert sorted(path.name for path in Path().iterdir()) == ["trace.csv", "turns.jsonl"]


@pytest.mark.parametrize("policy", ["none", "ladder", "predictive"])
def test_replay_repeats_itself(run: Run, trace: Path, policy: str) -> None:
    """The same seed gives the same bytes; standard output the same as a file."""
    said = run("replay", trace, "--policy", policy, "--seed", "5", "--out", "-")
    assert run("replay", trace, "--policy", policy, "--seed", "5", "--out", "x.jsonl").code == 0
    assert said.out == Path("x.jsonl").read_text(encoding="utf-8")
    assert policy in said.err
    assert ('"sounds": [{' in said.out) is (policy != "none")


def test_replay_as_json(run: Run, trace: Path) -> None:
    """The figures come with what they belong to; what cannot be computed is null, never NaN."""
    trace.write_text(HEADER + "t0,c,0,a,,,,,900\n", encoding="utf-8")
    ended = run("replay", trace, "--policy", "none", "--known-after-ms", "200", "--json")
    report = json.loads(ended.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (report["policy"], report["seed"], report["known_after_ms"]) == ("none", 0, 200.0)
    assert report["score"]["turns"] == 1
    assert report["score"]["reply_delay_mean"] is None
    assert report["best_ladder"] is None


def test_replay_follows_the_configuration(run: Run, trace: Path) -> None:
    """Without ``--policy`` the configuration's mode is replayed."""
    Path("c.toml").write_text('mode = "none"\n', encoding="utf-8")
    assert json.loads(run("replay", trace, "--config", "c.toml", "--json").out)["policy"] == "none"
    assert json.loads(run("replay", trace, "--json").out)["policy"] == "predictive"


@pytest.mark.parametrize(
    ("row", "arguments", "said"),
    [
        ("t1,c,1,a,,,,800,\n", ["--policy", "perfect"], "choose none, ladder, predictive"),
        ("t1,c,1,a,,,,soon,\n", [], "line 3: reply_ready_ms is 'soon'"),
        ("t1,c,1,a,,,,800,900\n", [], "line 3: exactly one of"),
        ("t1,c,1,a,,,,800,\n", ["--config", "c.toml"], "limits.per_turn = 'many'"),
        ("t1,c,1,a,,,,800,\n", ["--config", "none.toml"], "none.toml does not exist"),
    ],
)
def test_replay_refuses_and_leaves_nothing(run: Run, trace: Path, row: str, arguments: list[str], said: str) -> None:
    """A wrong input is one line on stderr; a file that was there stays as it was."""
    Path("c.toml").write_text('[limits]\nper_turn = "many"\n', encoding="utf-8")
    Path("old.jsonl").write_text("old\n", encoding="utf-8")
    trace.write_text(HEADER + "t0,c,0,a,,,,700,\n" + row, encoding="utf-8")
    assert said in one_line(run("replay", trace, "--out", "new.jsonl", *arguments))
    assert said in one_line(run("replay", trace, "--out", "old.jsonl", *arguments))
    assert Path("old.jsonl").read_text(encoding="utf-8") == "old\n"
    assert sorted(path.name for path in Path().iterdir()) == ["c.toml", "old.jsonl", "trace.csv"]


def test_replay_of_nothing(run: Run, trace: Path) -> None:
    """An empty trace, a missing one and a folder that is not there are told apart."""
    trace.write_text(HEADER, encoding="utf-8")
    assert "holds no turns" in one_line(run("replay", trace))
    assert "voice_mixed_dev" in one_line(run("replay", "none.csv"))
    trace.write_text(HEADER + "t0,c,0,a,,,,700,\n", encoding="utf-8")
    assert "cannot be written" in one_line(run("replay", trace, "--out", "none/x.jsonl"))


def test_replay_names_the_best_ladder(run: Run, trace: Path) -> None:
    """The comparison holds the ladder, its figures and the ratio of the costs."""
    ended = run("replay", trace, "--best-ladder", "--json")
    report = json.loads(ended.out)
    best = report["best_ladder"]
    assert ended.code == 0
    assert report["cost_ratio"] == pytest.approx(report["score"]["cost"] / best["score"]["cost"])
    assert best["first_ms"] >= 200


def test_the_best_ladder_does_not_depend_on_the_workers(trace: Path, bank: ClipBank) -> None:
    """Trying ladders side by side finds the same one."""
    turns, config = read_trace(trace), benchmark_config()
    steps: list[int] = []
    alone = best_ladder(turns, config, bank=bank, advance=steps.append)
    assert best_ladder(turns, config, bank=bank, workers=2) == alone
    assert sum(steps) == 380

"""`stopgap bench mixing`: what is made of the timings, that all engines do the same work, and one short real run."""

import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from stopgap.benchmarks.mixing import _mixing, _peers
from stopgap.benchmarks.mixing._engines import (
    CLIP_UNDER_SPEECH,
    VOICES_AND_REPLY,
    OwnRig,
    Timing,
    Work,
    looping_clips,
    noise,
    pcm_frames,
    timed,
)
from stopgap.benchmarks.mixing._figures import (
    BATCH,
    LIVEKIT,
    PIPECAT,
    MixingReport,
    Row,
    Verdict,
    times_of,
    times_of_written,
)
from stopgap.benchmarks.mixing._mixing import ENTRANTS, RATES, measure_mixing, steps
from stopgap.benchmarks.mixing._peers import LiveKitRig, MissingPeerError, PipecatRig
from stopgap.benchmarks.mixing._render import RenderTimes, measure_render
from stopgap.cli import main
from stopgap.engine.mixer import NativeMixer, ReferenceMixer, native_available
from stopgap.fillers import ClipBank, UsageError

native = pytest.mark.skipif(not native_available, reason="the C core was not built")
CLIP = np.linspace(-0.5, 0.5, 24_000, dtype=np.float32)
RENDER = RenderTimes(200_000, 8, 48_000, 128, 10.0, 20.0, 26.7, 500.0)


def row(engine: str, work: str, *read_s: float, write_s: float = float("nan"), missing: str = "") -> Row:
    """Return a row of 1000 sessions at 24 kHz that took *read_s* for 50 passes, 1 s of sound."""
    timings = tuple(Timing(50, taken, 2.0 * taken, write_s) for taken in read_s)
    return Row(work, engine, 24_000, 20.0, 1000, timings, missing)


def report(*rows: Row, render: RenderTimes | None = RENDER) -> MixingReport:
    return MixingReport("a machine", (0.0, 1.0), {}, rows, render)


def hide_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no framework be installed."""

    def absent(distribution: str) -> str:
        raise PackageNotFoundError(distribution)

    monkeypatch.setattr(_peers, "version", absent)


def test_sessions_per_core_is_sound_made_over_time_taken() -> None:
    """1000 s of sound in 0.1 s of one core are 10000 sessions; the median of the turns counts."""
    found = row(BATCH, VOICES_AND_REPLY.name, 0.1, 0.2, 0.05, write_s=0.1)
    per_core = found.per_core
    assert (per_core.median, per_core.min, per_core.max) == pytest.approx((10_000.0, 5_000.0, 20_000.0))
    assert found.per_core_cpu.median == pytest.approx(5_000.0)
    assert found.per_core_written.median == pytest.approx(5_000.0)
    assert found.frame_us == pytest.approx(2.0)


def test_speech_that_comes_with_the_call_costs_nothing_extra() -> None:
    """Other frameworks' mixers are given the speech when they mix it."""
    found = row(PIPECAT, CLIP_UNDER_SPEECH.name, 0.4)
    assert found.per_core_written == found.per_core


def test_a_row_without_timings_has_no_figures() -> None:
    """What was not measured is not a number, and never meets a target."""
    assert row(PIPECAT, CLIP_UNDER_SPEECH.name, missing="not installed").per_core.median != 0.0
    assert Verdict("", float("nan"), 1.0, "").met is None


def test_batches_are_compared_with_peers_with_and_without_writing() -> None:
    """The ratio is that of the sessions per core."""
    ours, theirs = row(BATCH, CLIP_UNDER_SPEECH.name, 0.1, write_s=0.3), row(PIPECAT, CLIP_UNDER_SPEECH.name, 1.2)
    assert times_of(ours, theirs) == pytest.approx(12.0)
    assert times_of_written(ours, theirs) == pytest.approx(3.0)


def test_every_target_is_judged() -> None:
    """Sessions, the ratio to each peer, and the render function; what has no figure is not judged."""
    verdicts = report(
        row(BATCH, VOICES_AND_REPLY.name, 0.09),
        row(BATCH, CLIP_UNDER_SPEECH.name, 0.1, write_s=0.3),
        row(PIPECAT, CLIP_UNDER_SPEECH.name, 1.2),
        row(LIVEKIT, CLIP_UNDER_SPEECH.name, missing="not installed: pip install livekit"),
    ).verdicts
    assert [verdict.met for verdict in verdicts] == [True, True, False, None, None, True]
    assert verdicts[-1].value == pytest.approx(1.0, abs=0.01)
    slow = RenderTimes(1, 8, 48_000, 128, 1.0, 1.0, 133.4, 1.0)
    assert [verdict.met for verdict in report(render=slow).verdicts] == [False]
    assert report(render=None).verdicts == ()


@pytest.mark.parametrize("pace_s", [None, 0.002])
def test_writing_and_reading_take_turns(pace_s: float | None) -> None:
    """Every pass writes before it reads, at least once."""
    said: list[object] = []
    timing = timed(said.append, lambda: said.append("read"), 0.004, pace_s)
    assert said == [word for number in range(timing.passes) for word in (number, "read")]
    assert timing.passes >= 2 if pace_s else timing.passes >= 1
    assert timing.write_s >= 0.0


def test_pcm_frames_are_whole() -> None:
    """What is left over is dropped."""
    frames = pcm_frames(np.array([0.0, 1.0, -1.0, 0.5, 0.5], np.float32), 2)
    assert [frame.tolist() for frame in frames] == [[0, 32767], [-32767, 16383]]


@native
@pytest.mark.parametrize("work", [VOICES_AND_REPLY, CLIP_UNDER_SPEECH])
def test_all_of_our_engines_mix_the_same(bank: ClipBank, work: Work) -> None:
    """Frame for frame, whatever they are read with: the loops are where they are in the reference, under the reply."""
    clips = looping_clips(24_000, bank)
    rigs = [
        OwnRig(NativeMixer, work, clips, 24_000, 3, batched=True),
        OwnRig(NativeMixer, work, clips, 24_000, 3),
        OwnRig(ReferenceMixer, work, clips, 24_000, 3),
    ]
    frames = [[output.read() for output in rig.outputs] for rig in rigs]
    np.testing.assert_allclose(frames[0], frames[2], atol=1e-5)
    np.testing.assert_allclose(frames[1], frames[2], atol=1e-5)
    speech = noise(24_000)[480:960]  # the first frame was read when the sessions were made
    assert all(0.001 < np.abs(frame - speech).max() < 0.8 for frame in frames[2])
    assert not np.allclose(frames[2][0], frames[2][1])
    for rig in rigs:
        rig.close()


def test_a_session_that_falls_silent_is_found_out(bank: ClipBank) -> None:
    """A figure is worth nothing if the work was not done."""
    rig = OwnRig(ReferenceMixer, VOICES_AND_REPLY, looping_clips(24_000, bank), 24_000, 2)
    for _ in range(61):
        rig.read()
    with pytest.raises(RuntimeError, match="starved"):
        rig.run(0.001)


def test_peers_that_are_missing_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The distribution's name is not the module's."""
    hide_peers(monkeypatch)
    with pytest.raises(MissingPeerError, match="not installed: pip install pipecat-ai"):
        PipecatRig(CLIP, 24_000, 1)
    with pytest.raises(MissingPeerError, match="not installed: pip install livekit"):
        LiveKitRig(CLIP, 24_000, 1)


def test_a_peer_that_cannot_be_imported_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed for another Python, or half."""
    monkeypatch.setattr(_peers, "version", lambda distribution: "1.0")
    monkeypatch.setitem(sys.modules, "livekit.rtc", None)
    with pytest.raises(MissingPeerError, match=r"livekit\.rtc cannot be imported"):
        LiveKitRig(CLIP, 24_000, 1)


def fake_pipecat(monkeypatch: pytest.MonkeyPatch, volume: float) -> None:
    """Install a mixer that mixes with *volume* whatever it is told."""

    class SoundfileMixer:
        def __init__(self, **settings: object) -> None:
            pass

        async def start(self, rate: int) -> None:
            pass

        async def mix(self, audio: bytes) -> bytes:
            speech = np.frombuffer(audio, "<i2")
            mixed: bytes = (speech + CLIP[: len(speech)] * volume * 32767.0).astype("<i2").tobytes()
            return mixed

    module = ModuleType("pipecat.audio.mixers.soundfile_mixer")
    module.SoundfileMixer = SoundfileMixer  # type: ignore[attr-defined]
    loguru = ModuleType("loguru")
    loguru.logger = type("Logger", (), {"disable": lambda self, name: None})()  # type: ignore[attr-defined]
    for name, stand_in in (("pipecat", ModuleType("pipecat")), (module.__name__, module), ("loguru", loguru)):
        monkeypatch.setitem(sys.modules, name, stand_in)
    monkeypatch.setattr(_peers, "version", lambda distribution: "1.14.0")


def test_a_peer_is_measured_at_the_speech_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its passes and times come back; what was handed over came with the call."""
    fake_pipecat(monkeypatch, 0.4)
    rig = PipecatRig(CLIP, 24_000, 2)
    timing = rig.run(0.001)
    rig.close()
    assert timing.passes >= 1
    assert timing.read_s >= 0.001
    assert timing.write_s != timing.write_s


def test_a_peer_that_leaves_the_clip_out_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipecat's mixer goes on without a file that it cannot load."""
    fake_pipecat(monkeypatch, 0.0)
    with pytest.raises(RuntimeError, match="did not mix the clip"):
        PipecatRig(CLIP, 24_000, 1)


@native
def test_the_render_function_times_itself(bank: ClipBank) -> None:
    """All calls are counted but those that warm up, and the quantiles ascend."""
    times = measure_render(bank, 500)
    assert (times.calls, times.voices) == (500, 8)
    assert 0.0 < times.p50_us <= times.p99_us <= times.p999_us
    assert times.max_us > 0.0
    assert times.as_dict()["share_of_block"]["p50"] == pytest.approx(times.p50_us / 2666.67, rel=1e-3)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [((0, 1, 1.0, 1), "sessions=0"), ((1, 0, 1.0, 1), "repeat=0"), ((1, 1, 1.0, 0), "render_calls=0"),
     ((1, 1, float("nan"), 1), "seconds=nan"), ((1, 1, 0.0, 1), "seconds=0.0")],
)  # fmt: skip
def test_numbers_that_measure_nothing_are_refused(numbers: tuple[int, int, float, int], words: str) -> None:
    """The error names the argument."""
    sessions, repeat, seconds, render_calls = numbers
    with pytest.raises(UsageError, match=words):
        measure_mixing(sessions, repeat=repeat, seconds=seconds, render_calls=render_calls)


def test_without_the_core_and_peers_the_reference_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be measured is a row that says why, and every step is reported all the same."""
    hide_peers(monkeypatch)
    monkeypatch.setattr(_mixing, "native_available", False)
    done: list[int] = []
    found = measure_mixing(2, repeat=2, seconds=0.001, advance=done.append)
    assert sum(done) == steps(2)
    assert len(found.rows) == len(RATES) * len(ENTRANTS)
    assert {row.engine for row in found.rows if not row.missing} == {"numpy reference"}
    assert all(len(row.timings) == (0 if row.missing else 2) for row in found.rows)
    assert found.render is None
    assert not found.versions


@native
def test_the_command_prints_draws_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A real run, too short for its figures to mean anything."""
    pytest.importorskip("matplotlib")
    hide_peers(monkeypatch)
    monkeypatch.setattr(_mixing, "measure_render", lambda bank, calls: measure_render(bank, 500))
    options = ["bench", "mixing", "--sessions", "3", "--repeat", "2", "--seconds", "0.005"]
    picture = tmp_path / "mixing.png"
    with pytest.raises(SystemExit, match="0"):
        main([*options, "--plot", str(picture)])
    said = capsys.readouterr().out
    assert picture.stat().st_size > 10_000
    assert "sessions per core: two looping voices and a reply" in said
    assert "left out: Pipecat SoundfileMixer: not installed: pip install pipecat-ai" in said
    assert "targets: " in said
    with pytest.raises(SystemExit, match="0"):
        main([*options, "--json"])
    data = json.loads(capsys.readouterr().out)
    assert data["render"]["calls"] == 500
    assert {row["missing"] for row in data["rows"] if row["engine"] == LIVEKIT} == {
        "not installed: pip install livekit"
    }
    assert all(row["per_core"]["median"] > 0 for row in data["rows"] if not row["missing"])


def test_a_picture_in_no_folder_is_refused_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Minutes of measuring are not thrown away at the end."""
    pytest.importorskip("matplotlib")
    with pytest.raises(SystemExit, match="2"):
        main(["bench", "mixing", "--plot", str(tmp_path / "no" / "mixing.png")])
    assert "there is no folder" in capsys.readouterr().err

"""Every output keeps the same contract; each has a few things of its own."""

import asyncio
import logging
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
import soundfile
from stopgap import (
    Clock,
    DeviceOutput,
    FileOutput,
    FrameOutput,
    MemoryOutput,
    MonotonicClock,
    Output,
    OutputError,
    SilentOutput,
    UsageError,
    VirtualClock,
)
from stopgap.engine.mixer import Arm, ArmedCue, Heard, Mixer, MixerEvent, Tell, Write, new_mixer
from stopgap.engine.outputs import FrameClock, load_sounddevice
from stopgap.fillers import Clip, Samples

MakeClip = Callable[..., Clip]
MakeCue = Callable[..., ArmedCue]

RATE = 48_000
PAUSE = threading.Event()
"""Never set: waited on between two looks at a device that plays by itself."""


class Tap:
    """Stands between the output and the mixer and keeps what was rendered."""

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer
        self.blocks: list[Samples] = []

    @property
    def position(self) -> int:
        return self._mixer.position

    def render(self, out: Samples) -> None:
        self._mixer.render(out)
        self.blocks.append(out.copy())

    def skip_to(self, frame: int) -> None:
        self._mixer.skip_to(frame)

    def attend(self, horizon: int | None) -> None:
        self._mixer.attend(horizon)


class Rig:
    """An output, the clock it follows, and how time passes and sound is had back."""

    tolerance = 0.0
    """Largest error of a sample."""

    def __init__(self, output: Output, clock: Clock) -> None:
        self.output, self.clock = output, clock
        self.tap = Tap(new_mixer(RATE))

    def step(self) -> None:
        """Let a few milliseconds pass."""
        assert isinstance(self.clock, VirtualClock)
        self.clock.advance(0.0137)
        self.output.catch_up(self.clock.now())

    def heard(self) -> Samples | None:
        """Return what came out; None where nothing can."""
        assert isinstance(self.output, MemoryOutput)
        return self.output.samples


class FileRig(Rig):
    tolerance = 1 / 32768

    def heard(self) -> Samples | None:
        assert isinstance(self.output, FileOutput)
        samples, rate = soundfile.read(self.output.path, dtype="float32")
        assert rate == RATE
        return np.asarray(samples, np.float32)


class FrameRig(Rig):
    def __init__(self, output: FrameOutput, clock: VirtualClock) -> None:
        super().__init__(output, clock)
        self._pulled: list[Samples] = []

    def step(self) -> None:
        assert isinstance(self.output, FrameOutput)
        assert isinstance(self.clock, VirtualClock)
        self._pulled.append(self.output.read())
        self.clock.advance(self.output.frame_samples / RATE)

    def heard(self) -> Samples | None:
        return np.concatenate(self._pulled)


class SilentRig(Rig):
    def heard(self) -> Samples | None:
        assert not self.tap.blocks
        return None


class DeviceRig(Rig):
    def step(self) -> None:
        """Look on while the device plays its next two blocks, 5 s at most."""
        seen = len(self.tap.blocks)
        for _ in range(500):
            if len(self.tap.blocks) > seen + 1:
                return
            self.output.catch_up(self.clock.now())
            PAUSE.wait(0.01)
        pytest.fail("the device asks for nothing")

    def heard(self) -> Samples | None:
        return np.concatenate(self.tap.blocks)


class NullSink(Protocol):
    """What these tests need of the fixture `null_sink`."""

    environment: dict[str, str]


@pytest.fixture
def null_device(null_sink: NullSink) -> Iterator[None]:
    """PortAudio with the null sink as its device ``pulse``."""
    sd = load_sounddevice()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in null_sink.environment.items():
            patch.setenv(name, value)
        sd._terminate()
        sd._initialize()
        yield
    sd._terminate()
    sd._initialize()


RIGS = ["memory", "wav", "flac", "frames-10", "frames-20", "frames-40", "silent", "device"]


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Each output in its rig."""
    what = request.param
    clock = VirtualClock(1000.1)
    made: Rig
    if what == "memory":
        made = Rig(MemoryOutput(RATE), clock)
    elif what in ("wav", "flac"):
        made = FileRig(FileOutput(tmp_path / f"heard.{what}", RATE), clock)
    elif what == "silent":
        made = SilentRig(SilentOutput(RATE), clock)
    elif what == "device":
        request.getfixturevalue("null_device")
        made = DeviceRig(DeviceOutput("pulse", rate=RATE), MonotonicClock())
    else:
        made = FrameRig(FrameOutput(RATE, float(what.removeprefix("frames-"))), clock)
    yield made
    made.output.close()


def play_on(rig: Rig, mixer: Mixer, until: Heard) -> list[MixerEvent]:
    """Let time pass until *until* has happened; return what happened."""
    events: list[MixerEvent] = []
    for _ in range(1000):
        if any(event.what is until for event in events):
            return events
        rig.step()
        events += mixer.take_events()
    pytest.fail(f"no {until} among {events}")


def test_cue_and_reply_sound_at_their_frames(rig: Rig, make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A cue armed for a time is heard from that time's frame on, and a reply follows it sample for sample."""
    mixer, output = new_mixer(RATE), rig.output
    rig.tap = Tap(mixer)
    output.start(rig.tap, rig.clock)
    at = rig.clock.now() + 0.3
    frame = output.frame_at(at)
    assert abs(output.time_of(frame) - at) <= 1 / RATE
    clip = make_clip("phrase", 9_600, RATE, shape="noise", level=0.7)
    mixer.post(Arm([make_cue(clip, frame)]))
    started, ended = play_on(rig, mixer, Heard.ENDED)
    assert (started.frame, ended.frame) == (frame, frame + 9_600)
    reply = np.random.default_rng(1).uniform(-0.9, 0.9, 12_345).astype(np.float32)
    for chunk in np.split(reply, [1000, 1001, 8000]):
        mixer.post(Write(chunk))
    mixer.post(Tell("end_reply"))
    first, last = play_on(rig, mixer, Heard.REPLY_ENDED)
    assert last.frame == first.frame + 12_345
    for _ in range(4):
        rig.step()
    output.close()
    heard = rig.heard()
    if heard is not None:
        expected = np.zeros(len(heard), np.float32)
        expected[frame : frame + 9_600] = clip.samples
        expected[first.frame : last.frame] = reply
        np.testing.assert_allclose(heard, expected, rtol=0.0, atol=rig.tolerance)


def test_map_goes_both_ways(rig: Rig) -> None:
    """The frame heard at a time is heard at that time, to within a frame, before and while it plays."""
    rig.output.start(rig.tap, rig.clock)
    for _ in range(5):
        now = rig.clock.now()
        for at in (now + 0.05, now + 0.123456, now + 7.0, now + 3600.0):
            frame = rig.output.frame_at(at)
            # A device corrects its map in its own thread, by less than 1 % of 0.5 s at a time or to what is exact.
            slack = 0.1 if isinstance(rig, DeviceRig) else 1.001 / RATE
            assert abs(rig.output.time_of(frame) - at) <= slack
        rig.step()


def test_times_before_the_start_are_frame_zero(rig: Rig) -> None:
    """What should have been heard long ago is not given a frame that never was."""
    rig.output.start(rig.tap, rig.clock)
    assert rig.output.frame_at(rig.clock.now() - 3600.0) == 0


def test_closing_twice_is_fine(rig: Rig) -> None:
    """After `close` nothing is rendered any more, and closing again, started or not, does no harm."""
    rig.output.start(rig.tap, rig.clock)
    rig.step()
    rig.output.close()
    rig.output.close()
    position = rig.tap.position
    rig.output.catch_up(rig.clock.now() + 1.0)
    assert rig.tap.position == position
    assert all(isinstance(value, int | float) for value in rig.output.statistics().values())


def test_closing_before_the_start_is_fine(rig: Rig) -> None:
    """An output that never played may be closed."""
    rig.output.close()


# The map ------------------------------------------------------------------------------------------------------


def test_frame_clock_moves_at_once_to_an_earlier_observation() -> None:
    """A frame that is asked for early proves that the map was late."""
    frames = FrameClock(1000, origin=5.0)
    frames.observe(1000, 5.990)
    assert frames.time_of(1000) == pytest.approx(5.990)
    assert frames.frame_at(5.990) == 1000


def test_frame_clock_follows_a_late_observation_slowly() -> None:
    """One late callback is somebody's scheduling and moves the map by a hundredth; steady lateness wins in the end."""
    frames = FrameClock(1000, origin=5.0)
    frames.observe(1000, 6.1)
    assert frames.time_of(1000) == pytest.approx(6.001)
    for number in range(1, 1000):
        frames.observe(1000 + 10 * number, 6.1 + 0.01 * number)
    assert frames.time_of(11_000) == pytest.approx(16.1, abs=1e-5)


def test_frame_clock_starts_anew_after_a_stall() -> None:
    """After more than half a second of nothing the line was silent, and the map is what is seen now."""
    frames = FrameClock(1000, origin=5.0)
    frames.observe(1000, 6.6)
    assert frames.time_of(1000) == pytest.approx(6.6)


def test_frame_clock_never_lets_a_cue_sound_early() -> None:
    """A time between two frames belongs to the later one; float noise does not count as between."""
    frames = FrameClock(1000, origin=0.1)
    assert frames.frame_at(0.1 + 0.0371) == 38
    for frame in range(0, 100_000, 7):
        assert frames.frame_at(frames.time_of(frame)) == frame


# Memory and files ---------------------------------------------------------------------------------------------


def test_file_has_what_was_heard_up_to_closing(tmp_path: Path) -> None:
    """The file is as long as the clock ran, at the given rate, 16 bits."""
    clock, output = VirtualClock(), FileOutput(tmp_path / "x.WAV", 8000)
    mixer = new_mixer(8000)
    output.start(mixer, clock)
    clock.advance(1.5)
    output.catch_up(clock.now())
    output.close()
    facts = soundfile.info(tmp_path / "x.WAV")
    assert (facts.frames, facts.samplerate, facts.channels, facts.subtype) == (12_000, 8000, 1, "PCM_16")


@pytest.mark.parametrize("name", ["x.mp3", "x", "no/such/folder/x.wav"])
def test_file_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    """A wrong suffix and a missing folder are told before anything plays, with the path."""
    with pytest.raises(OutputError, match=name):
        FileOutput(tmp_path / name)


def test_memory_is_empty_before_anything_played() -> None:
    """Asking early gives no samples, not an error."""
    assert MemoryOutput().samples.shape == (0,)


# Frames -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "frame_ms"), [(24_000, 0.01), (24_000, 0), (24_000, -20), (22_050, 11), (8000, float("nan"))]
)
def test_odd_frames_are_refused(rate: int, frame_ms: float) -> None:
    """A frame is a whole number of samples."""
    with pytest.raises(UsageError, match="frame_ms="):
        FrameOutput(rate, frame_ms)


def test_frames_are_silent_before_start_and_after_close() -> None:
    """A transport that pulls too early or too late gets silence of the right length."""
    output = FrameOutput(24_000, 20)
    assert output.read().tolist() == [0.0] * 480
    mixer = new_mixer(24_000)
    output.start(mixer, VirtualClock())
    mixer.post(Write(np.ones(9999, np.float32)))
    assert output.read().tolist() == [1.0] * 480
    output.close()
    assert output.read().tolist() == [0.0] * 480
    assert output.read_pcm16() == bytes(960)


def test_frames_as_pcm() -> None:
    """16-bit frames are little-endian; full scale does not wrap around."""
    output = FrameOutput(8000, 1)
    mixer = new_mixer(8000)
    output.start(mixer, VirtualClock())
    mixer.post(Write(np.array([1.0, -1.0, 0.5, -0.5, 0.0, 1.0, -1.0, 0.25], np.float32)))
    assert np.frombuffer(output.read_pcm16(), "<i2").tolist() == [32767, -32767, 16383, -16383, 0, 32767, -32767, 8191]


def test_frames_that_are_pulled_late_are_late() -> None:
    """A cue's time is when its frame is heard: when it is pulled, plus what the transport adds."""
    clock = VirtualClock(50.0)
    output = FrameOutput(1000, 20, latency_s=0.1)
    output.start(new_mixer(1000), clock)
    assert output.time_of(0) == pytest.approx(50.1)
    output.read()
    clock.advance(2.0)
    output.read()
    assert output.time_of(20) == pytest.approx(52.1)
    assert output.frame_at(52.11) == 30


def test_paced_frames_end_with_the_output() -> None:
    """`paced` yields the frames in order, one after the other, until `close`."""
    output = FrameOutput(8000, 10)
    mixer = new_mixer(8000)
    output.start(mixer, MonotonicClock())
    reply = np.linspace(0.0, 1.0, 400, dtype=np.float32)
    mixer.post(Write(reply))

    async def pull() -> list[Samples]:
        pulled = []
        async for frame in output.paced():
            pulled.append(frame)
            if len(pulled) == 5:
                output.close()
        return pulled

    frames = asyncio.run(pull())
    np.testing.assert_array_equal(np.concatenate(frames), reply)


# Devices ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("null_device")
def test_unknown_device_is_refused_with_the_names_there_are() -> None:
    """Who mistypes a device is told what there is."""
    with pytest.raises(OutputError, match=r"'no such device'.*pulse"):
        DeviceOutput("no such device")


@pytest.mark.usefixtures("null_device")
def test_error_in_the_callback_silences_the_device_and_time_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong while rendering, the schedule moves on by the clock, with one warning."""

    class Broken(Tap):
        def render(self, out: Samples) -> None:
            self.blocks.append(out)
            raise RuntimeError("broken")

    output, clock = DeviceOutput("pulse", rate=RATE), MonotonicClock()
    source = Broken(new_mixer(RATE))
    output.start(source, clock)
    for _ in range(500):
        if output.statistics()["failed"]:
            break
        PAUSE.wait(0.01)
    output.catch_up(clock.now() + 10.0)
    output.close()
    assert output.statistics()["failed"] == 1.0
    assert source.position >= 9 * RATE
    assert len(source.blocks) == 1
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def without_portaudio(
    code: str, error: str = 'OSError("PortAudio library not found")'
) -> subprocess.CompletedProcess[str]:
    """Run *code* where sounddevice fails as it does without the PortAudio library."""
    blocked = """
        import importlib.abc, logging, sys

        class NoPortAudio(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name == "sounddevice":
                    raise ERROR

        sys.meta_path.insert(0, NoPortAudio())
        logging.basicConfig(format="%(levelname)s %(message)s", level="WARNING", stream=sys.stdout)
        import stopgap
    """
    whole = textwrap.dedent(blocked).replace("ERROR", error) + textwrap.dedent(code)
    command = [sys.executable, "-W", "error", "-c", whole]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_without_portaudio_sessions_are_silent() -> None:
    """Without PortAudio everything works but the sound, and one warning says what to install."""
    done = without_portaudio("""
        clock = stopgap.VirtualClock(10.0)
        with stopgap.FillerManager(clock=clock) as manager:
            sessions = [manager.session(), manager.session()]
            for session in sessions:
                turn = session.begin()
                clock.advance(4.0)
                turn.write(bytes(48000))
                turn.finish()
                clock.advance(4.0)
                assert turn.record.sounds
                assert turn.record.reply_heard_s is not None
                assert turn.record.outcome == "replied"
            assert manager.statistics()["silent_sessions"] == 2
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("WARNING") == 1
    assert "libportaudio2" in done.stdout


def test_a_portaudio_that_does_not_start_means_silence() -> None:
    """Where PortAudio is there but fails, sessions are silent as well, and the warning says why."""
    done = without_portaudio(
        """
        clock = stopgap.VirtualClock()
        with stopgap.FillerManager(clock=clock) as manager:
            turn = manager.session().begin()
            clock.advance(2.0)
            assert turn.record.sounds
        """,
        error='RuntimeError("unanticipated host error")',
    )
    assert done.returncode == 0, done.stderr
    assert "does not start (unanticipated host error)" in done.stdout


def test_without_portaudio_a_device_that_was_asked_for_is_an_error() -> None:
    """Who names a device gets an error, not silence."""
    done = without_portaudio("""
        for ask in (
            lambda: stopgap.DeviceOutput(),
            lambda: stopgap.FillerManager.from_config({"output": {"device": "pulse"}}).session(),
        ):
            try:
                ask()
            except stopgap.OutputError as exc:
                print(exc)
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("PortAudio is not installed") == 2

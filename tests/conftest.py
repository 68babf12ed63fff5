"""Fixtures that every test file may use."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from stopgap.cli import main
from stopgap.engine.mixer import ArmedCue, HandoffFrames
from stopgap.fillers import Clip, ClipBank, Config, CutMark, Kind, Samples

# new examples on every run of a developer's, the same ones in continuous integration: what fails there is the change
settings.register_profile(
    "stopgap",
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    # how long an example takes to draw says nothing on a busy machine; our fixtures that examples share have no state
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("stopgap")

MakeClip = Callable[..., Clip]
MakeCue = Callable[..., ArmedCue]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the developer's own environment would tell stopgap."""
    for name in [name for name in os.environ if name.startswith("STOPGAP_")]:
        if not name.startswith("STOPGAP_REQUIRE_"):
            monkeypatch.delenv(name)


class Ended(NamedTuple):
    """A run of the command line that is over."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """A runner of the command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_it(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        code = end.value.code
        return Ended(code if isinstance(code, int) else int(code is not None), *capsys.readouterr())

    return run_it


@pytest.fixture(scope="session")
def bank() -> ClipBank:
    """The bundled clips."""
    return ClipBank(("en-us",))


@pytest.fixture(scope="session")
def make_clip() -> MakeClip:
    """A maker of plain clips: ``make_clip(kind, frames, rate, marks, shape=..., level=..., id=..., text=...)``.

    *marks* are frames before the end; the end itself is always a mark. *shape* is ``sine``, ``ramp`` (falling from
    *level* to near 0, so that each sample tells its place), ``noise`` or ``one`` (all *level*).
    """

    def make(
        kind: Kind | str = Kind.PHRASE,
        frames: int = 1000,
        rate: int = 1000,
        marks: Iterable[int] = (),
        *,
        shape: str = "sine",
        level: float = 0.5,
        id: str = "clip",
        text: str | None = None,
        claims_work: bool = False,
    ) -> Clip:
        at = np.arange(frames, dtype=np.float64)
        match shape:
            case "sine":
                wave = np.sin(2.0 * np.pi * 0.0123 * at)
            case "ramp":
                wave = 1.0 - at / frames
            case "noise":
                wave = np.random.default_rng(frames).uniform(-1.0, 1.0, frames)
            case _:
                wave = np.ones(frames)
        samples: Samples = (level * wave).astype(np.float32)
        samples.setflags(write=False)
        places = (*sorted(marks), frames)
        return Clip(
            id=id,
            kind=Kind(kind),
            samples=samples,
            rate=rate,
            text=text,
            cut_marks=tuple(CutMark(frame, words) for words, frame in enumerate(places, 1)),
            claims_work=claims_work,
        )

    return make


@pytest.fixture(scope="session", autouse=True)
def _interrupts() -> None:
    """Let Ctrl-C reach the programs that tests start: what a shell starts in the background ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def make_cue() -> MakeCue:
    """A maker of armed cues with running ids: ``make_cue(clip, start, gain=..., end=..., min_play_ms=..., ...)``.

    Numbers of the handoff that are not given are those of its kind by default.
    """
    ids = itertools.count(1)

    def make(
        clip: Clip,
        start: int,
        *,
        gain: float = 1.0,
        end: int | None = None,
        allow_belated: bool = True,
        **numbers: float,
    ) -> ArmedCue:
        handoff = Config().handoff.of(clip.kind).model_copy(update=numbers)
        rule = HandoffFrames.at_rate(handoff, clip.rate)
        return ArmedCue(next(ids), clip, start, rule, gain, end, allow_belated)

    return make


class NullSink:
    """A private PulseAudio server whose one sink plays into nothing and can be recorded sample by sample.

    Its folder is short because a socket's path may have about 107 bytes. ``norewinds=1`` keeps the sink from
    working in blocks of up to 2 s, which lose the first frames. Without ``--disable-shm`` a server now and
    then aborts when a client leaves (PulseAudio 16.1, ``memblock_replace_import``; its issue 824).
    """

    rate = 48_000

    def __init__(self, folder: str) -> None:
        self.environment = {"XDG_RUNTIME_DIR": folder, "HOME": folder, "PULSE_SERVER": f"unix:{folder}/socket"}
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.server: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start the server, or another one in the place of one that was killed."""
        Path(self._folder, "socket").unlink(missing_ok=True)
        self.server = self._spawn(
            "pulseaudio", "-n", "--exit-idle-time=-1", "--daemonize=no", "--use-pid-file=no", "--disable-shm",
            "-L", f"module-native-protocol-unix auth-anonymous=1 socket={self._folder}/socket",
            "-L", "module-null-sink sink_name=fill rate=48000 channels=1 format=float32le norewinds=1",
        )  # fmt: skip
        self._until(lambda: self._ask("info") != "")

    def record(self) -> Path:
        """Record what the sink plays from now on, as raw float32, and return the file."""
        path = Path(self._folder, f"capture-{len(self._processes)}.raw")
        with path.open("wb") as file:
            self._spawn(
                "parec", "-d", "fill.monitor", "--format=float32le", "--rate=48000", "--channels=1",
                "--latency-msec=10", "--raw", stdout=file,
            )  # fmt: skip
        self._until(lambda: path.stat().st_size > 0)
        return path

    def recorded(self, path: Path) -> Samples:
        """Return what was recorded up to 0.2 s from now."""
        enough = path.stat().st_size + round(0.2 * self.rate) * 4
        self._until(lambda: path.stat().st_size >= enough)
        raw = path.read_bytes()
        return np.frombuffer(raw[: len(raw) // 4 * 4], "<f4").astype(np.float32)

    def close(self) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def _ask(self, *words: str) -> str:
        environment = {**os.environ, **self.environment}
        return subprocess.run(["pactl", *words], env=environment, capture_output=True, text=True).stdout

    def _spawn(self, *command: str, stdout: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.environment}
        process = subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    def _until(self, ready: Callable[[], bool]) -> None:
        """Look again and again, 20 s at most, until *ready* or the server is gone."""
        for _ in range(400):
            if ready():
                return
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"the PulseAudio server ended with {self.server.wait(0.05)}")
        codes = [process.poll() for process in self._processes]
        pytest.fail(f"the PulseAudio null sink gave nothing for 20 s; its processes' return codes are {codes}")


@pytest.fixture
def null_sink(stopped_null_sink: NullSink) -> NullSink:
    """A running null sink."""
    stopped_null_sink.start()
    return stopped_null_sink


@pytest.fixture
def stopped_null_sink() -> Iterator[NullSink]:
    """A null sink to be started; skips without PulseAudio or PortAudio, unless STOPGAP_REQUIRE_AUDIO=1 forbids that."""
    missing = [tool for tool in ("pulseaudio", "pactl", "parec") if shutil.which(tool) is None]
    missing += [] if find_library("portaudio") else ["libportaudio2"]
    if missing:
        reason = f"not installed: {', '.join(missing)}"
        pytest.fail(reason) if os.environ.get("STOPGAP_REQUIRE_AUDIO") == "1" else pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="sg", ignore_cleanup_errors=True) as folder:
        sink = NullSink(folder)
        try:
            yield sink
        finally:
            sink.close()


CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    missing = "playwright" if find_spec("playwright") is None else "" if CHROMIUM.exists() else str(CHROMIUM)
    if missing:
        if os.environ.get("STOPGAP_REQUIRE_BROWSER"):
            pytest.fail(f"STOPGAP_REQUIRE_BROWSER is set and there is no {missing}")
        pytest.skip(f"there is no {missing}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        yield found
        found.close()

"""Sound through a real PulseAudio server and back, sample for sample; and servers that die, hang, and come back.

The playing part runs in its own process, because PortAudio looks for its devices once, when it is imported.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from stopgap import ClipBank
from stopgap.fillers import Samples

RATE = 48_000


class NullSink(Protocol):
    """What these tests need of the fixture `null_sink`."""

    environment: dict[str, str]

    @property
    def server(self) -> subprocess.Popen[bytes]: ...

    def start(self) -> None: ...

    def record(self) -> Path: ...

    def recorded(self, path: Path) -> Samples: ...


TOOLS = """
    import json, logging, sys, threading
    import numpy as np
    import stopgap

    warnings = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())
    logging.getLogger("stopgap").addHandler(handler)

    def until(ready):
        pause = threading.Event()
        for _ in range(1500):
            if ready():
                return
            pause.wait(0.01)
        sys.exit("that never happened")

    def tell(**what):
        print(json.dumps(what), flush=True)

    def told():
        assert sys.stdin.readline(), "the test went away"
"""

PRELUDE = (
    TOOLS
    + """
    manager = stopgap.FillerManager.from_config({
        "mode": "ladder", "seed": 1, "ladder": [{"after_ms": 300, "kind": "phrase"}],
        "handoff": {"phrase": {"max_finish_ms": 600000}},
        "output": {"device": "pulse", "rate": 48000, "block_frames": 1024},
    })
    session = manager.session()
    turn = session.begin()
    until(lambda: turn.record.sounds)
"""
)

PLAY = """
    turn.write(np.load(sys.argv[1]))
    turn.finish()
    until(lambda: session.source.reply_queued == 0)
    over = session.source.position
    until(lambda: session.source.position > over + 24000)
    sound, = turn.record.sounds
    wait, = turn.record.waits
    tell(clip=sound.clip, cut=sound.cut, heard=wait.heard_s is not None, **session.statistics())
    session.close()
    manager.close()
"""

Player = subprocess.Popen[str]
StartPlayer = Callable[..., Player]


@pytest.fixture
def player(stopped_null_sink: NullSink) -> Iterator[StartPlayer]:
    """A starter of processes that play to the null sink: ``player(code, *arguments)`` goes on after *prelude*."""
    players: list[Player] = []

    def start(code: str, *arguments: str, prelude: str = PRELUDE) -> Player:
        whole = textwrap.dedent(prelude) + textwrap.dedent(code)
        process = subprocess.Popen(
            [sys.executable, "-c", whole, *arguments],
            env={**os.environ, **stopped_null_sink.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        players.append(process)
        return process

    yield start
    for process in players:
        process.kill()
        process.communicate()


def answer(process: Player) -> dict[str, Any]:
    """Return the next thing that the player tells."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        pytest.fail(f"the player ended: {process.communicate()[1]}")
    told: dict[str, Any] = json.loads(line)
    return told


def tell(process: Player) -> None:
    """Let the player go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_what_is_played_is_what_is_heard(
    null_sink: NullSink, player: StartPlayer, bank: ClipBank, tmp_path: Path
) -> None:
    """The armed clip and the reply after it come back from the sink's monitor to the sample, and then silence."""
    reply = np.random.default_rng(7).uniform(-0.9, 0.9, RATE).astype(np.float32)
    np.save(tmp_path / "reply.npy", reply)
    for _ in range(5):
        capture = null_sink.record()
        process = player(PLAY, str(tmp_path / "reply.npy"))
        told = answer(process)
        assert process.wait(30) == 0
        heard = null_sink.recorded(capture)
        if told["underruns"] == 0:
            break
        # The machine was too busy for a moment, and the server had to put silence in between.
    assert (told["failed"], told["underruns"]) == (0, 0)
    assert told["heard"]
    assert not told["cut"]

    (clip,) = [clip for clip in bank.clips(RATE) if clip.id == told["clip"]]
    begin = int(np.flatnonzero(heard)[0]) - int(np.flatnonzero(clip.samples)[0])
    start = place_of(reply, heard)
    end = clip.frames
    if start - begin < clip.frames:
        assert start - begin in [mark.frame for mark in clip.cut_marks]
        end = start - begin - 384
    np.testing.assert_allclose(heard[begin : begin + end], clip.samples[:end], rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(heard[start : start + RATE], reply, rtol=0.0, atol=1e-6)
    assert not heard[start + RATE :].any()
    assert len(heard) > start + RATE + 12_000


def place_of(part: Samples, whole: Samples) -> int:
    """Return where *part* lies in *whole*, by cross-correlation."""
    size = 1 << (len(whole) + len(part)).bit_length()
    product = np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size))
    return int(np.argmax(np.fft.irfft(product, size)[: len(whole)]))


@pytest.mark.parametrize("how", ["dies", "hangs", "dies and comes back", "hangs for a while"])
def test_turn_goes_on_without_its_audio_server(how: str, null_sink: NullSink, player: StartPlayer) -> None:
    """If the server dies or hangs in the middle of a filler, nothing raises, the record gets complete, and the
    process ends as it should. A server that comes back is played to again, with the turn that is open then."""
    process = player(
        """
        tell(sounding=session.statistics()["failed"] == 0)
        told()
        until(lambda: session.statistics()["failed"])
        turn.milestone("first_token")
        turn.write(np.ones(24000, np.float32))
        turn.finish()
        until(lambda: session.source.reply_queued == 0 and turn.record.sounds[0].end_s is not None)
        again = session.begin()
        again.write(np.ones(2400, np.float32))
        again.finish()
        until(lambda: again.record.reply_heard_s is not None)
        tell(outcome=turn.record.outcome, heard=turn.record.reply_heard_s is not None, warnings=warnings)
        told()
        if sys.argv[1] == "comes back":
            until(lambda: not session.statistics()["failed"])
            tell(**session.statistics())
            told()
            last = session.begin()
            last.write(np.full(48000, 0.25, np.float32))
            last.finish()
            over = session.source.position + 48000
            until(lambda: session.source.position > over + 24000)
        session.close()
        tell(closed=session.closed, warnings=warnings)
        told()
        """,
        "comes back" if how in ("dies and comes back", "hangs for a while") else "stays away",
    )
    assert answer(process)["sounding"]
    null_sink.server.send_signal(signal.SIGKILL if "dies" in how else signal.SIGSTOP)
    tell(process)
    told = answer(process)
    assert (told["outcome"], told["heard"]) == ("replied", True)
    assert "no sound until it can be opened again" in told["warnings"][0]
    tell(process)
    if how in ("dies and comes back", "hangs for a while"):
        null_sink.server.send_signal(signal.SIGCONT)
        if "dies" in how:
            null_sink.server.wait()
            null_sink.start()
        told = answer(process)
        assert told["failures"] == told["reopened"] >= 1
        capture = null_sink.record()
        tell(process)
        told = answer(process)
        heard = null_sink.recorded(capture)
        assert np.count_nonzero(heard == 0.25) >= RATE // 2
    else:
        told = answer(process)
    assert told["closed"]
    assert len([line for line in told["warnings"] if "no sound" in line]) == 1
    tell(process)
    assert process.wait(30) == 0


def test_device_that_is_plugged_in_later_is_played_to(stopped_null_sink: NullSink, player: StartPlayer) -> None:
    """A session that starts where there is no device is silent, with one warning, until there is one."""
    process = player(
        """
        manager = stopgap.FillerManager.from_config({"output": {"rate": 48000}})
        session = manager.session()
        turn = session.begin()
        turn.write(np.ones(2400, np.float32))
        turn.finish()
        until(lambda: turn.record.reply_heard_s is not None)
        tell(failed=session.statistics()["failed"], warnings=warnings)
        until(lambda: not session.statistics()["failed"])
        tell()
        told()
        turn = session.begin()
        turn.write(np.full(48000, 0.25, np.float32))
        turn.finish()
        over = session.source.position + 48000
        until(lambda: session.source.position > over + 24000)
        tell(warnings=warnings)
        told()
        """,
        prelude=TOOLS,
    )
    told = answer(process)
    assert told["failed"]
    assert len(told["warnings"]) == 1
    stopped_null_sink.start()
    answer(process)
    capture = stopped_null_sink.record()
    tell(process)
    assert len(answer(process)["warnings"]) == 1
    assert np.count_nonzero(stopped_null_sink.recorded(capture) == 0.25) >= RATE // 2
    tell(process)
    assert process.wait(30) == 0


def test_refused_rate_is_one_sentence(null_sink: NullSink, player: StartPlayer) -> None:
    """A named device that does not play at the rate says so before anything plays, and what to do."""
    assert null_sink.server.poll() is None
    process = player(
        """
        import os
        with stopgap.FillerManager.from_config({"output": {"device": "pulse", "rate": 192000}}) as manager:
            manager.session().close()
        for device in (dict(device="pulse", rate=7), dict(device="no such thing")):
            try:
                stopgap.DeviceOutput(**device).start(stopgap.engine.mixer.new_mixer(7), stopgap.MonotonicClock())
            except stopgap.OutputError as exc:
                tell(error=str(exc))
        """,
        prelude=TOOLS,
    )
    assert "does not open at 7 Hz" in answer(process)["error"]
    assert "'no such thing' not found" in answer(process)["error"]
    assert process.wait(30) == 0


def test_fork_leaves_the_device_to_the_parent(null_sink: NullSink, player: StartPlayer) -> None:
    """After a fork the parent plays on; the child hangs nowhere, is silent, and may use the manager and its clips."""
    capture = null_sink.record()
    process = player(
        """
        import os, warnings as python_warnings
        python_warnings.simplefilter("ignore")
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            turn.write(np.ones(2400, np.float32))
            turn.finish()
            session.close()
            other = manager.session(stopgap.FrameOutput(48000, 20))
            mine = other.begin()
            mine.write(np.full(960, 0.5, np.float32))
            mine.finish()
            frames = [other.output.read() for _ in range(3)]
            until(lambda: mine.record.reply_heard_s is not None)
            try:
                manager.session()
            except stopgap.OutputError as exc:
                warnings.append(str(exc))
            os.write(writer, json.dumps([float(np.max(frames)), warnings]).encode())
            manager.close()
            sys.exit(0)
        os.close(writer)
        result = json.loads(os.read(reader, 10000))
        _, status = os.waitpid(child, 0)
        turn.write(np.full(24000, 0.25, np.float32))
        turn.finish()
        until(lambda: session.source.reply_queued == 0)
        over = session.source.position
        until(lambda: session.source.position > over + 24000)
        tell(result=result, status=status, closed=session.closed, failed=session.statistics()["failed"])
        """
    )
    told = answer(process)
    assert told["status"] == 0
    loudest, child_warnings = told["result"]
    assert loudest == 0.5
    assert len(child_warnings) == 1
    assert "forked off" in child_warnings[0]
    assert (told["closed"], told["failed"]) == (False, 0)
    assert np.count_nonzero(null_sink.recorded(capture) == 0.25) >= RATE // 4
    assert process.wait(30) == 0

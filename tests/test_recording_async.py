"""Recording in an event loop that is somebody else's: what goes on meanwhile, and what is left when it is cancelled."""

import asyncio
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
import soundfile
from speech_rig import a_script, a_spec, files, reasons, recorded, wav
from stopgap.fillers import UsageError
from stopgap.fillers.recording import Outcome, RecordOptions, open_tts, record, record_async

TTS = "./tts {text} {out}"
SPEC = a_spec("One", "Two", "Three")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a tone in it; temporary files go to its folder ``temporary``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tone.wav").write_bytes(wav())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


def test_record_names_its_twin(here: Path) -> None:
    """In a running event loop it says what to write there; nothing is asked for, and nothing is left behind."""
    a_script(here / "tts", 'echo "$1" >> said; cat tone.wav > "$2"')

    async def main() -> None:
        record(SPEC, open_tts(TTS), here / "en")

    with pytest.raises(UsageError, match=r"record was called in a running event loop; write `await record_async\("):
        asyncio.run(main())
    assert not (here / "said").exists()
    assert not (here / "en").exists()


def test_the_loop_goes_on(here: Path) -> None:
    """A command waits for what another task of the same loop does; each take is told on that loop, and the result is
    what `record` returns."""
    os.mkfifo(here / "go")
    a_script(here / "tts", 'test "$1" = One && read word < go; cat tone.wav > "$2"')
    told: list[tuple[Outcome, threading.Thread]] = []

    def on_take(outcome: Outcome) -> None:
        told.append((outcome, threading.current_thread()))

    async def main() -> Any:
        async with asyncio.TaskGroup() as group:
            recording = group.create_task(record_async(SPEC, open_tts(TTS), here / "en", on_take=on_take))
            with await asyncio.to_thread((here / "go").open, "w") as pipe:  # opens once the command reads from it
                assert not recording.done()
                pipe.write("on\n")
        return recording.result()

    result = asyncio.run(main())
    assert [take.line.text for take in result.takes] == ["One", "Two", "Three"]
    assert {thread for _, thread in told} == {threading.main_thread()}
    assert {outcome.line.text for outcome, _ in told} == {"One", "Two", "Three"}
    assert [take.original for take in recorded(SPEC, TTS, here / "en").takes] == [t.original for t in result.takes]


def test_two_at_once_in_one_loop(here: Path) -> None:
    """Packs can be recorded beside each other."""
    a_script(here / "tts", 'cat tone.wav > "$2"')

    async def main() -> Any:
        return await asyncio.gather(*(record_async(SPEC, open_tts(TTS), here / name) for name in ("a", "b", "c")))

    assert [len(result.takes) for result in asyncio.run(main())] == [3, 3, 3]


@pytest.mark.parametrize("way", ["cancel", "timeout"])
def test_cancelled_commands_end_with_their_children(here: Path, way: str) -> None:
    """Nothing runs on, whole takes stay, no part of another one does; the next run goes on from there."""
    os.mkfifo(here / "alive")
    blocks = 'head -c 1000 tone.wav > "$2"; exec 9> alive; sleep 600 & sleep 600'
    a_script(here / "tts", f'if test "$1" = One || test -e go; then cat tone.wav > "$2"; else {blocks}; fi')

    async def main() -> int:
        work = record_async(SPEC, open_tts(TTS), here / "en", options=RecordOptions(parallel=1))
        task = asyncio.create_task(work)
        reader = await asyncio.to_thread(os.open, here / "alive", os.O_RDONLY)  # opens once the command does
        if way == "cancel":
            task.cancel()
        with pytest.raises(TimeoutError if way == "timeout" else asyncio.CancelledError):
            async with asyncio.timeout(0.0 if way == "timeout" else None):
                await task
        return reader

    reader = asyncio.run(main())
    try:
        assert os.read(reader, 100) == b""  # ends when nobody holds it open any more
    finally:
        os.close(reader)
    (kept,) = files(here / "en")
    assert soundfile.info(here / "en" / "originals" / kept).frames == 12_000
    assert list((here / "temporary").iterdir()) == []
    (here / "go").touch()
    assert [take.cached for take in recorded(SPEC, TTS, here / "en").takes] == [True, False, False]


CALLABLES = {
    "async": """
async def tts(text):
    try:
        begun.set()
        await asyncio.sleep(600)
    finally:
        ended.set()
""",
    "generator": """
def tts(text):
    try:
        while True:
            begun.set()
            yield bytes(100)
            time.sleep(0.001)
    finally:
        ended.set()
""",
}


@pytest.mark.parametrize("form", CALLABLES)
def test_cancelled_callables_end(here: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """What was awaited or generated is given up, and its thread with it; nothing is kept."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "cancelled_tts", raising=False)
    head = "import asyncio, threading, time\nbegun, ended = threading.Event(), threading.Event()\n"
    (here / "cancelled_tts.py").write_text(head + CALLABLES[form], encoding="utf-8")
    tts = open_tts("cancelled_tts:tts")
    module: Any = sys.modules["cancelled_tts"]

    async def main() -> None:
        task = asyncio.create_task(record_async(SPEC, tts, here / "en"))
        await asyncio.to_thread(module.begun.wait, 60.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert module.ended.wait(60.0)
    for thread in threading.enumerate():
        if thread.name == "stopgap tts":
            thread.join(60.0)
            assert not thread.is_alive()
    assert not (here / "en").exists() or files(here / "en") == []
    monkeypatch.delitem(sys.modules, "cancelled_tts")


def test_loop_that_starts_no_commands(here: Path) -> None:
    """As those of notebooks on Windows: one sentence says what to do instead."""
    a_script(here / "tts", 'cat tone.wav > "$2"')

    class Loop(asyncio.SelectorEventLoop):
        async def subprocess_exec(self, *args: Any, **more: Any) -> Any:
            raise NotImplementedError

    with asyncio.Runner(loop_factory=Loop) as runner:
        result = runner.run(record_async(SPEC, open_tts(TTS), here / "en", options=RecordOptions(parallel=1)))
    (reason,) = reasons(result)
    assert reason.startswith("'One': this event loop cannot run commands")
    assert reason.endswith("run `stopgap pack record`")
    assert len(result.untried) == 2

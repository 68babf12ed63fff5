"""Agents of any make: streams and tools that are watched, replies that somebody else plays, and who is told of it."""

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
import stopgap
from hypothesis import given
from hypothesis import strategies as st
from stopgap import ClipBank, FillerManager, FrameOutput, Kind, MemoryOutput, SilentOutput, UsageError, VirtualClock
from stopgap.engine.integrations._versions import warn_if_untested
from stopgap.engine.planning import clip_classes
from stopgap.engine.prediction import Context, Lesson
from stopgap.engine.turns import SoundRecord, TurnRecord
from virtual_loop import LoopClock, run

RATE = 24_000
PHRASE_AT_ONCE: dict[str, Any] = {"mode": "ladder", "seed": 1, "ladder": [{"after_ms": 500, "kind": "phrase"}]}


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.fillers: list[tuple[str, SoundRecord]] = []
        self.turns: list[TurnRecord] = []

    def on_filler(self, turn_id: str, sound: SoundRecord) -> None:
        self.fillers.append((turn_id, sound))

    def on_turn(self, record: TurnRecord) -> None:
        self.turns.append(record)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100.0)


@pytest.fixture
def manager(clock: VirtualClock, bank: ClipBank) -> Iterator[FillerManager]:
    with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=clock, bank=bank) as manager:
        yield manager


def tone(seconds: float = 0.5) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(0.2 * np.cos(np.arange(round(seconds * RATE)) * 0.05), np.float32)


# A reply that somebody else plays -------------------------------------------------------------------------------------


@given(at_s=st.floats(0.0, 3.0))
def test_fillers_fade_beneath_a_reply_of_the_transports(bank: ClipBank, at_s: float) -> None:
    """Whenever the reply comes on its own path, it is held back by nothing and no filler outlasts its first 20 ms."""
    clock = VirtualClock()
    with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=clock, bank=bank) as manager:
        output = MemoryOutput(RATE, owns_reply=False)
        turn = manager.session(output).begin()
        clock.advance(at_s)
        turn.reply_started()
        turn.finish()
        clock.advance(3.0)
        record = turn.record
    assert record.waits[0].available_s == record.waits[0].heard_s == pytest.approx(at_s)
    assert record.reply_delay_s == 0.0
    assert not output.samples[round((at_s + 0.0201) * RATE) :].any()
    assert all(sound.end_s is not None and sound.end_s <= at_s + 0.0201 for sound in record.sounds)


def test_a_phrase_that_is_faded_is_a_cut(manager: FillerManager, clock: VirtualClock) -> None:
    """A phrase that had to fade beneath the reply counts as cut, and only the words that were heard are reported."""
    turn = manager.session(MemoryOutput(RATE, owns_reply=False)).begin()
    clock.advance(1.0)
    whole = turn.record.sounds[0]
    turn.reply_started()
    clock.advance(1.0)
    cut = turn.record.sounds[0]
    assert cut.cut
    clip = next(clip for clip in manager.bank.originals if clip.id == whole.clip)
    assert clip.text is not None
    assert len(turn.record.filler_text) < len(clip.text)


def test_text_reply_lets_a_phrase_finish(manager: FillerManager, clock: VirtualClock) -> None:
    """Where nothing else sounds on the line, an answer in text ends the fillers by their own rule, at a cut mark."""
    turn = manager.session(MemoryOutput(RATE)).begin()
    clock.advance(1.0)
    turn.reply_started()
    turn.finish()
    clock.advance(2.0)
    assert not turn.record.sounds[0].cut
    assert turn.record.reply_heard_s == pytest.approx(1.0)


def test_a_handoff_that_cannot_be_kept_is_named_once(
    clock: VirtualClock, bank: ClipBank, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever configured a handoff learns that it has no effect on such a line; the default is no promise."""
    with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=clock, bank=bank) as manager:
        manager.session(SilentOutput(RATE, owns_reply=False))
    assert not caplog.records
    config = stopgap.load_config({**PHRASE_AT_ONCE, "handoff": {"phrase": {"max_finish_ms": 900}}})
    with FillerManager(config, clock=clock, bank=bank) as manager:
        manager.session(SilentOutput(RATE))
        for _ in range(2):
            manager.session(SilentOutput(RATE, owns_reply=False))
    (warning,) = caplog.records
    assert "[handoff] has no effect where the reply does not go through stopgap" in warning.getMessage()


def test_reply_started_may_be_back_dated_and_never_raises_twice(manager: FillerManager, clock: VirtualClock) -> None:
    """The time may lie in the past, the future counts as now, a second call changes nothing; NaN is refused."""
    session = manager.session(SilentOutput(RATE, owns_reply=False))
    turn = session.begin()
    clock.advance(1.0)
    with pytest.raises(UsageError, match="reply_started at nan"):
        turn.reply_started(float("nan"))
    turn.reply_started(clock.now() - 0.25)
    turn.reply_started()
    assert turn.record.reply_heard_s == pytest.approx(0.75)
    turn.finish()
    turn.reply_started()
    assert "reply_started after the turn's end: ignored" in turn.record.notes
    later = session.begin()
    clock.advance(0.25)
    later.reply_started(clock.now() + 60.0)
    assert later.record.reply_heard_s == pytest.approx(0.25)


def test_preamble_of_the_transports_is_followed_by_a_second_wait(manager: FillerManager, clock: VirtualClock) -> None:
    """After a preamble on its own path, a slow tool is a wait of its own with fillers of its own."""
    turn = manager.session(SilentOutput(RATE, owns_reply=False)).begin()
    clock.advance(0.2)
    turn.reply_started()
    with turn.tool("lookup"):
        clock.advance(1.3)
        turn.wait_again()
        assert turn.waiting
        clock.advance(2.0)
    turn.reply_started()
    turn.finish()
    record = turn.record
    assert [wait.began_s for wait in record.waits] == pytest.approx([0.0, 1.5])
    assert [sound.start_s for sound in record.sounds] == pytest.approx([2.0])


def test_the_planner_charges_the_cut(bank: ClipBank) -> None:
    """Where the reply cannot be held, a phrase that it would meet costs a cut instead of a delay."""
    config = stopgap.Config()
    spoken = [clip for clip in bank.clips(RATE) if clip.kind is Kind.PHRASE]
    held = clip_classes(spoken, config)
    beneath = clip_classes(spoken, config.model_copy(update={"handoff": config.handoff.beneath()}))
    for owned, other in zip(held, beneath, strict=True):
        assert other.handoff[: len(other.handoff) // 2] == pytest.approx(config.costs.phrase_cut)
        assert owned.handoff[: len(owned.handoff) // 2].max() > other.handoff.max()  # up to 0.6 s of delay


def test_the_planner_shuns_phrases_that_would_be_cut(bank: ClipBank) -> None:
    """The same waits are planned with fewer phrases where cuts are dear and the reply cannot be held."""
    said = {}
    for owns_reply in (True, False):
        config = stopgap.load_config({"seed": 1, "costs": {"phrase_cut": 5.0}, "limits": {"needless": "unlimited"}})
        clock = VirtualClock()
        with FillerManager(config, clock=clock, bank=bank) as manager:
            for place in range(400):
                wait_s = 1.5 + place % 20 / 10
                manager.predictor.learn([Lesson("speech_ended", Context(agent="a"), wait_s, True)])
            turns = []
            for _ in range(20):
                session = manager.session(SilentOutput(RATE, owns_reply=owns_reply))
                turn = session.begin(agent="a")
                clock.advance(3.0)
                turns.append(turn.record)
                turn.cancel()
        planned = [turn for turn in turns if turn.policy == "predictive"]
        said[owns_reply] = sum(s.kind is Kind.PHRASE for turn in planned for s in turn.sounds) / len(planned)
    assert said[False] < said[True]


def test_hand_over_waits_for_the_whole_rule(bank: ClipBank) -> None:
    """The caller may play the reply once the phrase has come to its mark; the delay is on record, nothing is cut."""

    async def main() -> tuple[TurnRecord, float]:
        loop = asyncio.get_running_loop()
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=LoopClock(loop), bank=bank) as manager:
            session = manager.session(FrameOutput(RATE))
            assert isinstance(session.output, FrameOutput)
            frames = session.output.paced()
            pull = asyncio.create_task(anext_for_ever(frames))
            turn = session.begin()
            await asyncio.sleep(1.0)
            began_at = loop.time()
            await turn.hand_over()
            held_s = loop.time() - began_at
            turn.finish()
            await asyncio.sleep(1.0)
            pull.cancel()
            return turn.record, held_s

    record, held_s = run(main)
    assert record.reply_delay_s is not None
    assert 0.0 < record.reply_delay_s <= 0.62
    assert held_s == pytest.approx(record.reply_delay_s, abs=0.03)  # a frame, and a look
    assert not record.sounds[0].cut
    assert record.sounds[0].end_s == pytest.approx(record.reply_heard_s)


def test_hand_over_is_at_once_in_silence_and_gives_up_where_nobody_pulls(bank: ClipBank) -> None:
    """A reply is never held by fillers that are not heard: none sounds, or the frames are not pulled any more."""

    async def main() -> tuple[float, float, TurnRecord]:
        loop = asyncio.get_running_loop()
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=LoopClock(loop), bank=bank) as manager:
            session = manager.session(FrameOutput(RATE))
            assert isinstance(session.output, FrameOutput)
            began_at = loop.time()
            turn = session.begin()
            await turn.hand_over()
            silent_s = loop.time() - began_at
            turn.finish()
            turn = session.begin()
            for _ in range(40):
                session.output.read()
                await asyncio.sleep(0.02)
            began_at = loop.time()
            await turn.hand_over()
            return silent_s, loop.time() - began_at, turn.record

    silent_s, stuck_s, record = run(main)
    assert silent_s == 0.0
    assert stuck_s < 1.0
    assert "fillers did not yield: the output stands still" in record.notes


@pytest.mark.parametrize("speaks_at", [0.7, 0.8])
def test_hand_over_does_not_wait_for_a_user_who_speaks(bank: ClipBank, speaks_at: float) -> None:
    """Before or during a hand-over: while the user speaks no filler sounds that the reply would wait for."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=LoopClock(loop), bank=bank) as manager:
            session = manager.session(FrameOutput(RATE))
            assert isinstance(session.output, FrameOutput)
            pulling = asyncio.create_task(anext_for_ever(session.output.paced()))
            turn = session.begin()
            loop.call_later(speaks_at, session.user_speaking)
            await asyncio.sleep(0.75)
            began_at = loop.time()
            await turn.hand_over()
            pulling.cancel()
            return loop.time() - began_at

    assert run(main) == pytest.approx(max(0.0, speaks_at - 0.75), abs=0.03)


async def anext_for_ever(frames: AsyncIterator[Any]) -> None:
    async for _ in frames:
        pass


# Streams and tools ----------------------------------------------------------------------------------------------------


def test_watch_writes_and_finishes(manager: FillerManager, clock: VirtualClock) -> None:
    """A stream of chunks becomes the reply, whole and in order, and the turn is finished."""
    output = MemoryOutput(RATE)
    session = manager.session(output)
    turn = session.begin()
    turn.watch(tone()[at : at + 1000] for at in range(0, len(tone()), 1000))
    assert not turn.pending
    clock.advance(1.0)
    session.tick()
    assert np.array_equal(output.samples[: len(tone())], tone())


def test_watch_takes_async_streams(bank: ClipBank) -> None:
    """The same of an asynchronous stream; 8 kHz bytes are resampled."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(25):
            await asyncio.sleep(0.01)
            yield np.full(160, 3000, "<i2").tobytes()

    async def main() -> TurnRecord:
        loop = asyncio.get_running_loop()
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=LoopClock(loop), bank=bank) as manager:
            output = MemoryOutput(RATE)
            session = manager.session(output)
            turn = session.begin()
            await turn.watch(chunks(), 8_000)
            await asyncio.sleep(1.0)
            session.tick()
            assert np.count_nonzero(output.samples > 0.05) == pytest.approx(0.5 * RATE, rel=0.02)
            return turn.record

    record = run(main)
    assert record.outcome == "replied"
    assert record.reply_heard_s == pytest.approx(0.01, abs=0.05)  # what the resampler looks ahead


def test_a_stream_that_fails_cancels_the_turn(manager: FillerManager) -> None:
    """The exception reaches the agent, and the turn says why it ended."""

    def failing() -> Iterator[Any]:
        yield tone(0.1)
        raise ConnectionError("the TTS went away")

    turn = manager.session(MemoryOutput(RATE)).begin()
    with pytest.raises(ConnectionError):
        turn.watch(failing())
    assert turn.record.cancel_reason == "the reply failed: ConnectionError"


def test_watch_stops_with_its_turn(bank: ClipBank) -> None:
    """After a barge-in nothing more is taken from the TTS, which is closed, and the record keeps one note."""
    taken, closed = [], []

    async def long_tts() -> AsyncIterator[Any]:
        try:
            for place in range(500):
                taken.append(place)
                yield tone(0.02)
                await asyncio.sleep(0.01)
        finally:
            closed.append(True)

    async def main() -> TurnRecord:
        loop = asyncio.get_running_loop()
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=LoopClock(loop), bank=bank) as manager:
            turn = manager.session(MemoryOutput(RATE)).begin()
            speaking = asyncio.create_task(turn.watch(long_tts()))
            await asyncio.sleep(0.405)
            turn.cancel("barge-in")
            await speaking
            return turn.record

    record = run(main)
    assert closed
    assert len(taken) == 42
    assert record.notes == ("reply written after the turn was over: refused",)


def test_a_turn_is_over_when_its_block_raises(manager: FillerManager, clock: VirtualClock) -> None:
    """A model that fails leaves no filler behind; a block that ends finishes its turn."""
    output = MemoryOutput(RATE)
    session = manager.session(output)
    with pytest.raises(ConnectionError), session.begin() as turn:
        raise ConnectionError("the model went away")
    clock.advance(10.0)
    session.tick()
    assert turn.record.cancel_reason == "the reply failed: ConnectionError"
    assert not output.samples.any()
    with session.begin() as turn:
        turn.write(tone())
    assert turn.record.outcome == "replied"


@given(cuts=st.lists(st.integers(0, 2000), max_size=6), rate=st.sampled_from([None, 8_000]))
def test_bytes_may_be_cut_anywhere(bank: ClipBank, cuts: list[int], rate: int | None) -> None:
    """Chunks of HTTP do not end at samples: however a stream of PCM is cut, the same is heard."""
    pcm = (tone(1000 / RATE) * 32767).astype("<i2").tobytes()
    heard = []
    for places in ([], sorted(cuts)):
        clock = VirtualClock()
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=clock, bank=bank) as manager:
            output = MemoryOutput(RATE)
            turn = manager.session(output).begin()
            turn.watch([pcm[a:b] for a, b in zip([0, *places], [*places, len(pcm)], strict=True)], rate)
            clock.advance(1.0)
            assert turn.record.outcome == "replied"
            heard.append(output.samples)
    whole, cut = heard
    assert np.abs(whole).max() > 0.1
    assert np.allclose(cut, whole, atol=1e-4)  # a resampler is free to round otherwise


def test_a_reply_may_change_its_rate(manager: FillerManager, clock: VirtualClock) -> None:
    """Nothing of what came before is lost or heard later, whichever rate comes next."""
    output = MemoryOutput(RATE)
    turn = manager.session(output).begin()
    for rate, level in ((8_000, 0.1), (16_000, 0.2), (None, 0.3), (8_000, 0.4)):
        turn.write(np.full(rate or RATE, level, np.float32), rate)
    turn.finish()
    clock.advance(6.0)
    _ = turn.record
    assert np.count_nonzero(output.samples > 0.05) == pytest.approx(4 * RATE, abs=8)
    middles = [float(output.samples[round((s + 0.5) * RATE)]) for s in range(4)]
    assert middles == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.01)


@pytest.mark.parametrize("audio", [None, 5, b"\x00\x00", "text", np.zeros(10, np.float32)])
def test_watch_refuses_what_is_no_stream(manager: FillerManager, audio: Any) -> None:
    """A wrong argument is named before anything happens to the turn."""
    turn = manager.session(SilentOutput(RATE)).begin()
    with pytest.raises(UsageError, match="stream of chunks"):
        turn.watch(audio)
    assert turn.pending


def test_tools_have_names(manager: FillerManager) -> None:
    """A decorator without its parentheses, and a name that is none, are refused at once."""
    session = manager.session(SilentOutput(RATE))
    turn = session.begin()
    with pytest.raises(UsageError, match=r"@session\.tool\(\)"):

        @session.tool  # type: ignore[arg-type]
        def weather() -> None: ...

    with pytest.raises(UsageError, match="is no name"):
        turn.tool(["x"])  # type: ignore[arg-type]


def test_times_of_another_clock_are_refused(manager: FillerManager) -> None:
    """Seconds since the turn began would teach nonsense."""
    turn = manager.session(SilentOutput(RATE)).begin()
    for tell in (turn.reply_started, lambda at: turn.milestone("llm_started", at=at)):
        with pytest.raises(UsageError, match="manager's clock"):
            tell(3.0)
    assert turn.record.waits[0].available_s is None


def test_a_task_that_is_cancelled_cancels_the_turn(bank: ClipBank) -> None:
    """A barge-in that cancels the task that speaks ends the turn as well."""

    async def endless() -> AsyncIterator[Any]:
        while True:
            yield tone(0.1)
            await asyncio.sleep(0.1)

    async def main() -> TurnRecord:
        loop = asyncio.get_running_loop()
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=LoopClock(loop), bank=bank) as manager:
            turn = manager.session(MemoryOutput(RATE)).begin()
            task = asyncio.create_task(turn.watch(endless()))
            await asyncio.sleep(0.35)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return turn.record

    record = run(main)
    assert (record.outcome, record.cancel_reason) == ("cancelled", "the reply was stopped")


def test_watch_llm_tells_start_and_first_token(manager: FillerManager, clock: VirtualClock) -> None:
    """The tokens are the same, and both milestones are on record at their times."""

    def model() -> Iterator[str]:
        clock.advance(0.75)
        yield "I"
        clock.advance(0.25)
        yield "see"

    turn = manager.session(SilentOutput(RATE)).begin()
    clock.advance(0.1)
    assert list(turn.watch_llm(model())) == ["I", "see"]
    news = {m.name: m.at_s for m in turn.record.milestones}
    assert news["llm_started"] == pytest.approx(0.1)
    assert news["first_token"] == pytest.approx(0.85)


def test_watch_llm_takes_async_streams(bank: ClipBank) -> None:
    """The same of an asynchronous stream."""

    async def model() -> AsyncIterator[str]:
        await asyncio.sleep(0.75)
        yield "I"
        yield "see"

    async def main() -> tuple[list[str], TurnRecord]:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=clock, bank=bank) as manager:
            turn = manager.session(SilentOutput(RATE)).begin()
            return [token async for token in turn.watch_llm(model())], turn.record

    heard, record = run(main)
    assert heard == ["I", "see"]
    assert [m.at_s for m in record.milestones if m.name == "first_token"] == pytest.approx([0.75])


def test_the_first_token_is_the_first_text(bank: ClipBank) -> None:
    """The request itself may be awaited; items without text (roles, tool calls) are no first token."""

    async def create() -> AsyncIterator[str]:
        await asyncio.sleep(0.5)

        async def items() -> AsyncIterator[str]:
            yield ""
            await asyncio.sleep(0.25)
            yield "I"
            yield "see"

        return items()

    async def main() -> tuple[list[str], dict[str, float]]:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=clock, bank=bank) as manager:
            turn = manager.session(SilentOutput(RATE)).begin()
            heard = [token async for token in turn.watch_llm(create(), lambda token: token)]
            return heard, {m.name: m.at_s for m in turn.record.milestones}

    heard, news = run(main)
    assert heard == ["", "I", "see"]
    assert news["llm_started"] == pytest.approx(0.0)
    assert news["first_token"] == pytest.approx(0.75)


def test_tools_are_watched_however_they_end(manager: FillerManager) -> None:
    """A tool's end is told when its block is left, by an exception, too; two may run side by side."""
    turn = manager.session(SilentOutput(RATE)).begin()
    with turn.tool("outer"), pytest.raises(TimeoutError), turn.tool("inner"):
        raise TimeoutError
    told = [(m.name, m.tool) for m in turn.record.milestones[1:]]
    assert told == [
        ("tool_started", "outer"), ("tool_started", "inner"), ("tool_ended", "inner"), ("tool_ended", "outer"),
    ]  # fmt: skip


def test_a_decorated_tool_belongs_to_the_turn_in_which_it_runs(bank: ClipBank) -> None:
    """Functions and coroutine functions keep their names and results, and tell the newest turn; before any, nobody."""

    async def main() -> list[tuple[str, str | None]]:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=clock, bank=bank) as manager:
            session = manager.session(SilentOutput(RATE))

            @session.tool()
            async def weather(town: str) -> str:
                await asyncio.sleep(0.5)
                return f"rain in {town}"

            @session.tool("clock")
            def what_time() -> str:
                return "noon"

            assert await weather("Basel") == "rain in Basel"
            turn = session.begin()
            assert list(await asyncio.gather(weather("Bern"), weather("Bonn"))) == ["rain in Bern", "rain in Bonn"]
            assert what_time() == "noon"
            assert weather.__name__ == "weather"
            return [(m.name, m.tool) for m in turn.record.milestones[1:]]

    told = run(main)
    assert told.count(("tool_started", "weather")) == told.count(("tool_ended", "weather")) == 2
    assert told[-2:] == [("tool_started", "clock"), ("tool_ended", "clock")]


# Who is told ----------------------------------------------------------------------------------------------------------


def test_listeners_hear_of_fillers_and_turns(manager: FillerManager, clock: VirtualClock) -> None:
    """A filler is told when it starts and when it ends; a turn once the last of it has been heard, and only once."""
    everywhere, here = Ear(), Ear()
    manager.add_listener(everywhere)
    session = manager.session(MemoryOutput(RATE), listener=here)
    turn = session.begin(id="t1")
    clock.advance(0.6)
    session.tick()
    assert [(name, sound.end_s) for name, sound in here.fillers] == [("t1", None)]
    assert session.filler_sounding
    clock.advance(1.0)
    turn.write(tone(2.0))
    turn.finish()
    assert not here.turns
    clock.advance(5.0)
    session.tick()
    session.tick()
    (_, sound) = here.fillers[-1]
    assert sound.text == turn.record.filler_text
    assert sound.end_s is not None
    assert not session.filler_sounding
    assert [record.id for record in here.turns] == ["t1"]
    assert here.turns[0].reply_heard_s is not None
    assert everywhere.turns == here.turns
    assert everywhere.fillers == here.fillers


@pytest.mark.parametrize("end", ["cancel", "retract", "supersede", "close"])
def test_listeners_hear_of_turns_that_never_get_a_reply(manager: FillerManager, clock: VirtualClock, end: str) -> None:
    """However a turn ends, it is told once."""
    ear = Ear()
    session = manager.session(MemoryOutput(RATE), listener=ear)
    turn = session.begin(id="t1", tentative=end == "retract")
    clock.advance(1.0)
    match end:
        case "cancel":
            turn.cancel("barge-in")
        case "retract":
            turn.retract()
        case "supersede":
            session.begin(id="t2")
        case "close":
            session.close()
    clock.advance(0.1)
    session.tick()
    assert [(r.id, r.outcome) for r in ear.turns] == [("t1", "retracted" if end == "retract" else "cancelled")]
    assert all(sound.end_s is not None for sound in ear.turns[0].sounds)
    began, ended = ({s.start_frame for _, s in ear.fillers if (s.end_s is None) is open} for open in (True, False))
    assert began == ended
    assert bool(began) is (end != "retract")  # nothing is said before a turn is certain


def test_a_listener_that_raises_is_logged(
    manager: FillerManager, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Its exception reaches the log, not the agent, and the others are told all the same."""

    class Broken(Ear):
        def on_turn(self, record: TurnRecord) -> None:
            raise ZeroDivisionError("no bucket for this turn")

    manager.add_listener(Broken())
    ear = Ear()
    turn = manager.session(SilentOutput(RATE), listener=ear).begin()
    with caplog.at_level(logging.ERROR, "stopgap"):
        turn.cancel()
    assert "no bucket for this turn" in caplog.text
    assert len(ear.turns) == 1


def test_listeners_are_told_off_the_agents_thread(bank: ClipBank) -> None:
    """In real time the service thread tells them, and they may call the session."""
    told: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
    with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), bank=bank) as manager:
        session = manager.session(SilentOutput(RATE))

        class Asking(Ear):
            def on_turn(self, record: TurnRecord) -> None:
                told.put((threading.current_thread().name, session.waiting))

        manager.add_listener(Asking())
        session = manager.session(SilentOutput(RATE))
        session.begin().cancel()
        assert told.get(timeout=30.0) == ("stopgap", False)


def test_waiting_tells_timers_to_hold(manager: FillerManager, clock: VirtualClock) -> None:
    """A session waits from the end of speech to the reply, fillers or not, so that nobody asks "are you there?"."""
    session = manager.session(SilentOutput(RATE))
    assert not session.waiting
    turn = session.begin()
    clock.advance(1.0)
    assert session.waiting
    turn.write(tone())
    assert not session.waiting
    turn.wait_again()
    assert session.waiting
    turn.cancel()
    assert not session.waiting


# Frameworks -----------------------------------------------------------------------------------------------------------


def test_an_untested_version_warns_with_both() -> None:
    """The warning names what is installed and what was tested; inside the range there is none."""
    installed = version("numpy")
    with pytest.warns(UserWarning, match=rf"numpy 0.1 to 0.2, and {installed} is installed"):
        warn_if_untested("numpy", ("0.1", "0.2"))
    with pytest.warns(UserWarning, match=r"numpy 99, and"):
        warn_if_untested("numpy", ("99", "99"))
    warn_if_untested("numpy", (installed, installed))
    warn_if_untested("numpy", ("1", installed.split(".")[0]))
    warn_if_untested("no-such-distribution", ("1", "2"))

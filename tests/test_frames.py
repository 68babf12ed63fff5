"""Frames that are pulled singly, in batches or at a pace, and frames that are sent ahead: the same sound every time."""

import asyncio
import random
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import stopgap
from hypothesis import given, settings
from hypothesis import strategies as st
from stopgap import (
    ClipBank,
    FillerManager,
    FrameBatch,
    FrameOutput,
    Kind,
    MemoryOutput,
    Session,
    UsageError,
    VirtualClock,
    send_ahead,
)
from stopgap.engine.mixer import (
    Arm,
    ArmedCue,
    Command,
    Heard,
    Mixer,
    NativeMixer,
    ReferenceMixer,
    Stop,
    TapBlock,
    Tell,
    Write,
    native_available,
)
from stopgap.engine.outputs import AheadFrames
from stopgap.fillers import Clip, Samples

MakeClip = Callable[..., Clip]
MakeCue = Callable[..., ArmedCue]
MakeMixer = type[NativeMixer] | type[ReferenceMixer]

RATE = 24_000
FRAME = 480
FRAME_S = 0.02
LADDER: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "limits": {"per_minute": "unlimited"},
    "ladder": [{"after_ms": 100, "kind": "hesitation"}, {"after_ms": 700, "kind": "phrase"}],
}
NATIVE = pytest.param(NativeMixer, marks=pytest.mark.skipif(not native_available, reason="the C core was not built"))
ENGINES = [NATIVE, ReferenceMixer]


def made_by(maker: MakeMixer) -> Callable[..., Any]:
    """Return what makes a session's mixer, whatever room it needs."""
    return lambda rate, preroll_ms, **_: maker(rate, preroll_ms)


@pytest.fixture(params=ENGINES)
def make_mixer(request: pytest.FixtureRequest) -> Iterator[MakeMixer]:
    """Each engine in turn; sessions mix with it too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stopgap.engine._line.new_mixer", made_by(request.param))
        made: MakeMixer = request.param
        yield made


def ramp(frames: int, first: int = 1) -> Samples:
    """Return samples that tell their own place, none of them 0, exact in float32."""
    return (np.arange(first, first + frames) / 2**24).astype(np.float32)


def rendered(mixer: Mixer, frames: int) -> Samples:
    out = np.empty(frames, np.float32)
    mixer.render(out)
    return out


def opened(manager: FillerManager, output: FrameOutput, id: str | None = None) -> FrameOutput:
    manager.session(output, id=id)
    return output


# Batches ------------------------------------------------------------------------------------------------------


class Twins:
    """Sessions in two managers that are told the same; one's outputs are pulled as a batch, the other's singly."""

    def __init__(self, bank: ClipBank, makers: list[MakeMixer]) -> None:
        self.clocks = VirtualClock(1000.1), VirtualClock(1000.1)
        config = stopgap.load_config(LADDER)
        self.managers = [FillerManager(config, clock=clock, bank=bank) for clock in self.clocks]
        self.makers = makers
        self.batch = FrameBatch()
        self.sessions: list[tuple[Session, Session]] = []
        self.members: list[int] = []
        """Numbers of the sessions in the batch, row by row."""

    def open(self) -> None:
        number = len(self.sessions)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("stopgap.engine._line.new_mixer", made_by(self.makers[number % len(self.makers)]))
            first, second = (
                manager.session(FrameOutput(RATE, latency_s=0.03 * (number % 3)), id=f"s{number}")
                for manager in self.managers
            )
        self.sessions.append((first, second))
        self.batch.add(self.output(number, 0))
        self.members.append(number)

    def output(self, number: int, side: int) -> FrameOutput:
        output = self.sessions[number][side].output
        assert isinstance(output, FrameOutput)
        return output

    def do(self, what: str, which: int, amount: int) -> None:
        if what == "open":
            self.open()
        elif what == "remove" and self.members:
            number = self.members.pop(which % len(self.members))
            self.batch.remove(self.output(number, 0))
        elif self.sessions:
            for session in self.sessions[which % len(self.sessions)]:
                tell(session, what, amount)

    def pull(self, pcm: bool, own: bool) -> None:
        """Pull a frame of every session and compare the two sides' sounds and maps."""
        number = len(self.members)
        rows: npt.NDArray[Any]
        if pcm:
            rows = self.batch.read_pcm16()
        else:
            out = np.full((number, FRAME), np.nan, np.float32) if own and number else None
            rows = self.batch.read(out)
            assert out is None or rows is out
        assert len(rows) == number
        for row, member in zip(rows, self.members, strict=True):
            self.same(row, member, pcm)
        for member in set(range(len(self.sessions))) - set(self.members):
            output = self.output(member, 0)
            self.same(np.frombuffer(output.read_pcm16(), "<i2") if pcm else output.read(), member, pcm)
        for clock in self.clocks:
            clock.advance(FRAME_S)
        for first, second in self.sessions:
            for seconds in (-0.5, 0.0, 0.123, 40.0):
                at = self.clocks[0].now() + seconds
                assert abs(first.output.frame_at(at) - second.output.frame_at(at)) <= 1
            assert first.output.time_of(7) == pytest.approx(second.output.time_of(7), abs=1e-8)

    def same(self, row: npt.NDArray[Any], number: int, pcm: bool) -> None:
        twin = self.output(number, 1)
        expected = np.frombuffer(twin.read_pcm16(), "<i2") if pcm else twin.read()
        np.testing.assert_array_equal(row, expected)

    def close(self) -> None:
        for manager in self.managers:
            manager.close()
        for first, second in self.sessions:
            assert recorded(first) == recorded(second)


def recorded(session: Session) -> list[Any]:
    """Return the record of a session's last turn, in frames."""
    if session.turn is None:
        return []
    record = session.turn.record
    sounds = [(sound.clip, sound.start_frame, sound.end_frame, sound.cut) for sound in record.sounds]
    return [record.outcome, record.notes, record.reply_heard_s is None, *sounds]


def tell(session: Session, what: str, amount: int) -> None:
    if what == "close" or session.closed:
        session.close()
    elif what == "begin" or session.turn is None:
        session.begin()
    elif what == "write":
        for chunk in range(1, 4):
            session.turn.write(ramp(amount * chunk, amount))
    elif what == "finish":
        session.turn.finish()
    elif what == "cancel":
        session.turn.cancel()
    elif what == "hold":
        session.user_speaking()
    elif what == "resume":
        session.resume()


TOLD = ("open", "open", "remove", "close", "begin", "begin", "write", "write", "finish", "cancel", "hold", "resume")
frames = st.tuples(
    st.lists(st.tuples(st.sampled_from(TOLD), st.integers(0, 9), st.integers(1, 900)), max_size=3),
    st.integers(1, 12),
    st.booleans(),
    st.booleans(),
)


@pytest.mark.parametrize(
    "makers", [[NativeMixer], [ReferenceMixer], [NativeMixer, ReferenceMixer]], ids=["native", "numpy", "mixed"]
)
@given(plan=st.lists(frames, max_size=12))
@settings(max_examples=60)
def test_batch_is_each_by_itself(makers: list[MakeMixer], plan: list[Any], bank: ClipBank) -> None:
    """Whoever joins, is told things, is closed or leaves: rows, maps and records are those of outputs read singly."""
    if NativeMixer in makers and not native_available:
        pytest.skip("the C core was not built")
    twins = Twins(bank, makers)
    for number in range(3):
        twins.open()
        twins.do("begin", number, 0)
    for told, pulls, pcm, own in plan:
        for what, which, amount in told:
            twins.do(what, which, amount)
        for _ in range(pulls):
            twins.pull(pcm, own)
    twins.close()


def test_batch_hears_what_its_sessions_play(make_mixer: MakeMixer, bank: ClipBank) -> None:
    """It is no silence that is compared above: fillers sound in every row, and a reply goes out bit for bit."""
    twins = Twins(bank, [make_mixer])
    for number in range(3):
        twins.open()
        twins.do("begin", number, 0)
    heard = np.concatenate([twins.batch.read() for _ in range(50)], axis=1)
    assert np.abs(heard).max(axis=1).min() > 0.05
    for first, _ in twins.sessions:
        first.user_speaking()
        first.begin().write(ramp(4000))
    heard = np.concatenate([twins.batch.read() for _ in range(60)], axis=1)
    for row in heard:
        end = int(np.flatnonzero(row)[-1]) + 1
        np.testing.assert_array_equal(row[end - 4000 : end], ramp(4000))


def test_batch_after_a_pause(bank: ClipBank) -> None:
    """The first frame ever, and the first after a pause, are heard when they are pulled, in every member's map."""
    clock = VirtualClock(50.0)
    with FillerManager(clock=clock, bank=bank) as manager:
        near, far = opened(manager, FrameOutput(RATE)), opened(manager, FrameOutput(RATE, latency_s=0.2))
        batch = FrameBatch([near, far])
        clock.advance(0.3)
        batch.read()
        assert (near.time_of(0), far.time_of(0)) == pytest.approx((50.3, 50.5))
        clock.advance(3.0)
        assert near.time_of(FRAME) == pytest.approx(50.32)
        assert near.frame_at(53.3) == far.frame_at(53.5) == FRAME
        batch.read()
        assert (near.time_of(FRAME), far.time_of(FRAME)) == pytest.approx((53.3, 53.5))


def test_joining_between_two_frames(bank: ClipBank) -> None:
    """Who joins meanwhile is first heard with the next frame, and moves nobody's map by planning at once."""
    clock = VirtualClock(50.0)
    with FillerManager(clock=clock, bank=bank) as manager:
        there = opened(manager, FrameOutput(RATE))
        batch = FrameBatch([there])
        batch.read()
        clock.advance(0.005)
        joins = opened(manager, FrameOutput(RATE))
        batch.add(joins)
        clock.advance(0.005)
        assert joins.frame_at(50.12) == round(0.1 * RATE)
        assert joins.time_of(0) == there.time_of(FRAME) == pytest.approx(50.02)


def test_output_that_left_a_batch_leaves_it_alone(bank: ClipBank) -> None:
    """What was removed may be pulled by itself, at any time, or join another batch: the batch's map stays."""
    clock = VirtualClock(50.0)
    with FillerManager(clock=clock, bank=bank) as manager:
        stays, goes = opened(manager, FrameOutput(RATE)), opened(manager, FrameOutput(RATE))
        batch = FrameBatch([stays, goes])
        batch.read()
        batch.remove(goes)
        other = FrameBatch([goes])
        for _ in range(100):
            clock.advance(FRAME_S)
            batch.read()
        assert goes.time_of(0) == pytest.approx(50.0)
        assert goes.frame_at(52.0) == FRAME
        other.read()
        assert goes.time_of(FRAME) == pytest.approx(52.0)
        assert stays.time_of(0) == pytest.approx(50.0)
        batch.remove(stays)
        batch.add(opened(manager, FrameOutput(8000, 10)))
        assert batch.read().shape == (1, 80)


def test_batch_refuses_what_does_not_fit(bank: ClipBank) -> None:
    """Each mistake is told by its name, and nothing has been pulled then."""
    with FillerManager(clock=VirtualClock(), bank=bank) as manager:
        output = opened(manager, FrameOutput(RATE))
        batch = FrameBatch([output])
        with pytest.raises(UsageError, match="open the session first"):
            batch.add(FrameOutput(RATE))
        for wrong in (FrameOutput(RATE, 10), FrameOutput(48_000, 10)):
            opened(manager, wrong)
            with pytest.raises(UsageError, match=f"{wrong.frame_samples} samples at {wrong.rate} Hz does not go"):
                batch.add(wrong)
        for again in (batch.add, lambda output: FrameBatch([output])):
            with pytest.raises(UsageError, match="belongs to a batch already"):
                again(output)
        with pytest.raises(UsageError, match="not in the batch"):
            batch.remove(opened(manager, FrameOutput(RATE)))
        fixed = np.zeros((1, FRAME), np.float32)
        fixed.setflags(write=False)
        wrong_out: list[npt.NDArray[Any]] = [
            np.zeros(FRAME, np.float32), np.zeros((2, FRAME), np.float32), np.zeros((1, FRAME + 1), np.float32),
            np.zeros((1, FRAME)), np.zeros((1, 2 * FRAME), np.float32)[:, ::2], fixed,
        ]  # fmt: skip
        for out in wrong_out:
            with pytest.raises(UsageError, match=r"out must be .* \(1, 480\), not"):
                batch.read(out)
        assert (len(batch), output.statistics()["frames"]) == (1, 0)


def test_batch_of_nobody(bank: ClipBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty batch and one whose sessions are all closed are silent, also where the C core was not built."""
    monkeypatch.setattr("stopgap.engine.mixer._native_batch.ffi", None)
    monkeypatch.setattr("stopgap.engine._line.new_mixer", made_by(ReferenceMixer))
    with FillerManager(clock=VirtualClock(), bank=bank) as manager:
        batch = FrameBatch()
        assert batch.read().shape[0] == batch.read_pcm16().shape[0] == 0
        batch.add(opened(manager, FrameOutput(RATE)))
        batch.read()
        manager.close()
        assert not batch.read(np.ones((1, FRAME), np.float32)).any()
        assert batch.read_pcm16().tolist() == [[0] * FRAME]


def together(*jobs: Callable[[], None]) -> None:
    """Do *jobs* in threads of their own; fail if one of them does."""
    failed: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert not failed, failed
    assert not any(thread.is_alive() for thread in threads)


def test_two_batches_at_once(make_mixer: MakeMixer, bank: ClipBank) -> None:
    """Two batches that are read in two threads give what they give one after the other."""
    heard: list[dict[int, Samples]] = []
    for _ in range(2):
        with FillerManager(stopgap.load_config(LADDER), clock=VirtualClock(), bank=bank) as manager:
            sessions = [manager.session(FrameOutput(RATE), id=f"s{number}") for number in range(40)]
            batches = [FrameBatch(s.output for s in half if isinstance(s.output, FrameOutput))
                       for half in (sessions[::2], sessions[1::2])]  # fmt: skip
            for number, session in enumerate(sessions):
                turn = session.begin()
                if number % 3 == 0:
                    turn.write(ramp(20_000, number + 1))
            parts: dict[int, Samples] = {}

            def pull(
                which: int, parts: dict[int, Samples] = parts, batches: list[FrameBatch] = batches
            ) -> Callable[[], None]:
                def job() -> None:
                    parts[which] = np.concatenate([batches[which].read() for _ in range(60)], axis=1)

                return job

            if heard:
                together(pull(0), pull(1))
            else:
                pull(0)()
                pull(1)()
            heard.append(parts)
    for which in (0, 1):
        np.testing.assert_array_equal(heard[0][which], heard[1][which])
        assert np.abs(heard[0][which]).max(axis=1).min() > 0.0


def test_replies_are_complete_while_the_batch_is_read(make_mixer: MakeMixer, bank: ClipBank) -> None:
    """Replies written chunk by chunk while another thread reads the batch come out whole, whoever joins and leaves.

    On a real clock, with the service thread looking on.
    """
    reply, done = ramp(60_000), threading.Event()
    heard: list[Samples] = []
    with FillerManager(stopgap.load_config({"mode": "none"}), bank=bank) as manager:
        sessions = [manager.session(FrameOutput(RATE)) for _ in range(3)]
        batch = FrameBatch(s.output for s in sessions if isinstance(s.output, FrameOutput))

        def write() -> None:
            try:
                turns = [session.begin() for session in sessions]
                chunks = np.split(reply, np.cumsum(np.random.default_rng(3).integers(1, 600, 200)))
                for number, chunk in enumerate(chunks):
                    for turn in turns:
                        turn.write(chunk)
                    guest = manager.session(FrameOutput(RATE))
                    assert isinstance(guest.output, FrameOutput)
                    batch.add(guest.output)
                    guest.begin().write(chunk)
                    if number % 2:
                        guest.close()
                    batch.remove(guest.output)
                for turn in turns:
                    turn.finish()
            finally:
                done.set()

        def read() -> None:
            while not (done.is_set() and all(s._line.mixer.reply_queued == 0 for s in sessions)):
                heard.append(batch.read()[:3])

        together(write, read)
    for row in np.concatenate(heard, axis=1):
        np.testing.assert_array_equal(row[row != 0.0], reply)


# Sent ahead, without a clock ----------------------------------------------------------------------------------


class Queue:
    """A transport that plays what it was sent from a queue, as `AheadTransport` says, when told to."""

    def __init__(self) -> None:
        self.track: Samples = np.zeros(0, np.float32)
        """Everything it ever held, from sample 0 on."""
        self.played = self.replaced = 0

    @property
    def heard(self) -> Samples:
        return self.track[: self.played]

    def take(self, first: int, samples: Samples) -> None:
        assert first <= len(self.track)
        self.replaced += len(self.track) - first
        late = max(0, self.played - first)
        self.track = np.concatenate([self.track[: first + late], samples[late:]])
        samples[:] = np.nan  # it is the transport's: who sends does not look at it again

    def play(self, count: int) -> int:
        """Play up to *count* samples; return how many there were."""
        count = min(count, len(self.track) - self.played)
        self.played += count
        return count


ahead_steps = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.sampled_from(["arm", "write", "write", "hold", "resume", "flush", "end_reply", "release", "retire"]),
                st.integers(1, 300),
                st.integers(0, 2),
            ),
            max_size=3,
        ),
        st.sampled_from([0, 1, 1, 1, 2, 5, 50]),
    ),
    max_size=30,
)


@given(plan=ahead_steps, lead=st.sampled_from([40, 130, 400, 1000]))
@settings(max_examples=200)
def test_sent_ahead_is_what_is_rendered_late(
    make_mixer: MakeMixer, plan: list[Any], lead: int, make_clip: MakeClip, make_cue: MakeCue
) -> None:
    """Whatever is told when: what was played is, to the bit, what a mixer without lead gives, and so are the events.

    Nothing is sent twice but what had changed, and nothing at all but the next samples when there was no news.
    """
    mixer, twin, queue = make_mixer(1000), make_mixer(1000), Queue()
    ahead = AheadFrames(mixer, lead)
    heard = []
    for seed, (told, count) in enumerate([([], 0), *plan, ([], 50)]):
        count = queue.play(min(20 * count, lead))
        heard.append(rendered(twin, count))
        for what, amount, number in told:
            for command in commands(what, amount, number, seed, mixer.position + count, make_clip, make_cue):
                mixer.post(command)
                twin.post(command)
        before = len(queue.track)
        news = ahead.played(count)
        assert mixer.position == twin.position == queue.played
        if not told:
            assert (before if news is None else news[0]) == before
        if news is not None:
            queue.take(*news)
        assert len(queue.track) == queue.played + lead
        assert ahead.replaced == queue.replaced
    heard.append(rendered(twin, queue.play(lead)))
    ahead.played(lead)
    np.testing.assert_array_equal(queue.heard, np.concatenate(heard))
    assert (mixer.position, mixer.reply_queued) == (twin.position, twin.reply_queued)
    assert mixer.take_events() == twin.take_events()


def commands(
    what: str, amount: int, number: int, seed: int, now: int, make_clip: MakeClip, make_cue: MakeCue
) -> list[Command]:
    match what:
        case "arm":
            kinds = [Kind.PHRASE, Kind.AMBIENCE, Kind.HESITATION]
            clips = [make_clip(kind, 40 + amount, shape="noise", marks=(30, amount)) for kind in kinds]
            return [Arm([make_cue(clip, now + amount * at - 9, end=now + 900) for at, clip in enumerate(clips)])]
        case "write":
            samples = np.random.default_rng(seed).uniform(-0.9, 0.9, 3 * amount).astype(np.float32)
            return [Write(chunk, number) for chunk in np.split(samples, range(30, 3 * amount, 30))]
        case "hold" | "flush":
            return [Stop(flush=what == "flush")]
        case "end_reply" | "resume" | "release" | "retire":
            return [Tell(what)]
    raise AssertionError(what)


# On an event loop whose time is a virtual clock -----------------------------------------------------------------


class JumpingSelector(selectors.SelectSelector):
    """Where the loop would wait, the clock jumps."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "the loop would wait for ever"
        self._clock.advance(max(0.0, timeout))
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(JumpingSelector(clock))
        self._virtual = clock

    def time(self) -> float:
        return self._virtual.now()


def run(clock: VirtualClock, main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        runner.run(main)


class Pacing:
    """A consumer of `FrameOutput.paced` that notes when it got each frame."""

    def __init__(self, frame_ms: float) -> None:
        self.clock = VirtualClock(1000.1)
        self.output = FrameOutput(RATE, frame_ms)
        self.mixer = ReferenceMixer(RATE)
        self.mixer.post(Write(ramp(400_000)))
        self.output.start(self.mixer, self.clock)
        self.at: list[float] = []
        self.heard: list[Samples] = []

    async def consume(self, takes: list[float]) -> None:
        async for frame in self.output.paced():
            self.at.append(self.clock.now() - 1000.1)
            self.heard.append(frame)
            if len(self.at) == len(takes):
                self.output.close()
            else:
                await asyncio.sleep(takes[len(self.at) - 1])


@pytest.mark.parametrize("frame_ms", [10.0, 20.0, 40.0])
def test_paced_frames_keep_their_deadlines(frame_ms: float) -> None:
    """Frame n is there at n times its length, however long the one before was worked on; nothing adds up."""
    pacing, random_ = Pacing(frame_ms), random.Random(1)
    run(pacing.clock, pacing.consume([random_.uniform(0.0, 0.99) * frame_ms / 1000.0 for _ in range(400)]))
    np.testing.assert_allclose(pacing.at, np.arange(400) * frame_ms / 1000.0, rtol=0.0, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate(pacing.heard), ramp(400 * pacing.output.frame_samples))


def test_paced_frames_after_a_delay() -> None:
    """Who was late gets the frames that were due at once, then one at a time again, on the old deadlines."""
    pacing = Pacing(20.0)
    run(pacing.clock, pacing.consume([0.0] * 10 + [0.13] + [0.001] * 40))
    expected = [max(0.02 * number, 0.33 + 0.001 * (number - 11)) for number in range(11, 51)]
    expected = [0.02 * number for number in range(11)] + expected
    np.testing.assert_allclose(pacing.at, expected, rtol=0.0, atol=1e-6)
    assert pacing.output.time_of(40 * FRAME) == pytest.approx(1000.1 + 0.8, abs=1e-3)


class Telephone(Queue):
    """A transport that plays at its own pace, on the clock, from the first `put` on."""

    def __init__(self, clock: VirtualClock, delays: random.Random | None = None) -> None:
        super().__init__()
        self._clock, self._delays = clock, delays
        self._base: float | None = None
        self.silent = 0
        """Samples for which it had nothing to play."""
        self.put_at: list[float] = []

    async def put(self, first: int, samples: Samples) -> None:
        now = self._clock.now()
        self.put_at.append(now)
        self.play_on()
        if self._base is None:
            self._base = now
        self.take(first, samples)
        if self._delays is not None:
            await asyncio.sleep(self._delays.uniform(0.0, 0.015))

    def play_on(self) -> None:
        """Play what is due by now."""
        if self._base is not None:
            due = int((self._clock.now() - self._base) * RATE + 1e-4) - self.played - self.silent
            self.silent += due - self.play(due)


class Call:
    """A session whose frames are sent ahead, and a conversation on its loop."""

    def __init__(self, bank: ClipBank, config: dict[str, Any], delays: random.Random | None = None) -> None:
        self.clock = VirtualClock(1000.1)
        self.manager = FillerManager(stopgap.load_config(config), clock=self.clock, bank=bank)
        self.output = FrameOutput(RATE)
        self.session = self.manager.session(self.output)
        self.phone = Telephone(self.clock, delays)
        self.silent = 0
        """Samples for which the transport had nothing to play, up to closing."""

    def hold(self, talk: Callable[["Call"], Coroutine[Any, Any, None]], lead_ms: float) -> None:
        """Send ahead while *talk* goes on, then close the session; everything ends by itself."""

        async def main() -> None:
            sending = asyncio.create_task(send_ahead(self.output, self.phone, lead_ms=lead_ms))
            await talk(self)
            self.phone.play_on()
            self.silent = self.phone.silent
            self.session.close()
            await sending

        with self.manager:
            run(self.clock, main())
        self.clock.advance(lead_ms / 1000.0)
        self.phone.play_on()


QUIET = {"mode": "none"}


def test_send_ahead_keeps_its_deadlines(make_mixer: MakeMixer, bank: ClipBank) -> None:
    """A thousand frames go out at n times 20 ms each, however long each put takes."""

    async def wait(call: Call) -> None:
        await asyncio.sleep(1000 * FRAME_S - 0.001)

    call = Call(bank, QUIET, random.Random(2))
    call.hold(wait, 60.0)
    due = 1000.1 + FRAME_S * np.arange(1000)
    np.testing.assert_allclose(call.phone.put_at[:1000], due, rtol=0.0, atol=1e-6)
    assert (call.silent, call.phone.replaced) == (0, 0)


def test_send_ahead_lives_through_a_blocked_loop(make_mixer: MakeMixer, bank: ClipBank) -> None:
    """The loop stands still for 250 ms again and again, and with 400 ms of lead nobody hears of it."""

    async def stutter(call: Call) -> None:
        turn = call.session.begin()
        turn.write(ramp(3 * RATE))
        turn.finish()
        for _ in range(9):
            await asyncio.sleep(0.1)
            call.clock.advance(0.25)

    call = Call(bank, QUIET)
    call.hold(stutter, 400.0)
    assert call.silent == 0
    start = int(np.flatnonzero(call.phone.heard)[0])
    np.testing.assert_array_equal(call.phone.heard[start : start + 3 * RATE], ramp(3 * RATE))
    assert call.session.turn is not None
    assert call.session.turn.record.reply_heard_s == pytest.approx(start / RATE, abs=1e-4)


@pytest.mark.parametrize(("lead_ms", "blocked_s"), [(60.0, 1.0), (90.0, 0.4), (400.0, 0.5), (1000.0, 5.0)])
def test_send_ahead_loses_nothing_of_a_reply(lead_ms: float, blocked_s: float, bank: ClipBank) -> None:
    """A loop that is blocked for longer than the lead makes a pause; reply and map go on behind it."""

    async def block(call: Call) -> None:
        turn = call.session.begin()
        turn.write(ramp(3 * RATE))
        turn.finish()
        await asyncio.sleep(0.507)
        call.clock.advance(blocked_s)
        await asyncio.sleep(0.1)
        silent, frame = call.phone.silent, 3 * RATE // 2
        assert silent == pytest.approx((blocked_s - lead_ms / 1000.0) * RATE, abs=FRAME)
        assert call.output.time_of(frame) == pytest.approx(1000.1 + (frame + silent) / RATE, abs=1e-4)
        await asyncio.sleep(4.0)
        assert call.phone.silent == silent

    call = Call(bank, QUIET)
    call.hold(block, lead_ms)
    np.testing.assert_array_equal(call.phone.heard[call.phone.heard != 0.0], ramp(3 * RATE))


def test_blocked_loop_knows_what_time_it_is(bank: ClipBank) -> None:
    """What plays from the queue meanwhile counts: a turn that begins while the loop is blocked is on time."""
    starts: list[float] = []

    async def block(call: Call) -> None:
        await asyncio.sleep(0.2)
        call.clock.advance(0.7)
        call.session.begin()
        call.clock.advance(0.05)
        await asyncio.sleep(2.0)
        assert call.session.turn is not None
        starts.extend(sound.start_s for sound in call.session.turn.record.sounds)
        assert call.phone.heard[: round(0.99 * RATE)].max() == 0.0
        assert np.abs(call.phone.heard[RATE : round(1.2 * RATE)]).max() > 0.01

    call = Call(bank, LADDER)
    call.hold(block, 1000.0)
    assert call.silent == 0
    assert starts[0] == pytest.approx(0.1, abs=1e-3)


def test_news_is_heard_at_the_next_frame(make_mixer: MakeMixer, bank: ClipBank) -> None:
    """Fillers are sent ahead and taken back: a barge-in is silent, and a reply there, a frame later."""
    at: dict[str, int] = {}

    async def talk(call: Call) -> None:
        def note(what: str) -> None:
            call.phone.play_on()
            at[what] = call.phone.played

        turn = call.session.begin()
        await asyncio.sleep(1.313)
        note("speaking")
        call.session.user_speaking()
        await asyncio.sleep(0.5)
        turn.cancel()
        turn = call.session.begin()
        await asyncio.sleep(0.0333)
        note("reply")
        turn.write(ramp(5000))
        turn.finish()
        await asyncio.sleep(1.0)

    call = Call(bank, LADDER)
    call.hold(talk, 400.0)
    heard = call.phone.heard
    assert np.abs(heard[: at["speaking"]]).max() > 0.05
    assert not heard[at["speaking"] + 2 * FRAME : at["reply"]].any()
    start = at["reply"] + int(np.flatnonzero(heard[at["reply"] :])[0])
    assert at["reply"] <= start <= at["reply"] + FRAME
    np.testing.assert_array_equal(heard[start : start + 5000], ramp(5000))
    assert call.phone.replaced > 0


def test_send_ahead_ends_with_the_session(make_mixer: MakeMixer, bank: ClipBank) -> None:
    """After `close` the line fades within a frame and 20 ms, though more had been sent, and the task is over."""
    closed_at = []

    async def hang_up(call: Call) -> None:
        call.session.begin().write(np.full(3 * RATE, 0.5, np.float32))
        await asyncio.sleep(1.005)
        call.phone.play_on()
        closed_at.append(call.phone.played)

    call = Call(bank, QUIET)
    call.hold(hang_up, 1000.0)
    assert call.phone.heard[closed_at[0] - 1] == 0.5
    assert not call.phone.heard[closed_at[0] + 2 * FRAME :].any()
    assert np.abs(np.diff(call.phone.heard[FRAME:])).max() < 0.01
    assert len(call.phone.heard) > closed_at[0] + 2 * FRAME


@pytest.mark.parametrize("lead_ms", [-1.0, 0.0, 39.9, 2001.0, float("inf"), float("nan")])
def test_send_ahead_refuses_a_lead_that_cannot_be(lead_ms: float, bank: ClipBank) -> None:
    """Less than two frames or more than a mixer can look ahead is refused, with the bounds."""
    call = Call(bank, QUIET)
    with pytest.raises(UsageError, match=r"lead_ms=.* between two frames \(40\) and 2000"):
        run(call.clock, send_ahead(call.output, call.phone, lead_ms=lead_ms))


def test_send_ahead_needs_a_session(bank: ClipBank) -> None:
    """An output that plays nothing, not yet or no more, has nothing to send."""
    call = Call(bank, QUIET)
    call.session.close()
    for output in (FrameOutput(RATE), call.output):
        with pytest.raises(UsageError, match="open the session first"):
            run(call.clock, send_ahead(output, call.phone))


# Pulled singly --------------------------------------------------------------------------------------------------


def test_first_pull_sets_the_map(bank: ClipBank) -> None:
    """A transport that starts to pull a while after the session was opened is on time with its first cue."""
    clock, output = VirtualClock(100.0), FrameOutput(RATE)
    output.start(ReferenceMixer(RATE), clock)
    clock.advance(0.3)
    output.read()
    assert output.time_of(0) == pytest.approx(100.3, abs=1e-6)
    clock, output = VirtualClock(100.0), FrameOutput(RATE)
    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        session = manager.session(output)
        clock.advance(0.3)
        turn = session.begin()
        for _ in range(100):
            output.read()
            clock.advance(FRAME_S)
        assert turn.record.sounds[0].start_s == pytest.approx(0.1, abs=1e-4)
        assert output.time_of(0) == pytest.approx(100.3, abs=1e-4)


@pytest.mark.parametrize("read", [FrameOutput.read, FrameOutput.read_pcm16, FrameOutput.statistics])
def test_closing_while_a_frame_is_pulled(read: Callable[[FrameOutput], Any]) -> None:
    """Another thread may close the output at any moment of a pull."""
    output = FrameOutput(RATE)

    class ClosesIt(ReferenceMixer):
        closing = False

        @property
        def position(self) -> int:
            if self.closing:
                output.close()
            return super().position

    source = ClosesIt(RATE)
    output.start(source, VirtualClock())
    source.closing = True
    read(output)
    assert output.source is None


# The tap ---------------------------------------------------------------------------------------------------------


def flagged(blocks: list[TapBlock], sounding: Callable[[int, int], bool]) -> bool:
    return all(block.filler == sounding(block.frame, block.frame + len(block.samples)) for block in blocks)


@pytest.mark.parametrize("what", ["frames", "memory"])
def test_tap_is_what_was_heard(what: str, make_mixer: MakeMixer, bank: ClipBank) -> None:
    """Frame by frame the exact output, flagged by block where a filler sounded; a gap where nobody read in time."""
    clock = VirtualClock(100.1)
    output = FrameOutput(RATE) if what == "frames" else MemoryOutput(RATE)
    pulled: list[Samples] = []

    def play(frames: int) -> None:
        for _ in range(frames):
            if isinstance(output, FrameOutput):
                pulled.append(output.read())
            clock.advance(FRAME_S)
            session.tick()

    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        session = manager.session(output)
        session.open_tap(1.0)
        assert session.read_tap() == []
        turn = session.begin()
        blocks: list[TapBlock] = []
        for _ in range(10):
            play(10)
            blocks += session.read_tap()
        turn.write(ramp(9000))
        turn.finish()
        play(100)
        heard = np.concatenate(pulled) if isinstance(output, FrameOutput) else output.samples
        spans = [(round(s.start_s * RATE), round(s.end_s * RATE)) for s in turn.record.sounds if s.end_s is not None]
        late = session.read_tap()
        play(10)
        again = session.read_tap()
    frame = 0
    for block in blocks:
        assert block.frame == frame
        frame += len(block.samples)
    assert frame == 100 * FRAME
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks]), heard[:frame])
    assert len(spans) == 2
    assert flagged(blocks, lambda first, last: any(first < end and last > start for start, end in spans))
    assert {block.filler for block in blocks} == {True, False}
    kept = sum(len(block.samples) for block in late)
    assert RATE // 2 <= kept < 100 * FRAME
    assert (late[0].frame, again[0].frame) == (100 * FRAME, 200 * FRAME)
    for before, after in pairwise(late):
        assert after.frame == before.frame + len(before.samples)
    for block in late:
        np.testing.assert_array_equal(block.samples, heard[block.frame : block.frame + len(block.samples)])
    assert sum(len(block.samples) for block in again) == 10 * FRAME


# Unattended --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_output", [FrameOutput, MemoryOutput])
def test_only_devices_leave_a_bed_unattended(
    make_output: Callable[[int], FrameOutput | MemoryOutput],
    make_mixer: MakeMixer,
    make_clip: MakeClip,
    make_cue: MakeCue,
) -> None:
    """What a transport pulls, or a clock renders, plays on though nobody has given a sign of life for minutes."""
    output, clock, mixer = make_output(1000), VirtualClock(), make_mixer(1000)
    output.start(mixer, clock)
    mixer.post(Arm([make_cue(make_clip("ambience", 500, shape="one"), 10)]))
    for _ in range(50):
        if isinstance(output, FrameOutput):
            tail = np.concatenate([output.read() for _ in range(200)])
        clock.advance(4.0)
        output.catch_up(clock.now())
    heard = tail if isinstance(output, FrameOutput) else output.samples[1000:]
    np.testing.assert_array_equal(heard, np.full(len(heard), 0.5, np.float32))
    assert [event.what for event in mixer.take_events()] == [Heard.STARTED]
    output.close()


def test_unattended_mixer_falls_silent_by_itself(make_mixer: MakeMixer, make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Up to the horizon it plays on; then speech ends at its mark, beds fade, nothing starts; a new sheet plays."""
    mixer = make_mixer(1000)
    speech = make_clip("phrase", 900, shape="one", marks=(450, 650), level=0.25)
    bed = make_clip("ambience", 300, shape="one", level=0.125)
    mixer.post(Arm([make_cue(speech, 100, min_play_ms=0), make_cue(bed, 100), make_cue(speech, 1500)]))
    mixer.attend(600)
    heard = rendered(mixer, 3000)
    assert heard[599] == pytest.approx(0.375)
    assert heard[600 + 10 : 720].min() >= 0.2
    assert not heard[750:].any()
    events = {event.what: event.frame for event in mixer.take_events()}
    assert events[Heard.UNATTENDED] == 600
    mixer.attend(9000)
    mixer.post(Arm([make_cue(speech, 3100)]))
    heard = rendered(mixer, 3000)
    np.testing.assert_array_equal(heard[100:1000], np.full(900, 0.25, np.float32))
    assert [event.what for event in mixer.take_events()] == [Heard.STARTED, Heard.ENDED]


def test_unattended_reply_plays_on(make_mixer: MakeMixer) -> None:
    """What the agent has said already is heard to its end, whoever attends."""
    mixer = make_mixer(1000)
    mixer.attend(200)
    mixer.post(Write(ramp(2000)))
    mixer.post(Tell("end_reply"))
    np.testing.assert_array_equal(rendered(mixer, 2500), np.concatenate([ramp(2000), np.zeros(500, np.float32)]))
    assert Heard.UNATTENDED not in {event.what for event in mixer.take_events()}


class Attending(MemoryOutput):
    """Like a device: each look is a sign of life for half a second, and it plays on while nobody looks."""

    def catch_up(self, now: float) -> None:
        if self._source is not None:
            self._source.attend(self._source.position + RATE // 2)
        super().catch_up(now)

    def hang(self, until: float) -> None:
        """The process does nothing up to *until*."""
        super().catch_up(until)


def test_turn_is_planned_again_after_a_hang(make_mixer: MakeMixer, bank: ClipBank) -> None:
    """A process that comes back finds its fillers stopped, and arms those that are still to come."""
    clock, output = VirtualClock(100.0), Attending(RATE)
    ladder = [{"after_ms": after, "kind": "hesitation"} for after in (200, 3000, 6000)]
    with FillerManager(stopgap.load_config({**LADDER, "ladder": ladder}), clock=clock, bank=bank) as manager:
        session = manager.session(output)
        turn = session.begin()
        clock.advance(4.0)
        output.hang(clock.now())
        for _ in range(150):
            session.tick()
            clock.advance(FRAME_S)
        starts = [sound.start_s for sound in turn.record.sounds]
    assert starts == pytest.approx([0.2, 6.0])
    assert np.abs(output.samples[round(1.5 * RATE) : 4 * RATE]).max() == 0.0

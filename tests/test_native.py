"""The C core does what the numpy reference does, keeps what it needs for as long as it needs it, and loses nothing."""

import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopgap.engine.mixer import (
    MAX_CUES,
    MAX_REPLIES,
    MAX_VOICES,
    Arm,
    ArmedCue,
    Command,
    HandoffFrames,
    Heard,
    Mixer,
    MixerEvent,
    NativeBatch,
    NativeMixer,
    ReferenceMixer,
    Stop,
    TapBlock,
    Tell,
    Write,
    native_available,
    new_mixer,
)
from stopgap.engine.mixer._core import ffi, lib
from stopgap.fillers import Clip, Kind, Samples

MakeClip = Callable[..., Clip]
MakeCue = Callable[..., ArmedCue]

NATIVE_REQUIRED = os.environ.get("STOPGAP_NATIVE") == "require"
"""Read here, before a fixture takes it away."""
pytestmark = pytest.mark.skipif(not native_available and not NATIVE_REQUIRED, reason="the C core was not built")

TOLERANCE = 1e-6
"""Of a sample: libm's sine and numpy's differ in the last bit, and so do two ways to multiply three numbers."""
STOP_FADE = 20
"""Frames at 1000 Hz within which everything is silent when the user speaks (20 ms)."""
TELLS: dict[str, Tell] = {
    "disarm": Tell("disarm"),
    "release": Tell("release"),
    "retire": Tell("retire"),
    "end_reply": Tell("end_reply"),
    "resume": Tell("resume"),
}


def noise(frames: int, seed: int = 0, level: float = 0.3) -> Samples:
    return np.random.default_rng(seed).uniform(-level, level, frames).astype(np.float32)


def ramp(frames: int, first: int = 1) -> Samples:
    """Return samples that tell their own place, none of them 0, exact in float32."""
    return (np.arange(first, first + frames) / 2**24).astype(np.float32)


def rendered(mixer: Mixer, frames: int, block: int = 4096) -> Samples:
    out = np.full(frames, np.nan, np.float32)
    for start in range(0, frames, block):
        mixer.render(out[start : start + block])
    assert not np.isnan(out).any()
    return out


def tapped(mixer: Mixer) -> tuple[Samples, list[int], list[bool]]:
    """Read the tap: the samples, the frame of each, and whether a filler sounded in its block."""
    blocks: list[TapBlock] = mixer.read_tap()
    frames = [frame for block in blocks for frame in range(block.frame, block.frame + len(block.samples))]
    fillers = [block.filler for block in blocks for _ in block.samples]
    return np.concatenate([np.zeros(0, np.float32), *(block.samples for block in blocks)]), frames, fillers


# Both engines, driven alike -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class CuePlan:
    """A cue before its place in time is known. Lengths are in units of the rate's scale."""

    kind: Kind
    frames: int
    marks: frozenset[int]
    offset: int
    lasts: int | None
    gain: float
    allow_belated: bool
    numbers: tuple[int, int, int, int, int, int]


@dataclass(frozen=True)
class Step:
    """One thing that is done to both mixers, and the frames that pass after it."""

    what: str
    cues: tuple[CuePlan, ...]
    amount: int
    number: int
    then: int


cue_plans = st.builds(
    CuePlan,
    kind=st.sampled_from(Kind),
    frames=st.one_of(st.integers(1, 12), st.integers(1, 400)),
    marks=st.frozensets(st.integers(1, 400), max_size=4),
    offset=st.integers(-60, 300),
    lasts=st.none() | st.integers(-20, 500),
    gain=st.floats(0.0, 3.0, width=32),
    allow_belated=st.booleans(),
    numbers=st.tuples(
        st.integers(0, 150), st.integers(0, 200), st.integers(0, 80), st.integers(-90, 90), st.integers(0, 60),
        st.integers(0, 12),
    ),
)  # fmt: skip
WHAT = (
    "arm", "arm", "arm knowing", "arm not knowing", "arm again", "write", "write", "write nothing", *TELLS, "hold",
    "resume", "flush", "attend", "attend for ever", "skip", "preview", "go on", "take", "nothing",
)  # fmt: skip
steps = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(WHAT),
        cues=st.lists(cue_plans, max_size=5).map(tuple),
        amount=st.one_of(st.integers(1, 40), st.integers(1, 300)),
        number=st.integers(0, 2),
        then=st.one_of(st.just(0), st.integers(0, 6), st.integers(0, 200)),
    ),
    max_size=24,
)
blocks = st.lists(st.one_of(st.integers(1, 9), st.integers(1, 4096)), min_size=1, max_size=6)


@dataclass
class Pair:
    """A reference and a native mixer that are told the same."""

    rate: int
    preroll_ms: int
    scale: int
    blocks: Sequence[int]
    make_clip: MakeClip
    compared: int = 0
    bit_equal: int = 0
    armed: list[ArmedCue] = field(default_factory=list)
    sounds: list[Samples] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reference = ReferenceMixer(self.rate, self.preroll_ms)
        self.native = NativeMixer(self.rate, self.preroll_ms, reply_ring_s=9.0)
        self._ids = iter(range(1, 1_000_000))
        self._lengths = self._cycle()
        for each in (self.reference, self.native):
            each.open_tap(30.0)

    def _cycle(self) -> Iterator[int]:
        while True:
            yield from self.blocks

    def post(self, command: Command) -> None:
        self.reference.post(command)
        self.native.post(command)

    def do(self, step: Step, seed: int) -> None:
        amount, now = step.amount * self.scale, self.reference.position
        match step.what:
            case "arm":
                self.post(Arm(self.cues(step.cues)))
            case "arm knowing":
                self.post(Arm(self.cues(step.cues), self.reference.schedule.starts))
            case "arm not knowing":
                starts = self.reference.schedule.starts
                self.post(Arm(self.cues(step.cues), starts - 1 if starts and step.number else starts + 1))
            case "arm again":
                self.post(Arm(self.armed[-4:]))
            case "write":
                self.post(Write(noise(amount, seed, 1.0), step.number))
            case "write nothing":
                self.post(Write(np.zeros(0, np.float32), step.number))
            case "hold" | "flush":
                self.post(Stop(flush=step.what == "flush"))
            case "attend":
                for each in (self.reference, self.native):
                    each.attend(max(0, now + amount - 60 * self.scale))
            case "attend for ever":
                for each in (self.reference, self.native):
                    each.attend(None)
            case "skip":
                for each in (self.reference, self.native):
                    each.skip_to(now + (amount if step.number else -amount))
            case "preview":
                self.preview(amount)
            case "go on":
                self.preview(amount, Write(noise(amount, seed, 1.0), step.number), Arm(self.cues(step.cues)))
            case "take":
                self.same_events()
            case "nothing":
                pass
            case _:
                self.post(TELLS[step.what])
        self.render(step.then * self.scale)

    def cues(self, plans: Sequence[CuePlan]) -> list[ArmedCue]:
        now = self.reference.position
        made = []
        for plan in plans:
            frames = plan.frames * self.scale + plan.offset % 7
            marks = [mark * self.scale for mark in plan.marks if mark * self.scale < frames]
            clip = self.make_clip(plan.kind, frames, self.rate, marks, shape="noise", level=0.8)
            start = now + plan.offset * self.scale
            end = None if plan.lasts is None else start + plan.lasts * self.scale
            rule = HandoffFrames(*(number * self.scale for number in plan.numbers))
            made.append(ArmedCue(next(self._ids), clip, start, rule, plan.gain, end, plan.allow_belated))
        self.armed += made
        return made

    def render(self, frames: int) -> None:
        """Render *frames* with both, in changing blocks, and compare the samples and where that leaves them."""
        while frames > 0:
            length = min(frames, next(self._lengths))
            ours, theirs = np.full((2, length), np.nan, np.float32)
            self.native.render(ours)
            self.reference.render(theirs)
            self.compare(ours, theirs)
            self.sounds.append(ours)
            frames -= length
            assert self.native.position == self.reference.position
            assert self.native.reply_queued == self.reference.reply_queued
        self.same_tap()

    def preview(self, frames: int, *told: Command) -> None:
        """Preview with both; what is rendered then must be that very sound, whatever is told meanwhile."""
        ahead = np.full((2, frames), np.nan, np.float32)
        self.native.preview(ahead[0])
        self.reference.preview(ahead[1])
        assert self.native.position == self.reference.position
        assert self.native.reply_queued == self.reference.reply_queued
        self.compare(*ahead)
        for command in told:
            self.post(command)
        for mixer, expected in ((self.native, ahead[0]), (self.reference, ahead[1])):
            out = np.full(frames, np.nan, np.float32)
            (mixer.go_on if told else mixer.render)(out)
            np.testing.assert_array_equal(out, expected)
        self.sounds.append(ahead[0])

    def compare(self, ours: Samples, theirs: Samples) -> None:
        np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=TOLERANCE)
        self.compared += len(ours)
        self.bit_equal += int((ours == theirs).sum())

    def same_tap(self) -> None:
        """Read both taps: what was rendered since, frame by frame, and in which blocks a filler sounded."""
        (ours, frames, fillers), (_, others, sounding) = tapped(self.native), tapped(self.reference)
        np.testing.assert_array_equal(ours, np.concatenate([np.zeros(0, np.float32), *self.sounds]))
        assert (frames, fillers) == (others, sounding)
        self.sounds.clear()

    def same_events(self) -> list[MixerEvent]:
        ours, theirs = self.native.take_events(), self.reference.take_events()
        assert ours == theirs
        return ours

    def finish(self) -> None:
        """Let everything come to its end, and compare what is left: events, and memory kept."""
        self.post(Tell("resume"))
        self.post(Tell("end_reply"))
        self.render(900 * self.scale)
        self.same_events()
        self.post(Stop(flush=True))
        self.post(Arm(()))
        self.render(self.reference.schedule.stop_fade)
        self.same_events()
        self.render(1)
        self.same_events()
        assert len(self.native._sheets) == 1


def drive(pair: Pair, plan: list[Step]) -> None:
    for seed, step in enumerate(plan):
        pair.do(step, seed)
    pair.finish()


@given(plan=steps, blocks=blocks, preroll_ms=st.sampled_from([0, 0, 60]))
@settings(max_examples=150)
def test_engines_agree(plan: list[Step], blocks: list[int], preroll_ms: int, make_clip: MakeClip) -> None:
    """Whatever they are told when, and however time is cut into blocks: same samples, events, tap and queues."""
    drive(Pair(1000, preroll_ms, 1, blocks, make_clip), plan)


@given(plan=steps, blocks=blocks, preroll_ms=st.sampled_from([0, 60]))
@settings(max_examples=50)
def test_engines_agree_at_a_device_s_rate(
    plan: list[Step], blocks: list[int], preroll_ms: int, make_clip: MakeClip
) -> None:
    """The same at 48 kHz, where nothing falls on the edge of a block."""
    drive(Pair(48_000, preroll_ms, 41, [40 * block % 4096 + 1 for block in blocks], make_clip), plan)


@given(seed=st.integers(0, 2**32), preroll_ms=st.sampled_from([0, 0, 60]), rate=st.sampled_from([1000, 1000, 48_000]))
@settings(max_examples=300)
def test_engines_agree_on_busy_lines(seed: int, preroll_ms: int, rate: int, make_clip: MakeClip) -> None:
    """The same where much sounds at once: several voices under every handoff, stops within fades and fades in stops."""
    random = Random(seed)
    scale = 1 if rate == 1000 else 41
    blocks = [random.choice([random.randint(1, 9), random.randint(1, 400)]) * scale for _ in range(5)]
    drive(Pair(rate, preroll_ms, scale, blocks, make_clip), busy(random))


def busy(random: Random) -> list[Step]:
    """Return steps that follow each other closely, of the kinds that matter most."""
    what = {
        "arm": 8, "arm knowing": 3, "arm not knowing": 1, "arm again": 1, "write": 8, "write nothing": 1,
        "end_reply": 6, "hold": 4, "resume": 5, "flush": 3, "disarm": 1, "release": 2, "retire": 2, "attend": 4,
        "attend for ever": 3, "skip": 1, "preview": 1, "go on": 1, "take": 2,
    }  # fmt: skip

    def cue() -> CuePlan:
        fade = random.choice([0, random.randint(1, 80), random.randint(20, 80)])
        numbers = (
            random.choice([0, random.randint(0, 120)]), random.choice([0, random.randint(0, 200)]), fade,
            random.randint(-60, 60), random.choice([0, random.randint(0, 50)]), random.randint(0, 10),
        )  # fmt: skip
        return CuePlan(
            random.choice(list(Kind)), random.randint(1, 300), frozenset(random.choices(range(1, 300), k=4)),
            random.randint(-15, 60), random.choice([None, random.randint(1, 300)]), random.choice([0.3, 1.0, 3.0]),
            random.random() < 0.8, numbers,
        )  # fmt: skip

    def step(name: str) -> Step:
        cues = tuple(cue() for _ in range(random.randint(1, 5)))
        then = random.choice([0, random.randint(1, 10), random.randint(1, 60)])
        return Step(name, cues, random.choice([random.randint(1, 60), 200]), random.randint(0, 2), then)

    return [step(name) for name in random.choices(list(what), list(what.values()), k=60)]


def test_engines_agree_on_a_crowd(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """More cues, voices and replies than there is room for: the same are left out, and the same is told."""
    pair = Pair(1000, 0, 1, [64], make_clip)
    blip, bed = make_clip("phrase", 3), make_clip("ambience", 70, level=0.01)
    pair.post(Arm([make_cue(blip, 4 * number) for number in range(MAX_CUES + 9)]))
    pair.render(1500)
    assert len(pair.same_events()) == 2 * MAX_CUES
    pair.post(Arm([make_cue(bed, 1500 + number % 3, end=2000) for number in range(MAX_VOICES + 9)]))
    pair.render(600)
    assert [event.what for event in pair.same_events()].count(Heard.SKIPPED) == 9
    pair.post(Stop(flush=False))
    for number in range(MAX_REPLIES + 9):
        pair.post(Write(noise(11, number, 1.0), number))
        pair.post(Tell("end_reply"))
    pair.render(50)
    pair.post(Tell("resume"))
    pair.render(600)
    assert [event.what for event in pair.same_events()].count(Heard.REPLY_ENDED) == MAX_REPLIES
    pair.finish()


def test_holds_add_up_alike(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A sheet that is held twice comes later by both, and its loops end later by both."""
    pair = Pair(1000, 0, 1, [64], make_clip)
    cues = [make_cue(make_clip("phrase", 40), 500), make_cue(make_clip("ambience", 60), 520, end=700)]
    pair.post(Arm(cues))
    for frames in (30, 50):
        pair.render(100)
        pair.post(Stop(flush=False))
        pair.render(frames)
        pair.post(Tell("resume"))
    pair.render(700)
    assert [event.frame for event in pair.same_events()] == [580, 600, 620, 780]


def test_overdue_cues_are_dropped_alike(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Of a long sheet that a reply overtakes, the spoken cues are left out, and the beds begin."""
    pair = Pair(1000, 0, 1, [50], make_clip)
    pair.post(Write(noise(700)))
    pair.post(Tell("end_reply"))
    clips = [make_clip("phrase", 40), make_clip("ambience", 60, level=0.01)]
    pair.post(Arm([make_cue(clips[number % 9 == 0], 5 * number, end=4000) for number in range(200)]))
    pair.render(1500)
    events = pair.same_events()
    assert len([event for event in events if event.what is Heard.SKIPPED]) == 140 - 16
    pair.finish()


# The rings ----------------------------------------------------------------------------------------------------


speech = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "end_reply", "hold", "resume", "flush"]),
        st.one_of(st.integers(0, 10), st.integers(0, 900)),
        st.integers(0, 2),
        st.one_of(st.integers(0, 5), st.integers(0, 400)),
    ),
    max_size=14,
)


@given(plan=speech, block=st.sampled_from([1, 7, 64, 480, 4096]), preroll_ms=st.sampled_from([0, 60, 200]))
@settings(max_examples=150)
def test_tiny_reply_ring_loses_nothing(plan: list[tuple[str, int, int, int]], block: int, preroll_ms: int) -> None:
    """What the ring has no room for waits in front of it: samples and events are those of a ring that holds all."""
    mixers: list[Mixer] = [
        ReferenceMixer(1000, preroll_ms),
        NativeMixer(1000, preroll_ms, reply_ring_s=30.0),
        NativeMixer(1000, preroll_ms, reply_ring_s=0.001),
    ]
    heard = []
    for mixer in mixers:
        parts, last = [], 0
        for seed, (what, frames, number, then) in enumerate(plan):
            if what == "write":
                if number != last:
                    mixer.post(Tell("end_reply"))
                last = number
                mixer.post(Write(noise(frames, seed, 1.0), number))
            elif what in ("hold", "flush"):
                if isinstance(mixer, NativeMixer):
                    mixer.feed()  # what fades is what the ring holds
                mixer.post(Stop(flush=what == "flush"))
            else:
                mixer.post(TELLS[what])
            parts.append(rendered(mixer, then, block))
        mixer.post(Tell("resume"))
        mixer.post(Tell("end_reply"))
        parts.append(rendered(mixer, 14_000, 4096))
        heard.append((np.concatenate(parts), mixer.take_events(), mixer.reply_queued))
    for samples, events, queued in heard[1:]:
        np.testing.assert_allclose(samples, heard[0][0], rtol=0.0, atol=TOLERANCE)
        assert events == heard[0][1]
        assert queued == heard[0][2]


def test_tiny_reply_ring_is_skipped_through() -> None:
    """Skipping takes what waits in front of the ring as well, and reports the end in its frame."""
    reply = ramp(5000)
    small, large = NativeMixer(1000, reply_ring_s=0.001), ReferenceMixer(1000)
    for mixer in (small, large):
        mixer.post(Write(reply))
        mixer.post(Tell("end_reply"))
        mixer.skip_to(3210)
    assert (small.position, small.reply_queued) == (3210, 5000 - 3210)
    np.testing.assert_array_equal(rendered(small, 100), reply[3210:3310])
    rendered(large, 100)
    for mixer in (small, large):
        mixer.skip_to(9000)
    assert small.take_events() == large.take_events()


def test_long_preroll_finds_room() -> None:
    """A preroll longer than the ring was asked to be does not keep the reply back for ever."""
    mixer = NativeMixer(1000, preroll_ms=3000, reply_ring_s=0.1)
    mixer.post(Write(ramp(2999)))
    assert not rendered(mixer, 100).any()
    mixer.post(Write(ramp(1001, 3000)))
    np.testing.assert_array_equal(rendered(mixer, 4000), ramp(4000))


def test_full_command_ring_delays_nothing() -> None:
    """A thousand commands before the first frame are all obeyed at it."""
    pair: list[Mixer] = [ReferenceMixer(1000), NativeMixer(1000)]
    for mixer in pair:
        for first in range(1, 1001):
            mixer.post(Write(ramp(1, first)))
        assert mixer.reply_queued == 1000
        np.testing.assert_array_equal(rendered(mixer, 1000), ramp(1000))
    assert pair[0].take_events() == pair[1].take_events()


def test_full_command_ring_keeps_the_order(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Of a thousand sheets the last one plays; a flush overtakes what waits, and what comes after it stays after it."""
    clip = make_clip("phrase", 10)
    mixer = NativeMixer(1000)
    last = None
    for _ in range(1000):
        last = make_cue(clip, 100)
        mixer.post(Arm([last]))
    rendered(mixer, 200)
    assert last is not None
    assert [event.cue for event in mixer.take_events()] == [last.id] * 2
    for _ in range(1000):
        mixer.post(Write(ramp(1)))
    mixer.post(Stop(flush=True))
    mixer.post(Write(ramp(500, 77)))
    assert mixer.reply_queued >= 500
    np.testing.assert_array_equal(rendered(mixer, 600), np.concatenate([ramp(500, 77), np.zeros(100, np.float32)]))


def test_hold_overtakes_a_long_reply() -> None:
    """The user need not wait until the ring has room: everything that waits stays behind the hold."""
    reply = ramp(9000)
    mixer = NativeMixer(1000, reply_ring_s=0.1)
    mixer.post(Write(reply))
    np.testing.assert_array_equal(rendered(mixer, 1000), reply[:1000])
    mixer.post(Stop(flush=False))
    assert not rendered(mixer, 500)[STOP_FADE:].any()
    mixer.post(Tell("resume"))
    np.testing.assert_array_equal(rendered(mixer, 8500)[STOP_FADE:8000], reply[1000 + STOP_FADE :])


def test_events_that_nobody_takes_hold_back_starts_only(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """While the ring of events is full no cue starts; none is lost, and each start has its end, in order."""
    clip = make_clip("phrase", 2)
    mixer = NativeMixer(1000)
    armed = 0
    for _ in range(8):
        cues = [make_cue(clip, mixer.position + 3 * number) for number in range(200)]
        armed += len(cues)
        mixer.post(Arm(cues))
        rendered(mixer, 600)
    events: list[MixerEvent] = []
    for _ in range(20):
        events += mixer.take_events()
        rendered(mixer, 600)
    started = [event.cue for event in events if event.what is Heard.STARTED]
    assert started == [event.cue for event in events if event.what is Heard.ENDED]
    assert len(started) == len(set(started))
    assert 300 < len(started) < armed
    assert [event.frame for event in events] == sorted(event.frame for event in events)
    rendered(mixer, 10)
    assert len(mixer._sheets) == 1


def test_signs_of_life_do_not_flood_the_events(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """However often a horizon passes while nobody takes the events, those that are there stay as they were."""
    mixer = NativeMixer(1000)
    first = make_cue(make_clip("phrase", 60_000), 0)
    mixer.post(Arm([first]))
    for _ in range(5000):
        mixer.attend(mixer.position + 5)
        rendered(mixer, 10)
    events = mixer.take_events()
    assert (events[0].what, events[0].cue) == (Heard.STARTED, first.id)
    assert [event.frame for event in events] == sorted(event.frame for event in events)
    assert len(events) == len(set(events))


# What is kept -------------------------------------------------------------------------------------------------


def test_sheets_are_let_go(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Over a thousand sheets, some of whose cues sound on, only those are kept that the core may look at."""
    clip = make_clip("phrase", 35)
    mixer = NativeMixer(1000)
    most = 0
    for number in range(1000):
        start = mixer.position
        mixer.post(Arm([make_cue(clip, start + 1), make_cue(clip, start + 500)]))
        rendered(mixer, 10)
        if number % 3 == 0:
            mixer.take_events()
            most = max(most, len(mixer._sheets))
    assert most == 3
    mixer.post(Arm(()))
    rendered(mixer, 40)
    mixer.take_events()
    assert len(mixer._sheets) == 1
    assert not mixer._sheets._of_cue


def test_cue_that_is_armed_again_keeps_its_samples(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """The same cue in sheet after sheet, sounding or not, is told of by its id, and its memory is counted right."""
    mixer = NativeMixer(1000)
    cue = make_cue(make_clip("phrase", 100, shape="ramp"), 20)
    for _ in range(30):
        mixer.post(Arm([cue]))
        rendered(mixer, 10)
        mixer.post(Arm([cue]))
        mixer.take_events()
    gc.collect()
    assert mixer.take_events() == []
    mixer.post(Arm(()))
    rendered(mixer, 200)
    assert all(event.cue == cue.id for event in mixer.take_events())
    rendered(mixer, 1)
    mixer.take_events()
    assert len(mixer._sheets) == 1


def test_samples_live_as_long_as_they_sound(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Nobody but the mixer knows the clip any more: it sounds on to its end, and then it is gone."""
    mixer = NativeMixer(1000)
    clip = make_clip("phrase", 5000, shape="noise")
    expected, alive = clip.samples.copy(), weakref.ref(clip.samples)
    mixer.post(Arm([make_cue(clip, 100)]))
    del clip
    heard = [rendered(mixer, 200)]
    for _ in range(5):
        mixer.post(Arm(()))
        mixer.take_events()
        gc.collect()
        assert alive() is not None
        heard.append(rendered(mixer, 1000))
    np.testing.assert_array_equal(np.concatenate(heard)[100:5100], expected)
    mixer.take_events()
    gc.collect()
    assert alive() is None


def test_samples_of_a_sheet_in_force_live_on(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """What is armed and has not started is kept, also where it is not what was posted last."""
    mixer = NativeMixer(1000)
    clip = make_clip("phrase", 300, shape="noise")
    expected = clip.samples.copy()
    mixer.post(Arm([make_cue(clip, 1000)]))
    del clip
    rendered(mixer, 10)
    for _ in range(300):
        mixer.post(Arm([make_cue(make_clip("phrase", 300), 500)], starts=7))  # refused
        mixer.take_events()
        rendered(mixer, 1)
    gc.collect()
    mixer.take_events()
    assert len(mixer._sheets) <= 2
    np.testing.assert_array_equal(rendered(mixer, 1200)[1000 - 310 : 1300 - 310], expected)


def test_odd_arrays_are_taken_as_samples(make_clip: MakeClip) -> None:
    """Reply audio of another type or stride is converted, not read as what it is not."""
    mixer = NativeMixer(1000)
    whole = np.linspace(-0.5, 0.5, 400)
    mixer.post(Write(whole[::2]))  # type: ignore[arg-type]
    np.testing.assert_array_equal(rendered(mixer, 200), whole[::2].astype(np.float32))
    with pytest.raises(ValueError, match="contiguous"):
        mixer.render(np.zeros(200, np.float32)[::2])


# The tap ------------------------------------------------------------------------------------------------------


def test_tap_gives_what_was_rendered(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Every frame once, to the bit, with its number, however it was rendered and read; a filler shows in its blocks."""
    mixer = NativeMixer(1000)
    rendered(mixer, 100)
    mixer.open_tap(4.0)
    mixer.open_tap(4.0)
    assert mixer.read_tap() == []
    mixer.post(Arm([make_cue(make_clip("phrase", 500, shape="noise"), 1000)]))
    mixer.post(Write(noise(20_000)))
    mixer.post(Tell("end_reply"))
    mixer.post(Stop(flush=True))
    mixer.post(Arm([make_cue(make_clip("phrase", 500, shape="noise"), 1000)]))
    seen: list[TapBlock] = []
    heard = []
    for number in range(200):
        heard.append(rendered(mixer, 7 * number % 160 + 1, 160))
        if number % 5 == 4:
            seen += mixer.read_tap()
    frame = 100
    for block in seen:
        assert block.frame == frame
        assert block.filler == (block.frame < 1500 and block.frame + len(block.samples) > 1000)
        frame += len(block.samples)
    np.testing.assert_array_equal(np.concatenate([block.samples for block in seen]), np.concatenate(heard))
    assert lib.sg_tap_lost(mixer.address) == 0


def test_tap_that_is_not_read_has_a_gap() -> None:
    """What found no room is left out and counted, in whole blocks; what was there stays, what follows is right."""
    mixer = NativeMixer(1000)
    mixer.open_tap(1.0)
    mixer.post(Write(ramp(30_000)))
    rendered(mixer, 20_000, 300)
    (samples, frames, _), lost = tapped(mixer), lib.sg_tap_lost(mixer.address)
    assert len(frames) + lost == 20_000
    assert 1000 <= len(frames) <= 4096
    assert frames == list(range(len(frames)))
    np.testing.assert_array_equal(samples, ramp(len(frames)))
    mixer.skip_to(20_500)
    rendered(mixer, 300)
    samples, frames, _ = tapped(mixer)
    assert frames == list(range(20_500, 20_800))
    np.testing.assert_array_equal(samples, ramp(300, 20_501))


def test_tap_gives_large_blocks_in_parts() -> None:
    """A block larger than what is read at once comes in parts that follow each other; an empty one does not show."""
    mixer = NativeMixer(1000)
    mixer.open_tap(60.0)
    mixer.post(Write(ramp(30_000)))
    mixer.render(np.zeros(0, np.float32))
    rendered(mixer, 30_000, 10_001)
    mixer.render(np.zeros(0, np.float32))
    samples, frames, _ = tapped(mixer)
    assert frames == list(range(30_000))
    np.testing.assert_array_equal(samples, ramp(30_000))


# Two threads --------------------------------------------------------------------------------------------------


def in_thread(mixer: NativeMixer, heard: list[Samples], block: int, done: threading.Event) -> threading.Thread:
    """Begin to render block after block, until *done* and the reply is over."""

    def render() -> None:
        while not (done.is_set() and mixer.reply_queued == 0):
            out = np.empty(block, np.float32)
            mixer.render(out)
            heard.append(out)

    thread = threading.Thread(target=render)
    thread.start()
    return thread


@pytest.mark.parametrize("reply_ring_s", [0.001, 2.0])
def test_reply_is_complete_whoever_is_faster(reply_ring_s: float) -> None:
    """One thread writes while another renders: every sample comes out once, untouched, in order."""
    mixer = NativeMixer(1000, reply_ring_s=reply_ring_s)
    mixer.open_tap(500.0)
    reply, heard, done = ramp(200_000), [np.zeros(0, np.float32)], threading.Event()
    tap: list[Samples] = []
    renderer = in_thread(mixer, heard, 64, done)
    lengths = np.random.default_rng(3).integers(0, 200, 5000)
    written = 0
    for number, length in enumerate(lengths):
        mixer.post(Write(reply[written : written + length], number // 500))
        written += int(min(length, len(reply) - written))
        if number % 500 == 499:
            mixer.post(Tell("end_reply"))
        if number % 20 == 0:
            mixer.take_events()
            tap += [block.samples for block in mixer.read_tap()]
    mixer.post(Write(reply[written:], 10))
    done.set()
    renderer.join()
    tap += [block.samples for block in mixer.read_tap()]
    samples = np.concatenate(heard)
    np.testing.assert_array_equal(samples[samples != 0.0], reply)
    if not lib.sg_tap_lost(mixer.address):
        np.testing.assert_array_equal(np.concatenate(tap), samples)


def test_everything_at_once_from_two_threads(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Sheets, replies, holds and flushes while another thread renders: events stay in order, memory is let go."""
    mixer = NativeMixer(1000, reply_ring_s=0.2)
    heard: list[Samples] = []
    done = threading.Event()
    clips = [make_clip(kind, 40 + 30 * number, shape="noise", level=0.2) for number, kind in enumerate(Kind)]
    renderer = in_thread(mixer, heard, 16, done)
    random = np.random.default_rng(5)
    events: list[MixerEvent] = []
    kept = 0
    for number in range(4000):
        match int(random.integers(10)):
            case 0 | 1 | 2 | 3:
                start = mixer.position
                mixer.post(Arm([make_cue(clips[number % len(clips)], start + 8 * i, end=start + 90) for i in range(4)]))
            case 4 | 5:
                mixer.post(Write(noise(int(random.integers(0, 300)), number), number // 50))
            case 6:
                mixer.post(Tell("end_reply"))
            case 7:
                mixer.post(Stop(flush=bool(random.integers(2))))
            case 8:
                mixer.post(Tell("resume"))
            case _:
                mixer.attend(mixer.position + int(random.integers(400)))
                kept = max(kept, len(mixer._sheets))
        if number % 3 == 0:
            events += mixer.take_events()
    mixer.post(Stop(flush=True))
    done.set()
    renderer.join()
    rendered(mixer, 100)
    events += mixer.take_events()
    started = [event.cue for event in events if event.what is Heard.STARTED]
    ended = [event.cue for event in events if event.what is Heard.ENDED]
    assert [event.frame for event in events] == sorted(event.frame for event in events)
    assert len(started) == len(set(started))
    assert sorted(map(str, started)) == sorted(map(str, ended))
    assert np.abs(np.concatenate(heard)).max() <= 1.0
    assert len(mixer._sheets) <= 1


# Many at a time, and 16 bits ----------------------------------------------------------------------------------


def test_batch_is_each_by_itself(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """One call for many mixers gives what a call for each gives."""
    clips = [make_clip("phrase", 300 + number, shape="noise", level=0.99) for number in range(9)]
    cues = [make_cue(clip, 10 * number, gain=2.0) for number, clip in enumerate(clips)]

    def made(number: int) -> NativeMixer:
        mixer = NativeMixer(1000)
        mixer.post(Arm([cues[number]]))
        return mixer

    alone, together, small = ([made(number) for number in range(9)] for _ in range(3))
    expected = np.concatenate([rendered(mixer, 400) for mixer in alone])
    out, pcm = np.empty(9 * 400, np.float32), np.empty(9 * 400, np.int16)
    lib.sg_render_batch([mixer.address for mixer in together], 9, ffi.from_buffer("float[]", out), 400)
    lib.sg_render_batch_pcm16([mixer.address for mixer in small], 9, ffi.from_buffer("int16_t[]", pcm), 400)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(pcm, (expected * np.float32(32767.0)).astype(np.int16))
    assert [mixer.take_events() for mixer in together] == [mixer.take_events() for mixer in small]


def test_pcm_of_a_full_scale_reply_does_not_wrap() -> None:
    """Samples beyond full scale are clipped in 16 bits."""
    mixer = NativeMixer(1000)
    mixer.post(Write(np.array([1.0, -1.0, 1.5, -7.0, 0.5, -0.5], np.float32)))
    pcm = np.empty(6, np.int16)
    lib.sg_render_pcm16(mixer.address, ffi.from_buffer("int16_t[]", pcm), 6)
    assert pcm.tolist() == [32767, -32767, 32767, -32767, 16383, -16383]


def test_pcm_of_a_loud_reply_before_a_filler_does_not_wrap(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Where a filler that is limited follows a reply that is not, within one frame, the reply is clipped still."""
    mixer = NativeMixer(1000)
    mixer.post(Write(np.full(100, 7.0, np.float32)))
    mixer.post(Tell("end_reply"))
    mixer.post(Arm([make_cue(make_clip("phrase", 300, shape="one", level=0.1), 110)]))
    pcm = np.empty(200, np.int16)
    lib.sg_render_pcm16(mixer.address, ffi.from_buffer("int16_t[]", pcm), 200)
    assert pcm[:100].tolist() == [32767] * 100
    assert pcm[120:].min() > 0


@pytest.mark.parametrize("pcm", [False, True])
def test_batch_feeds_what_waits_in_front_of_the_rings(pcm: bool) -> None:
    """Replies longer than their rings are heard whole, whichever rows of a batch they belong to."""
    mixers = [NativeMixer(1000, reply_ring_s=0.1) for _ in range(3)]
    replies = [noise(frames, frames, 0.9) for frames in (50, 3000, 1000)]
    batch = NativeBatch([mixers[0], None, *mixers[1:]])
    for mixer, reply in zip(mixers, replies, strict=True):
        mixer.post(Write(reply))
        mixer.post(Tell("end_reply"))
    heard = np.zeros((4, 0), np.float32)
    for _ in range(160):
        if pcm:
            out = np.empty((4, 20), np.int16)
            batch.render_pcm16(out)
            heard = np.concatenate([heard, out / np.float32(32767.0)], axis=1, dtype=np.float32)
        else:
            block = np.empty((4, 20), np.float32)
            batch.render(block)
            heard = np.concatenate([heard, block], axis=1)
    assert not heard[1].any()
    for row, reply in zip(heard[[0, 2, 3]], replies, strict=True):
        np.testing.assert_allclose(row[: len(reply)], reply, atol=1 / 32767 if pcm else 0.0)
        assert not row[len(reply) :].any()


def test_native_is_what_is_made_where_it_was_built() -> None:
    """`new_mixer` picks the C core."""
    assert new_mixer(1000).engine == "native"


# PortAudio's callback -----------------------------------------------------------------------------------------


UNDERFLOWED = 4
"""paOutputUnderflow"""


class Device:
    """A device that asks when told to."""

    def __init__(self, mixer: NativeMixer, channels: int, latency_s: float = 0.25) -> None:
        self.mixer, self.channels = mixer, channels
        self.port = ffi.gc(lib.sg_new_port(mixer.address, channels, mixer.rate), lib.sg_free_port)
        lib.sg_set_latency(self.port, latency_s)

    def ask(self, frames: int, times: tuple[float, float, float] | None = None, flags: int = 0) -> Samples:
        out = np.full((frames, self.channels), np.nan, np.float32)
        info = ffi.NULL if times is None else ffi.new("sg_time_info *", times)
        assert lib.sg_callback(ffi.NULL, ffi.from_buffer("float[]", out), frames, info, flags, self.port) == 0
        return out

    def observed(self, room: int = 1000) -> list[tuple[int, float]]:
        seen = ffi.new("sg_observation[]", room)
        return [(seen[at].frame, seen[at].at_s) for at in range(lib.sg_observations(self.port, seen, room))]

    def counted(self) -> dict[str, int]:
        c = ffi.new("sg_port_statistics *")
        lib.sg_statistics(self.port, c)
        names = ("callbacks", "frames", "underruns", "over_period", "smallest_block", "largest_block", "longest_ns")
        return {**{name: getattr(c, name) for name in names}, "run_time": sum(c.run_time)}


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_callback_gives_every_channel_the_same(channels: int, make_clip: MakeClip, make_cue: MakeCue) -> None:
    """What the device is given is what the mixer renders, in each of its channels."""
    reference, native = ReferenceMixer(1000), NativeMixer(1000)
    command = Arm([make_cue(make_clip("phrase", 400, shape="noise"), 50)])
    reference.post(command)
    native.post(command)
    device = Device(native, channels)
    lib.sg_attach(device.port)
    heard = np.concatenate([device.ask(frames) for frames in (1, 64, 0, 300, 128)])
    expected = rendered(reference, len(heard))
    for channel in range(channels):
        np.testing.assert_allclose(heard[:, channel], expected, rtol=0.0, atol=TOLERANCE)
    assert native.take_events() == reference.take_events()


def test_detached_callback_is_silent_and_leaves_the_mixer_alone() -> None:
    """Before it is attached and after it was detached a device gets silence, and nothing counts."""
    mixer = NativeMixer(1000)
    device = Device(mixer, 2)
    mixer.post(Write(ramp(500)))
    assert not device.ask(100, flags=UNDERFLOWED).any()
    assert (mixer.position, mixer.reply_queued, mixer.told) == (0, 500, True)
    lib.sg_attach(device.port)
    np.testing.assert_array_equal(device.ask(100)[:, 1], ramp(100))
    assert lib.sg_detach(device.port) == 1
    counted = device.counted()
    assert not device.ask(64, flags=UNDERFLOWED).any()
    assert (mixer.position, mixer.reply_queued) == (100, 400)
    assert device.counted() == counted
    assert len(device.observed()) == 1
    np.testing.assert_array_equal(rendered(mixer, 100), ramp(100, 101))
    lib.sg_attach(device.port)
    np.testing.assert_array_equal(device.ask(100)[:, 0], ramp(100, 201))


def test_callback_counts() -> None:
    """Callbacks, frames, block lengths, the device's underruns, and a run time for each."""
    device = Device(NativeMixer(1000), 1)
    lib.sg_attach(device.port)
    assert device.counted() == dict.fromkeys(device.counted(), 0)
    for frames, flags in [(64, 0), (256, UNDERFLOWED), (32, 1 | 2 | 8 | 16), (100, 31)]:
        device.ask(frames, flags=flags)
    counted = device.counted()
    assert (counted["callbacks"], counted["frames"], counted["underruns"]) == (4, 452, 2)
    assert (counted["smallest_block"], counted["largest_block"]) == (32, 256)
    assert counted["run_time"] == lib.sg_callbacks(device.port) == 4
    assert counted["longest_ns"] > 0
    assert 0 <= counted["over_period"] <= 4


@pytest.mark.parametrize(
    ("times", "ahead"),
    [
        (None, 0.25),
        ((0.0, 0.0, 0.0), 0.25),
        ((0.0, 100.0, 100.5), 0.5),
        ((7.0, 100.0, 100.0625), 0.0625),
        ((0.0, 100.0, 99.0), 0.25),
        ((0.0, 0.0, 5000.0), 0.25),
        ((float("nan"),) * 3, 0.25),
        ((0.0, 1.0, float("inf")), 0.25),
        ((0.0, float("-inf"), 1.0), 0.25),
        ((0.0, -1e300, 1e300), 0.25),
    ],
)
def test_callback_tells_when_its_frames_are_heard(times: tuple[float, float, float] | None, ahead: float) -> None:
    """On the core's clock: as far ahead as the device says, or, where that is nothing or garbage, as was set."""
    device = Device(NativeMixer(1000), 1)
    lib.sg_attach(device.port)
    bounds = [lib.sg_now_ns() * 1e-9]
    for _ in range(3):
        device.ask(50, times)
        bounds.append(lib.sg_now_ns() * 1e-9)
    seen = device.observed()
    assert [frame for frame, _ in seen] == [0, 50, 100]
    for (_, at), before, after in zip(seen, bounds, bounds[1:], strict=False):
        assert before <= at - ahead + 1e-9
        assert at - ahead - 1e-9 <= after


def test_observations_that_nobody_takes_are_left_out() -> None:
    """The ring keeps the first ones; once they are taken new ones come, in order."""
    device = Device(NativeMixer(1000), 1)
    lib.sg_attach(device.port)
    for _ in range(300):
        device.ask(10)
    seen = [frame for frame, _ in device.observed(100) + device.observed()]
    assert seen == [10 * number for number in range(lib.SG_OBSERVATIONS)]
    device.ask(10)
    assert [frame for frame, _ in device.observed()] == [3000]

"""What is rendered is what was scheduled, by either engine. Most tests run at 1000 Hz: a frame is a millisecond."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopgap.engine.mixer import (
    MAX_VOICES,
    Arm,
    ArmedCue,
    Command,
    Heard,
    Mixer,
    MixerEvent,
    NativeMixer,
    ReferenceMixer,
    Stop,
    Tell,
    Write,
    native_available,
)
from stopgap.fillers import Clip, ClipBank, Kind, Samples

MakeClip = Callable[..., Clip]
MakeCue = Callable[..., ArmedCue]
MakeMixer = Callable[..., Mixer]
Script = list[tuple[Command, int]]
"""Commands, each with the frames that pass after it."""

STOP_FADE = 20
"""Frames at 1000 Hz within which everything is silent when the user speaks (20 ms)."""
DECLICK = 8
"""Frames at 1000 Hz of the fade in front of a cut mark (8 ms)."""

NATIVE_REQUIRED = os.environ.get("STOPGAP_NATIVE") == "require"
"""Read here, before a fixture takes it away."""


@pytest.fixture(scope="module", params=[ReferenceMixer, NativeMixer])
def make_mixer(request: pytest.FixtureRequest) -> MakeMixer:
    """Each engine; without the C core skips it, unless STOPGAP_NATIVE=require forbids that."""
    if request.param is NativeMixer and not native_available and not NATIVE_REQUIRED:
        pytest.skip("the C core was not built")
    made: MakeMixer = request.param
    return made


def rendered(mixer: Mixer, frames: int, blocks: Iterable[int] = (4096,)) -> Samples:
    """Render *frames* in blocks of the given lengths, again and again."""
    out = np.full(frames, np.nan, np.float32)
    lengths: Iterator[int] = iter(())
    done = 0
    while done < frames:
        length = next(lengths, 0)
        if not length:
            lengths = iter(blocks)
            continue
        mixer.render(out[done : done + length])
        done += length
    assert not np.isnan(out).any()
    return out


def performed(mixer: Mixer, script: Script, blocks: Sequence[int] = (4096,)) -> tuple[Samples, list[MixerEvent]]:
    """Perform *script* and return the samples and the events."""
    parts = [np.zeros(0, np.float32)]
    for command, frames in script:
        mixer.post(command)
        parts.append(rendered(mixer, frames, blocks))
    return np.concatenate(parts), mixer.take_events()


def noise(frames: int, seed: int = 0, level: float = 0.3) -> Samples:
    return np.random.default_rng(seed).uniform(-level, level, frames).astype(np.float32)


def sine(frames: int, rate: int, level: float = 0.5) -> Samples:
    return (level * np.sin(2 * np.pi * 100 * np.arange(frames) / rate)).astype(np.float32)


def largest_step(samples: Samples) -> float:
    return float(np.abs(np.diff(samples, prepend=0.0, append=0.0)).max())


# Random sequences of commands ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class CuePlan:
    """A cue before its place in time is known."""

    kind: Kind
    frames: int
    marks: tuple[int, ...]
    offset: int
    lasts: int | None
    gain: float
    allow_belated: bool
    numbers: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Step:
    """A command before it is made, and the frames that pass after it."""

    what: str
    cues: tuple[CuePlan, ...]
    frames: int
    then: int


def fades() -> st.SearchStrategy[int]:
    """0, or at least a mark's own fade: shorter ones may take over from it, which `reconstructed` leaves out."""
    return st.one_of(st.just(0), st.integers(DECLICK, 60))


cue_plans = st.builds(
    CuePlan,
    kind=st.sampled_from(Kind),
    frames=st.integers(1, 400),
    marks=st.sets(st.integers(1, 400), max_size=3).map(lambda marks: tuple(sorted(marks))),
    offset=st.integers(-60, 300),
    lasts=st.none() | st.integers(1, 500),
    gain=st.floats(0.0, 1.0),
    allow_belated=st.booleans(),
    numbers=st.tuples(
        st.tuples(st.just("min_play_ms"), st.integers(0, 150)),
        st.tuples(st.just("max_finish_ms"), st.integers(0, 150)),
        st.tuples(st.just("fade_ms"), fades()),
        st.tuples(st.just("gap_ms"), st.integers(-80, 80)),
        st.tuples(st.just("fade_in_ms"), st.integers(0, 50)),
    ),
)
UNINTERRUPTED = ("arm", "arm", "write", "write", "end_reply", "disarm", "release", "retire", "nothing")
ALL = (*UNINTERRUPTED, "hold", "resume", "flush")
TELLS: dict[str, Tell] = {
    "disarm": Tell("disarm"),
    "release": Tell("release"),
    "retire": Tell("retire"),
    "end_reply": Tell("end_reply"),
    "resume": Tell("resume"),
}


def steps(what: tuple[str, ...]) -> st.SearchStrategy[list[Step]]:
    return st.lists(
        st.builds(
            Step,
            what=st.sampled_from(what),
            cues=st.lists(cue_plans, max_size=4).map(tuple),
            frames=st.integers(1, 250),
            then=st.one_of(st.integers(0, 3), st.integers(0, 200)),
        ),
        max_size=14,
    )


def scripted(
    plan: list[Step], make_clip: MakeClip, make_cue: MakeCue, level: float, gain: float = 1.0
) -> tuple[Script, dict[int, ArmedCue]]:
    """Turn *plan* into commands; also return every cue by its id."""
    script: Script = []
    cues: dict[int, ArmedCue] = {}
    now = 0
    for number, step in enumerate(plan):
        command: Command
        match step.what:
            case "arm":
                armed = []
                for c in step.cues:
                    inner = [mark for mark in c.marks if mark < c.frames]
                    clip = make_clip(c.kind, c.frames, 1000, inner, shape="noise", level=level)
                    start = max(0, now + c.offset)
                    end = None if c.lasts is None else start + c.lasts
                    cue = make_cue(
                        clip, start, gain=gain * c.gain, end=end, allow_belated=c.allow_belated, **dict(c.numbers)
                    )
                    armed.append(cue)
                    cues[cue.id] = cue
                command = Arm(armed)
            case "write":
                command = Write(noise(step.frames, number, 20 * level if level < 0.05 else level))
            case "hold" | "flush":
                command = Stop(flush=step.what == "flush")
            case "nothing":
                command = Tell("disarm") if number < 0 else Arm(()) if number == 0 else Tell("resume")
            case _:
                command = TELLS[step.what]
        script.append((command, step.then))
        now += step.then
    script.append((Tell("resume"), 700))
    return script, cues


@given(plan=steps(ALL), blocks=st.lists(st.integers(1, 200), min_size=1, max_size=6), preroll=st.sampled_from([0, 60]))
@settings(max_examples=300)
def test_any_sequence_of_calls_is_survived(
    plan: list[Step], blocks: list[int], preroll: int, make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer
) -> None:
    """Whatever is called when: sound stays finite and within 1, events are in order, and a flush silences all."""
    script, cues = scripted(plan, make_clip, make_cue, level=1.0, gain=4.0)
    mixer = make_mixer(1000, preroll_ms=preroll)
    samples, events = performed(mixer, script, blocks)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max(initial=0.0) <= 1.0
    assert [event.frame for event in events] == sorted(event.frame for event in events)
    started = [event.cue for event in events if event.what is Heard.STARTED]
    ended = [event.cue for event in events if event.what is Heard.ENDED]
    skipped = [event.cue for event in events if event.what is Heard.SKIPPED]
    assert len(started) == len(set(started))
    assert len(ended) == len(set(ended))
    assert set(ended) <= set(started)
    assert not set(skipped) & set(started)
    sounds = [event.frame for event in events if event.what in (Heard.STARTED, Heard.REPLY_STARTED)]
    assert not samples[: min(sounds, default=len(samples))].any()
    for event in events:
        if event.what is Heard.STARTED:
            assert event.frame >= cues[event.cue or 0].start
    assert not [frame for frame in _cue_starts(events) if any(a < frame < b for a, b in _available(script, events))]
    mixer.post(Stop(flush=True))
    rendered(mixer, STOP_FADE)
    assert not rendered(mixer, 1000).any()
    assert not [event for event in mixer.take_events() if event.what is Heard.STARTED]
    assert mixer.reply_queued == 0


def _cue_starts(events: list[MixerEvent]) -> list[int]:
    return [event.frame for event in events if event.what is Heard.STARTED]


def _available(script: Script, events: list[MixerEvent]) -> list[tuple[int, int]]:
    """Return from when to when a reply was available, from what was written and what was reported."""
    changes = [(event.frame, 0, "gone") for event in events if event.what is Heard.REPLY_ENDED]
    now = 0
    for number, (command, frames) in enumerate(script, 1):
        if isinstance(command, Write):
            changes.append((now, number, "there"))
        elif isinstance(command, Stop) and command.flush:
            changes.append((now, number, "gone"))
        now += frames
    spans, since = [], None
    for frame, _, what in sorted(changes):
        if what == "there" and since is None:
            since = frame
        elif what == "gone" and since is not None:
            spans.append((since, frame))
            since = None
    return [*spans, (since, now)] if since is not None else spans


@given(plan=steps(UNINTERRUPTED), preroll=st.sampled_from([0, 60]))
@settings(max_examples=300)
def test_rendered_is_what_was_scheduled(
    plan: list[Step], preroll: int, make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer
) -> None:
    """The samples are those that follow from the events: where each sound began and ended, faded by its numbers."""
    script, cues = scripted(plan, make_clip, make_cue, level=0.01)
    samples, events = performed(make_mixer(1000, preroll_ms=preroll), script)
    np.testing.assert_allclose(samples, reconstructed(script, cues, events), rtol=0.0, atol=1e-6)


def reconstructed(script: Script, cues: dict[int, ArmedCue], events: list[MixerEvent]) -> np.ndarray:
    """Make the output anew, in plain double precision, from the commands and what was reported."""
    total = sum(frames for _, frames in script)
    out = np.zeros(total)
    for start in (event for event in events if event.what is Heard.STARTED):
        assert start.cue is not None
        cue = cues[start.cue]
        end = next((e for e in events if e.what is Heard.ENDED and e.cue == start.cue), None)
        stop = total if end is None else end.frame
        at = np.arange(start.frame, stop)
        sound = cue.gain * np.resize(cue.clip.samples.astype(float), len(at))
        if not cue.clip.loops:
            assert len(at) <= cue.clip.frames
        if cue.rule.fade_in:
            sound *= _shaped(cue, (at - start.frame) / cue.rule.fade_in)
        fade = _fade(cue, len(at), end)
        if fade:
            sound *= _shaped(cue, (stop - at) / fade)
        out[start.frame : stop] += sound[: total - start.frame]
    for place, chunk in _reply_places(script, events):
        out[place : place + len(chunk)] += chunk[: max(0, total - place)]
    return out


def _shaped(cue: ArmedCue, share: np.ndarray) -> np.ndarray:
    """Speech fades linearly, beds keep their power."""
    share = np.clip(share, 0.0, 1.0)
    return share if cue.clip.kind.spoken else np.sin(share * np.pi / 2)


def _fade(cue: ArmedCue, sounded: int, end: MixerEvent | None) -> int:
    """Return the frames over which a sound that ended so must have faded."""
    if end is None:
        return 0
    if cue.clip.loops or end.cut:
        return cue.rule.fade
    return 0 if sounded == cue.clip.frames else DECLICK


def _reply_places(script: Script, events: list[MixerEvent]) -> Iterator[tuple[int, Samples]]:
    """Yield the frame at which each chunk of reply must sound: when it is its turn, has come, and is let on."""
    turns = [event for event in events if event.what in (Heard.REPLY_STARTED, Heard.REPLY_ENDED)]
    now = cursor = 0
    for command, frames in script:
        if isinstance(command, Write):
            ends = [event.frame for event in turns if event.what is Heard.REPLY_ENDED and event.frame <= now]
            starts = [event.frame for event in turns if event.what is Heard.REPLY_STARTED]
            current = len([end for end in ends if end <= now])
            if current >= len(starts):
                return
            cursor = max(cursor, now, starts[current])
            yield cursor, command.samples
            cursor += len(command.samples)
        now += frames


@given(plan=steps(ALL), preroll=st.sampled_from([0, 60]))
@settings(max_examples=200)
def test_skipping_tells_the_same_as_rendering(
    plan: list[Step], preroll: int, make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer
) -> None:
    """The schedule alone reports the same events in the same frames, and takes the same reply."""
    script, _ = scripted(plan, make_clip, make_cue, level=0.5)
    mixer, silent = make_mixer(1000, preroll), make_mixer(1000, preroll)
    _, events = performed(mixer, script, [50])
    for command, frames in script:
        silent.post(command)
        if frames:  # what is posted at one frame is obeyed together
            silent.skip_to(silent.position + frames)
    silent.skip_to(silent.position)
    assert silent.take_events() == events
    assert (silent.position, silent.reply_queued) == (mixer.position, mixer.reply_queued)
    for each in (mixer, silent):
        each.post(Tell("resume"))
        each.post(Write(noise(50)))
    np.testing.assert_array_equal(rendered(silent, 600)[STOP_FADE:], rendered(mixer, 600)[STOP_FADE:])


@given(plan=steps(ALL), blocks=st.lists(st.integers(1, 300), min_size=1, max_size=6))
@settings(max_examples=200)
def test_block_lengths_do_not_matter(
    plan: list[Step], blocks: list[int], make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer
) -> None:
    """However the device cuts time into blocks, every sample and event is the same."""
    script, _ = scripted(plan, make_clip, make_cue, level=0.5)
    samples, events = performed(make_mixer(1000), script)
    for sizes in ([1], blocks):
        others, other_events = performed(make_mixer(1000), script, sizes)
        np.testing.assert_allclose(others, samples, rtol=0.0, atol=1e-7)
        assert other_events == events


def test_unattended_sound_without_a_fade_ends_at_the_horizon(
    make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer
) -> None:
    """Where the handoff's fade is 0, not one frame sounds beyond the horizon."""
    mixer = make_mixer(1000)
    mixer.attend(300)
    mixer.post(Arm([make_cue(make_clip("ambience", 100, shape="one"), 100, fade_ms=0)]))
    out = rendered(mixer, 500)
    assert out[299] > 0.0
    assert not out[300:].any()
    assert [(event.what, event.frame) for event in mixer.take_events()] == [
        (Heard.STARTED, 100),
        (Heard.UNATTENDED, 300),
        (Heard.ENDED, 300),
    ]


# The reply ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [[1], [7, 64, 3], [480], [4096]])
@pytest.mark.parametrize("chunks", [[5000], [1] * 50 + [4950], [960, 40, 4000], [0, 2500, 0, 2500, 0]])
@pytest.mark.parametrize("preroll", [0, 40])
def test_reply_alone_is_untouched(blocks: list[int], chunks: list[int], preroll: int, make_mixer: MakeMixer) -> None:
    """With nothing else sounding every bit of the reply comes out, at full scale too, however it is cut up."""
    reply = np.concatenate([[1.0, -1.0, 0.95, 1e-30], noise(4996, level=1.0)]).astype(np.float32)
    mixer = make_mixer(1000, preroll_ms=preroll)
    silence = rendered(mixer, 123, blocks)
    for part in np.split(reply, np.cumsum(chunks)[:-1]):
        mixer.post(Write(part))
    mixer.post(Tell("end_reply"))
    out = rendered(mixer, 6000, blocks)
    assert not silence.any()
    np.testing.assert_array_equal(out[:5000], reply)
    assert not out[5000:].any()


def test_reply_written_while_it_plays_is_untouched(make_mixer: MakeMixer) -> None:
    """Chunks that arrive just in time join without a seam; late ones leave silence and lose nothing."""
    reply = noise(3000, level=1.0)
    mixer = make_mixer(1000)
    script: Script = [(Write(reply[:1000]), 600), (Write(reply[1000:2000]), 1500), (Write(reply[2000:]), 1200)]
    out, _ = performed(mixer, [*script, (Tell("end_reply"), 100)])
    np.testing.assert_array_equal(out[:2000], reply[:2000])
    assert not out[2000:2100].any()
    np.testing.assert_array_equal(out[2100:3100], reply[2000:])
    assert not out[3100:].any()


def test_reply_after_a_filler_is_untouched(make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer) -> None:
    """Once the filler has gone the reply's bits pass as if there had been none."""
    reply = noise(1000, level=1.0)
    mixer = make_mixer(1000)
    script: Script = [
        (Arm([make_cue(make_clip("hesitation", 900, shape="one"), 100)]), 400),
        (Write(reply), 1500),
    ]
    out, events = performed(mixer, script)
    start = next(event.frame for event in events if event.what is Heard.REPLY_STARTED)
    assert start == 440
    np.testing.assert_array_equal(out[start : start + 1000], reply)


def test_reply_queued_counts_what_is_still_to_be_heard(make_mixer: MakeMixer) -> None:
    """Frames posted count at once, frames heard or dropped no more."""
    mixer = make_mixer(1000)
    mixer.post(Write(noise(300)))
    mixer.post(Write(noise(200)))
    assert mixer.reply_queued == 500
    rendered(mixer, 120)
    assert mixer.reply_queued == 380
    mixer.post(Stop(flush=True))
    rendered(mixer, 1)
    assert mixer.reply_queued == 0


# The user speaks ----------------------------------------------------------------------------------------------


def test_held_reply_loses_no_sample(make_mixer: MakeMixer) -> None:
    """The reply fades within 20 ms, waits, and goes on with the very sample it stopped before, fading in."""
    reply = noise(2000, level=0.9)
    script: Script = [(Write(reply), 500), (Stop(flush=False), 700), (Tell("resume"), 2000)]
    out, events = performed(make_mixer(1000), script)
    np.testing.assert_array_equal(out[:500], reply[:500])
    np.testing.assert_allclose(out[500:520], reply[500:520] * np.linspace(1, 0, 20, endpoint=False), atol=1e-6)
    assert not out[520:1200].any()
    np.testing.assert_allclose(out[1200:1220], reply[500:520] * np.arange(20) / 20, atol=1e-6)
    np.testing.assert_array_equal(out[1220:2700], reply[520:])
    assert not out[2700:].any()
    assert [event.what for event in events] == [Heard.REPLY_STARTED, Heard.REPLY_STARVED]


def test_flushed_reply_is_gone_for_good(make_mixer: MakeMixer) -> None:
    """After a flush the old reply never comes back, and the next one starts fresh, to the bit."""
    old, new = noise(2000, 1), noise(300, 2)
    script: Script = [
        (Write(old), 500),
        (Stop(flush=False), 5),
        (Tell("resume"), 5),
        (Stop(flush=True), 100),
        (Write(new), 400),
    ]
    out, _ = performed(make_mixer(1000), script)
    assert not out[530:610].any()
    np.testing.assert_array_equal(out[610:910], new)
    assert not out[910:].any()


def test_new_reply_right_after_a_resumed_one_is_untouched(make_mixer: MakeMixer) -> None:
    """The fade-in of a resumed reply does not fall on the next turn's reply."""
    new = noise(300, 2)
    script: Script = [
        (Write(noise(2000, 1)), 500),
        (Stop(flush=False), 100),
        (Tell("resume"), 0),
        (Stop(flush=True), 0),
        (Write(new), 400),
    ]
    out, _ = performed(make_mixer(1000), script)
    np.testing.assert_allclose(out[600:900], new, atol=1e-6)


def test_what_fades_of_the_old_reply_does_not_bend_the_new_one(make_mixer: MakeMixer) -> None:
    """A loud reply that begins beneath an old one's fade passes untouched from the frame on where that is over."""
    new = noise(300, 2, level=1.0)
    for blocks in ([1], [4096]):
        mixer = make_mixer(1000)
        rendered(mixer, 10)
        mixer.post(Write(noise(2000, 1)))
        rendered(mixer, 100)
        mixer.post(Stop(flush=True))
        mixer.post(Write(new))
        np.testing.assert_array_equal(rendered(mixer, 300, blocks)[STOP_FADE:], new[STOP_FADE:])


# No clicks ----------------------------------------------------------------------------------------------------


CLICK = 1e-3


@pytest.mark.parametrize("kind", list(Kind))
def test_bundled_clips_never_click(kind: Kind, bank: ClipBank, make_cue: MakeCue, make_mixer: MakeMixer) -> None:
    """Start, end, seam, cut, mark and barge-in never step further than the clip itself does."""
    clips = [clip for clip in bank.clips(48_000) if clip.kind is kind]
    assert clips
    for clip in clips:
        own = float(np.abs(np.diff(clip.samples)).max())
        seconds = min(clip.frames, 96_000)
        for share in (0.003, 0.21, 0.5, 0.77, 0.99):
            for stop in (Stop(flush=False), Stop(flush=True), Tell("release"), Write(np.zeros(10, np.float32))):
                mixer = make_mixer(48_000)
                script: Script = [(Arm([make_cue(clip, 100, gain=0.8)]), 100 + round(share * seconds))]
                out, _ = performed(mixer, [*script, (stop, seconds + 9600)])
                assert largest_step(out[: 100 + seconds]) <= 0.8 * own + CLICK, (clip.id, share, stop)


def test_loops_go_round_without_a_seam(bank: ClipBank, make_cue: MakeCue, make_mixer: MakeMixer) -> None:
    """Where a bed starts again nothing is heard of it, and its end is a fade."""
    loops = [clip for clip in bank.clips(24_000) if clip.loops]
    assert loops
    for clip in loops:
        own = float(np.abs(np.diff(clip.samples)).max())
        end = 2 * clip.frames + 5000
        out, events = performed(make_mixer(24_000), [(Arm([make_cue(clip, 0, end=end)]), end + 1000)])
        assert events[-1].frame == end
        assert not out[end:].any()
        assert largest_step(out) <= own + CLICK
        np.testing.assert_array_equal(out[4000:5000], out[clip.frames + 4000 : clip.frames + 5000])


@pytest.mark.parametrize("kind", ["phrase", "ambience"])
def test_barge_in_during_a_fade_does_not_click(
    kind: str, make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer
) -> None:
    """A voice that is half faded goes on down from there, not up again first."""
    clip = make_clip(kind, 96_000, 48_000, level=0.5)
    own = largest_step(clip.samples[:40_000])
    for stop, later in [(Stop(flush=False), 0), (Stop(flush=True), 20), (Stop(flush=True), 5000)]:
        script: Script = [
            (Arm([make_cue(clip, 0, fade_ms=1000, fade_in_ms=50)]), 20_000),
            (Write(np.zeros(100, np.float32)), 30_000 + later),
            (stop, 10_000),
        ]
        out, events = performed(make_mixer(48_000), script)
        assert largest_step(out) <= own + CLICK
        assert np.abs(out[49_000:50_000]).max() > 0.1
        assert not out[50_960 + later :].any()
        assert events[-1].cut == clip.kind.spoken


def test_user_who_speaks_again_and_again_hears_no_click(make_mixer: MakeMixer) -> None:
    """Holding and resuming the reply within its fades never steps further than the reply itself."""
    reply = sine(48_000, 48_000)
    own = largest_step(reply[:4800])
    for first, second in [(100, 300), (300, 100), (2000, 50), (50, 2000), (0, 500)]:
        script: Script = [
            (Write(reply), 5013),
            (Stop(flush=False), first),
            (Tell("resume"), second),
            (Stop(flush=False), first),
            (Tell("resume"), second),
            (Stop(flush=True), 2000),
        ]
        out, _ = performed(make_mixer(48_000), script)
        assert largest_step(out) <= own + CLICK + 0.5 / 960 * 2
        assert not out[-1000:].any()


def test_sheet_that_is_held_twice_comes_later_by_both(
    make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer
) -> None:
    """Whoever interrupts twice moves what was planned by the sum of both interruptions."""
    cue = make_cue(make_clip("phrase", 300), 1000)
    hold, resume = Stop(flush=False), Tell("resume")
    script: Script = [(Arm([cue]), 400), (hold, 200), (resume, 100), (hold, 350), (resume, 3000)]
    _, events = performed(make_mixer(1000), script)
    assert [event.frame for event in events if event.what is Heard.STARTED] == [1550]


# Voices and level ---------------------------------------------------------------------------------------------


def test_thirty_two_voices_sound_and_the_next_is_reported(
    make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer
) -> None:
    """Every voice up to the limit is in the sum; the one beyond it is reported as skipped and not heard."""
    clip = make_clip("phrase", 100, shape="one", level=0.01)
    cues = [make_cue(clip, 10) for _ in range(MAX_VOICES + 1)]
    out, events = performed(make_mixer(1000), [(Arm(cues), 200)])
    np.testing.assert_allclose(out[10:110], 0.32, atol=1e-6)
    assert [event.cue for event in events if event.what is Heard.SKIPPED] == [cues[-1].id]


def test_gain_is_applied(make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer) -> None:
    """A cue's gain scales its samples; a voice below the limiter's knee is otherwise exact."""
    clip = make_clip("phrase", 300, shape="noise", level=0.8)
    out, _ = performed(make_mixer(1000), [(Arm([make_cue(clip, 50, gain=0.25)]), 400)])
    np.testing.assert_array_equal(out[50:350], clip.samples * np.float32(0.25))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_limiter_bends_only_what_is_loud(
    sign: float, make_clip: MakeClip, make_cue: MakeCue, make_mixer: MakeMixer
) -> None:
    """Up to -1 dBFS nothing changes; above, louder stays louder and everything stays below 1."""
    clip = make_clip("phrase", 5000, shape="ramp", level=sign)
    loud = sign * 4.0 * clip.samples
    out, _ = performed(make_mixer(1000), [(Arm([make_cue(clip, 0, gain=4.0)]), 5000)])
    quiet = np.abs(loud) <= 0.891
    np.testing.assert_array_equal(out[quiet], sign * loud[quiet])
    assert (np.diff(sign * out) < 0.0).all()
    assert np.abs(out).max() < 1.0

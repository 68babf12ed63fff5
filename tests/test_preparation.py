"""Preparation: from recordings as they come to clips that fit together."""

import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly  # type: ignore[import-untyped]
from stopgap.fillers import Clip, Kind, PackError, PreparationSettings, Samples, StepEntry, find_pack, load_pack
from stopgap.fillers import loudness_dbfs as public_loudness_dbfs
from stopgap.fillers.preparation import (
    BELOW_SPEECH_DB,
    Levels,
    Loudness,
    Prepared,
    _loudness,
    levels_of,
    measure_loudness,
    prepare,
    rms_dbfs,
    split_at_silences,
    true_peak_dbtp,
)
from stopgap.fillers.preparation._bounds import sound_bounds
from stopgap.fillers.preparation._loop import seamless
from stopgap.fillers.preparation._seam import seam_of

RATE = 16_000
SETTINGS = PreparationSettings()
LEVELS = Levels(speech=-20.0, rms_offset_db=-1.0)


@cache
def clips() -> dict[str, Clip]:
    _, loaded = load_pack(find_pack("en-us"))
    return {clip.id: clip for clip in loaded}


def voice(ms: float, rate: int = RATE, amplitude: float = 0.2, hz: float = 150.0) -> Samples:
    """Return a steady buzz with overtones, soft at its ends."""
    time = np.arange(round(ms * rate / 1000)) / rate
    sound = sum(np.sin(2 * np.pi * hz * n * time) / n for n in range(1, 8) if hz * n < rate / 2.5)
    edge = np.clip(np.minimum(time, time[::-1]) / 0.02, 0, 1)
    return np.asarray(amplitude * sound * np.sin(edge * np.pi / 2) ** 2, np.float32)


def noise(ms: float, dbfs: float, seed: int = 0, rate: int = RATE) -> Samples:
    frames = round(ms * rate / 1000)
    return np.asarray(10 ** (dbfs / 20) * np.random.default_rng(seed).standard_normal(frames), np.float32)


def breath(ms: float, dbfs: float) -> Samples:
    """Return noise of the nose's colour that swells and goes."""
    spectrum = np.fft.rfft(noise(ms, 0.0, seed=5))
    hz = np.fft.rfftfreq(round(ms * RATE / 1000), 1 / RATE)
    sound = np.fft.irfft(spectrum * ((hz > 500) & (hz < 4000)), round(ms * RATE / 1000))
    sound *= np.hanning(len(sound))
    return np.asarray(sound * 10 ** (dbfs / 20) / np.sqrt(np.mean(sound**2)), np.float32)


def silence(ms: float, rate: int = RATE) -> Samples:
    return np.zeros(round(ms * rate / 1000), np.float32)


def made(
    samples: Samples,
    rate: int = RATE,
    kind: Kind = Kind.PHRASE,
    settings: PreparationSettings = SETTINGS,
    levels: Levels = LEVELS,
    text: str | None = "Let me see",
) -> Prepared:
    return prepare(samples, rate, kind=kind, text=text if kind.spoken else None, levels=levels, settings=settings)


def facts(prepared: Prepared, name: str) -> dict[str, Any]:
    """Return the figures of the step *name*."""
    (found,) = (step for step in prepared.steps if step.step == name)
    return found.model_dump()


# Trim ------------------------------------------------------------------------------------------------------------


def test_silence_is_trimmed_to_the_margins() -> None:
    """What is kept begins 10 ms before the sound and ends 30 ms behind it."""
    prepared = made(np.concatenate([silence(300), voice(600), silence(500)]))
    trim = facts(prepared, "trim")
    assert trim["start_ms"] == pytest.approx(290, abs=6)
    assert trim["end_ms"] == pytest.approx(930, abs=6)
    assert len(prepared.samples) == pytest.approx(0.64 * RATE, abs=0.012 * RATE)


@pytest.mark.parametrize("floor_dbfs", [-70.0, -50.0, -45.0])
def test_noisy_recordings_are_trimmed(floor_dbfs: float) -> None:
    """A room's noise is silence, also at -45 dBFS."""
    sound = np.concatenate([silence(300), voice(600), silence(500)])
    trim = facts(made(sound + noise(1400, floor_dbfs)), "trim")
    assert trim["start_ms"] == pytest.approx(290, abs=15)
    assert trim["end_ms"] == pytest.approx(930, abs=15)


@pytest.mark.parametrize("stray", ["tick", "loud tick", "breath", "lip"])
@pytest.mark.parametrize("floor_dbfs", [-80.0, -50.0])
def test_stray_sounds_do_not_move_the_edges(stray: str, floor_dbfs: float) -> None:
    """Ticks, however loud, and soft breaths in the silence are cut off with it."""
    sound = np.concatenate([silence(500), voice(600), silence(600)])
    what = {
        "tick": noise(2, -20.0),
        "loud tick": noise(4, -3.0),
        "breath": breath(250, -42.0),
        "lip": noise(12, -35.0),
    }[stray]
    for at in (round(0.15 * RATE), round(1.4 * RATE)):
        sound[at : at + len(what)] += what[: len(sound) - at]
    trim = facts(made(sound + noise(1700, floor_dbfs)), "trim")
    assert trim["start_ms"] == pytest.approx(490, abs=20)
    assert trim["end_ms"] == pytest.approx(1130, abs=20)


def test_soft_onsets_and_endings_are_kept() -> None:
    """A soft f before the voice, and a t that is released after a gap, belong to the word."""
    sound = np.concatenate([silence(300), noise(90, -50.0), voice(400), silence(70), noise(30, -40.0), silence(400)])
    trim = facts(made(sound), "trim")
    assert trim["start_ms"] <= 300
    assert trim["end_ms"] >= 890


@pytest.mark.parametrize("id", ["hmm", "sure", "find-that", "thanks-for-holding", "so", "mm-hm"])
@pytest.mark.parametrize("floor_dbfs", [None, -55.0])
def test_soft_onsets_of_speech_are_kept(id: str, floor_dbfs: float | None) -> None:
    """Of real words: what is cut off from the word's start is as soft as the room."""
    clip = clips()[id]
    around = np.zeros(clip.rate // 2, np.float32)
    sound = np.concatenate([around, clip.samples, around])
    if floor_dbfs is not None:
        sound = sound + noise(1000 * len(sound) / clip.rate, floor_dbfs, rate=clip.rate)
    start_ms = facts(made(sound[: len(sound)], clip.rate), "trim")["start_ms"]
    lost = clip.samples[: max(0, round((start_ms - 500) * clip.rate / 1000))]
    assert len(lost) < 0.02 * clip.rate
    assert len(lost) == 0 or np.sqrt(np.mean(lost**2)) < 10 ** (-50 / 20)


def test_a_trimmed_clip_with_long_hisses_stays_whole() -> None:
    """A hiss at both ends of a clip without silence is no room noise."""
    sound = np.concatenate([noise(120, -34.0), voice(300), noise(120, -33.0, seed=2)])
    bounds = sound_bounds(sound, RATE)
    assert (bounds.start, bounds.end) == (0, len(sound))


@given(
    lead=st.integers(0, 600), tail=st.integers(0, 600), length=st.integers(60, 900),
    amplitude=st.floats(0.01, 0.25), floor=st.floats(-90, -70), rate=st.sampled_from([8000, 16_000, 22_050, 44_100]),
)  # fmt: skip
def test_trim_removes_nothing_above_its_threshold(
    lead: int, tail: int, length: int, amplitude: float, floor: float, rate: int
) -> None:
    """No 5 ms that are removed are louder than the threshold that the bounds tell."""
    sound = np.concatenate([silence(lead, rate), voice(length, rate, amplitude), silence(tail, rate)])
    sound = sound + noise(1000 * len(sound) / rate, floor, rate=rate)
    bounds = sound_bounds(sound, rate)
    block = rate // 200
    for part in (sound[: bounds.start], sound[bounds.end :]):
        for at in range(0, len(part) - block + 1, block):
            assert 10 * np.log10(np.mean(part[at : at + block] ** 2) + 1e-30) <= bounds.threshold_dbfs + 5.0


# Level -----------------------------------------------------------------------------------------------------------


@given(
    gain_db=st.floats(-35, 6), speech=st.floats(-30, -22), rate=st.sampled_from([8000, 16_000, 44_100, 48_000]),
    id=st.sampled_from(["one-moment", "check-that", "still-looking", "okay"]),
)  # fmt: skip
def test_loudness_is_the_target(gain_db: float, speech: float, rate: int, id: str) -> None:
    """Where the peak allows, pyloudnorm measures the target to 0.1 dB; elsewhere the step says what is missing."""
    samples = np.clip(clips()[id].samples * np.float32(10 ** (gain_db / 20)), -1, 1)
    prepared = made(samples, clips()[id].rate, settings=PreparationSettings(rate=rate), levels=Levels(speech, -1.0))
    measured = pyloudnorm.Meter(rate).integrated_loudness(prepared.samples.astype(np.float64))
    softer = sum(facts(prepared, "peak")["softer_db"] for step in prepared.steps if step.step == "peak")
    assert measured + softer == pytest.approx(speech, abs=0.1)


@given(
    amplitude=st.floats(0.01, 1.0), peak=st.floats(-12, 0), hz=st.floats(80, 7000), speech=st.floats(-30, -10),
    kind=st.sampled_from(list(Kind)), length=st.integers(500, 900),
)  # fmt: skip
def test_no_true_peak_passes_the_limit(
    amplitude: float, peak: float, hz: float, speech: float, kind: Kind, length: int
) -> None:
    """Measured with another oversampling, 8 times, nothing passes *peak_dbtp*."""
    time = np.arange(round(length * RATE / 1000)) / RATE
    sound = np.asarray(amplitude * np.sin(2 * np.pi * hz * time) * np.hanning(len(time)), np.float32)
    prepared = made(sound, kind=kind, settings=PreparationSettings(peak_dbtp=peak), levels=Levels(speech, -1.0))
    highest = np.abs(resample_poly(prepared.samples.astype(np.float64), 8, 1)).max()
    assert 20 * np.log10(highest) <= peak + 0.2


def test_a_peaky_clip_is_left_softer() -> None:
    """The step says by how much, and nothing is limited: the clip's shape is the recording's."""
    sound = voice(800, amplitude=0.05)
    sound[RATE // 3] = 0.9
    prepared = made(sound, levels=Levels(-14.0, -1.0))
    softer = facts(prepared, "peak")["softer_db"]
    assert softer > 3
    assert measure_loudness(prepared.samples, RATE).value == pytest.approx(-14.0 - softer, abs=0.1)
    assert true_peak_dbtp(prepared.samples, RATE) == pytest.approx(-1.0, abs=0.05)


def test_short_clips_are_levelled_by_rms() -> None:
    """BS.1770 has no figure below 0.4 s: the pack's own offset joins the two scales."""
    prepared = made(voice(250), kind=Kind.HESITATION, text="Um", levels=Levels(-20.0, -1.5))
    assert facts(prepared, "loudness")["method"] == "RMS"
    assert rms_dbfs(prepared.samples, RATE) == pytest.approx(-18.5, abs=0.05)


def test_beds_lie_below_speech() -> None:
    """By the fixed amounts of the bundled pack."""
    assert BELOW_SPEECH_DB == {Kind.TONE: 8.0, Kind.HOLD: 12.0, Kind.AMBIENCE: 18.0}
    for kind, below in BELOW_SPEECH_DB.items():
        prepared = made(voice(1500), kind=kind)
        assert measure_loudness(prepared.samples, RATE).value == pytest.approx(-20.0 - below, abs=0.1)


def test_own_level_is_the_median_of_what_can_be_measured() -> None:
    """Short clips, beds and silent takes do not count; the offset is between the two measures of the same clips."""
    spoken = [(voice(800, amplitude=a), RATE, Kind.PHRASE) for a in (0.1, 0.2, 0.4)]
    others = [
        (voice(200, amplitude=0.9), RATE, Kind.HESITATION),
        (voice(900, amplitude=0.9), RATE, Kind.HOLD),
        (silence(900), RATE, Kind.PHRASE),
    ]
    levels = levels_of([*spoken, *others], SETTINGS)
    middle = spoken[1][0]
    assert levels.speech == pytest.approx(measure_loudness(middle, RATE).value, abs=0.01)
    assert levels.rms_offset_db == pytest.approx(levels.speech - rms_dbfs(middle, RATE), abs=0.05)
    assert levels.lufs(Loudness(-20.0, "RMS")) == pytest.approx(-20.0 + levels.rms_offset_db)


def test_own_level_with_an_offset() -> None:
    """A recording's DC is not loudness."""
    plain = [(voice(200), RATE, Kind.HESITATION)]
    shifted = [(voice(200) + np.float32(0.3), RATE, Kind.HESITATION)]
    assert levels_of(shifted, SETTINGS).speech == pytest.approx(levels_of(plain, SETTINGS).speech, abs=0.1)


def test_levels_of_packs_that_cannot_be_measured() -> None:
    """Only short clips: by RMS. No speech: -20 LUFS. A number in the settings: that one."""
    short = [(voice(200), RATE, Kind.HESITATION)]
    levels = levels_of(short, SETTINGS)
    assert levels.speech == pytest.approx(rms_dbfs(short[0][0], RATE) + levels.rms_offset_db, abs=0.05)
    assert levels_of([(voice(900), RATE, Kind.HOLD)], SETTINGS).speech == -20.0
    assert levels_of([], SETTINGS).speech == -20.0
    assert levels_of(short, PreparationSettings(loudness=-23.0)).speech == -23.0


def test_without_pyloudnorm_everything_is_measured_by_rms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then long clips are levelled like short ones, and come out where they would by RMS."""
    monkeypatch.setitem(sys.modules, "pyloudnorm", None)
    _loudness._meter.cache_clear()
    try:
        recordings = [(voice(800, amplitude=a), RATE, Kind.PHRASE) for a in (0.1, 0.2, 0.4)]
        levels = levels_of(recordings, SETTINGS)
        prepared = [made(samples, levels=levels) for samples, _, _ in recordings]
        assert {facts(one, "loudness")["method"] for one in prepared} == {"RMS"}
        middle = rms_dbfs(recordings[1][0], RATE)
        assert [rms_dbfs(one.samples, RATE) for one in prepared] == pytest.approx([middle] * 3, abs=0.1)
    finally:
        _loudness._meter.cache_clear()


def test_loudness_of_silence() -> None:
    """Silence is -300 by either measure, without a warning; so is nothing at all."""
    assert measure_loudness(silence(1000), RATE) == Loudness(-300.0, "BS.1770")
    assert measure_loudness(silence(100), RATE) == Loudness(-300.0, "RMS")
    assert rms_dbfs(silence(0), RATE) == -300.0
    assert public_loudness_dbfs is rms_dbfs


# Fades, offset, rate ---------------------------------------------------------------------------------------------


@given(
    length=st.integers(50, 400), fade_in=st.floats(0.5, 100), fade_out=st.floats(0.5, 500),
    rate=st.sampled_from([8000, 44_100]),
)  # fmt: skip
def test_fades_end_at_zero(length: int, fade_in: float, fade_out: float, rate: int) -> None:
    """However long the fades and short the clip, its first and last samples are 0."""
    settings = PreparationSettings(fade_in_ms=fade_in, fade_out_ms=fade_out, lead_ms=0, tail_ms=0)
    sound = np.full(round(length * rate / 1000), 0.2, np.float32)
    sound[::2] *= -1
    prepared = made(sound, rate, settings=settings)
    assert prepared.samples[0] == 0
    assert prepared.samples[-1] == 0
    assert facts(prepared, "fade")["in_ms"] <= 500 * len(prepared.samples) / rate + 0.01


def test_offset_and_rumble_go() -> None:
    """A DC of 0.3 and 25 Hz are taken away; the voice above stays."""
    time = np.arange(RATE) / RATE
    sound = np.concatenate([silence(200), voice(600), silence(200)])
    dirty = np.asarray(sound + 0.3 + 0.05 * np.sin(2 * np.pi * 25 * time), np.float32)
    prepared, clean = made(dirty), made(sound)
    assert facts(prepared, "dc")["offset"] == pytest.approx(0.3, abs=0.01)
    assert facts(prepared, "dc")["rumble_dbfs"] == pytest.approx(-29.0, abs=1.0)
    assert abs(float(prepared.samples.mean())) < 1e-3
    assert len(prepared.samples) == pytest.approx(len(clean.samples), abs=0.02 * RATE)
    assert rms_dbfs(prepared.samples, RATE) == pytest.approx(rms_dbfs(clean.samples, RATE), abs=0.2)


@pytest.mark.parametrize(("rate", "wanted", "result"), [(8000, None, 8000), (44_100, None, 44_100),
                                                        (192_000, None, 48_000), (22_050, 16_000, 16_000)])  # fmt: skip
def test_rates(rate: int, wanted: int | None, result: int) -> None:
    """A recording keeps its rate up to 48 kHz, unless the settings name one."""
    prepared = made(voice(500, rate), rate, settings=PreparationSettings(rate=wanted))
    assert prepared.rate == result
    assert len(prepared.samples) == pytest.approx(0.5 * result, rel=0.03)
    assert any(step.step == "resample" for step in prepared.steps) == (rate != result)
    assert prepared.cut_marks[-1].ms == pytest.approx(1000 * len(prepared.samples) / result, abs=0.001)


def test_eight_bit_noise() -> None:
    """A recording of 8 bits, whose silence toggles between two values, is trimmed like others."""
    sound = np.concatenate([silence(400), voice(600), silence(500)])
    dither = np.random.default_rng(3).uniform(-0.5, 0.5, len(sound))
    trim = facts(made(np.asarray(np.round(sound * 127 + dither) / 127, np.float32)), "trim")
    assert trim["start_ms"] == pytest.approx(390, abs=15)
    assert trim["end_ms"] == pytest.approx(1030, abs=15)


# Loops -----------------------------------------------------------------------------------------------------------


def bed(id: str, start_s: float, share: float) -> tuple[Samples, int]:
    """Return a part of a bundled loop that does not close."""
    clip = clips()[id]
    twice = np.tile(clip.samples, 2)
    first = round(start_s * clip.rate)
    return twice[first : first + round(share * clip.frames)], clip.rate


@pytest.mark.parametrize("id", ["typing", "room", "melody"])
def test_a_loop_that_closes_is_left_as_it_is(id: str) -> None:
    """The bundled loops come back to the bit, apart from their level."""
    clip = clips()[id]
    loop, step = seamless(clip.samples, clip.rate, 120.0)
    assert loop is clip.samples
    assert step.model_dump()["closed"] is True
    prepared = made(clip.samples, clip.rate, kind=clip.kind)
    gain = np.float32(prepared.samples[1000] / clip.samples[1000])
    np.testing.assert_allclose(prepared.samples, clip.samples * gain, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("id", ["typing", "room", "melody"])
@given(start_s=st.floats(0, 4), share=st.floats(0.5, 0.9))
def test_a_cut_loop_is_closed(id: str, start_s: float, share: float) -> None:
    """Repeated, it has no step at the seam that is larger than those around it."""
    samples, rate = bed(id, start_s, share)
    prepared = made(samples, rate, kind=Kind.AMBIENCE)
    twice = np.tile(prepared.samples, 2).astype(np.float64)
    seam, near = len(prepared.samples), round(0.02 * rate)
    steps = np.abs(np.diff(twice[seam - near : seam + near]))
    at_seam = steps[near - 1]
    assert at_seam <= 1.5 * np.delete(steps, near - 1).max() + 2**-12  # levelling has scaled what is inaudible


@pytest.mark.parametrize("id", ["typing", "room", "melody"])
def test_the_seam_is_like_the_rest(id: str) -> None:
    """Where the end can be laid so that level and colour change no more than elsewhere, it is; the figures tell."""
    steps = [facts(made(*bed(id, start / 2, share), kind=Kind.AMBIENCE), "loop") for start in range(8)
             for share in (0.6, 0.8)]  # fmt: skip
    assert sum(step["closes"] for step in steps) >= 0.8 * len(steps)


def test_a_cut_tone_is_closed_in_phase() -> None:
    """The end is looked for where the wave is the start's, so the crossfade neither dips nor swells."""
    time = np.arange(round(2.987 * 48_000)) / 48_000
    sound = np.asarray(0.2 * np.sin(2 * np.pi * 101.3 * time), np.float32)
    assert seam_of(sound, 48_000).clicks
    loop, step = seamless(sound, 48_000, 120.0)
    assert step.model_dump()["correlation"] > 0.999
    level = np.sqrt(np.convolve(np.tile(loop, 2).astype(np.float64) ** 2, np.ones(4740) / 4740, "valid"))
    assert level.max() / level.min() < 1.01


def test_silence_around_a_bed_is_trimmed() -> None:
    """But a pause of the bed's own, as between keystrokes, stays."""
    room, typing = clips()["room"], clips()["typing"]
    around = np.concatenate([silence(300, room.rate), room.samples, silence(500, room.rate)])
    trim = facts(made(around, room.rate, kind=Kind.AMBIENCE), "trim")
    assert trim["start_ms"] == pytest.approx(300, abs=30)
    assert trim["end_ms"] == pytest.approx(6300, abs=30)
    steps = made(typing.samples, typing.rate, kind=Kind.AMBIENCE).steps
    assert [step.step for step in steps] == ["loop", "loudness"]


def test_a_loop_too_short_to_cross_fade() -> None:
    """Named with both lengths and what to do."""
    sound = np.asarray(0.2 * np.sin(2 * np.pi * 101.3 * np.arange(RATE // 4) / RATE), np.float32)
    with pytest.raises(PackError, match=r"^is too short to loop: it lasts 0\.25 s and a crossfade of 120 ms takes "
                                        r"0\.36 s; record more of it, or lower crossfade_ms$"):  # fmt: skip
        made(sound, kind=Kind.AMBIENCE)


# The whole -------------------------------------------------------------------------------------------------------


def test_silent_and_short_recordings_are_refused() -> None:
    """One sentence that says what to do; the caller puts the file's name in front."""
    for sound in (silence(1000), silence(1000) + np.float32(0.3), noise(1000, -75.0)):
        with pytest.raises(PackError, match=r"^is silent; record it again$"):
            made(sound)
    for sound in (silence(10), np.ones(1, np.float32), np.zeros(0, np.float32)):
        with pytest.raises(
            PackError, match=r"^is too short: 0\.0\d s; a clip lasts at least 0\.05 s: record it again$"
        ):
            made(sound)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_shortest_clip(kind: Kind) -> None:
    """50 ms can be prepared; as a loop they close, or are refused in a sentence."""
    sound = noise(50, -20.0) if kind.loops else voice(50)
    assert len(made(sound, kind=kind).samples) > 0


def test_clipping_stays_known() -> None:
    """What came cut off at full scale is made softer, where nothing shows it any more: the first step tells."""
    overdriven = np.clip(8.0 * voice(400), -1.0, 1.0).astype(np.float32)
    clipped = made(overdriven)
    assert clipped.steps[0].step == "clipped"
    assert facts(clipped, "clipped")["samples"] >= 3
    assert np.abs(clipped.samples).max() < 0.9
    assert "clipped" not in [step.step for step in made(voice(400)).steps]


def test_steps_tell_what_was_done_in_order() -> None:
    """Figures are plain numbers, as a manifest holds them."""
    sound = np.concatenate([silence(200, 96_000), voice(700, 96_000), silence(200, 96_000)]) + np.float32(0.2)
    prepared = made(sound, 96_000, levels=Levels(-10.0, -1.0), settings=PreparationSettings(peak_dbtp=-6.0))
    assert [step.step for step in prepared.steps] == [
        "dc", "trim", "resample", "loudness", "peak", "fade", "cut_marks",
    ]  # fmt: skip
    for step in prepared.steps:
        assert isinstance(step, StepEntry)
        assert {type(value) for value in step.model_dump().values()} <= {str, int, float, bool}
    assert prepared.loudness_dbfs == pytest.approx(rms_dbfs(prepared.samples, 48_000), abs=0.05)


@pytest.mark.parametrize("id", sorted(clips()))
def test_preparing_again_changes_next_to_nothing(id: str) -> None:
    """The trim moves by less than 5 ms and the gain by less than 0.2 dB; the same input gives the same bits."""
    clip = clips()[id]
    around = np.zeros(0 if clip.loops else clip.rate // 3, np.float32)
    sound = np.concatenate([around, clip.samples, around])
    once, same = (made(sound, clip.rate, kind=clip.kind, text=clip.text) for _ in range(2))
    np.testing.assert_array_equal(once.samples, same.samples)
    assert once.steps == same.steps
    again = made(once.samples, once.rate, kind=clip.kind, text=clip.text)
    assert abs(facts(again, "loudness")["gain_db"]) < 0.2
    if not clip.loops:
        trim = facts(again, "trim")
        assert trim["start_ms"] < 5
        assert 1000 * len(once.samples) / once.rate - trim["end_ms"] < 5


@given(
    rate=st.sampled_from([8000, 11_025, 22_050, 48_000, 96_000]), kind=st.sampled_from(list(Kind)),
    text=st.text(st.sampled_from("abcmst ,.é"), max_size=30), seed=st.integers(0, 999), length=st.integers(60, 900),
    to_rate=st.sampled_from([None, 8000, 24_000]), dc=st.floats(-0.3, 0.3),
)  # fmt: skip
def test_whatever_comes_a_clip_is_whole(
    rate: int, kind: Kind, text: str, seed: int, length: int, to_rate: int | None, dc: float
) -> None:
    """Samples are finite float32 within full scale, and marks ascend within the clip to all words at its end."""
    rng = np.random.default_rng(seed)
    envelope = np.repeat(rng.uniform(0, 0.5, 30), round(length * rate / 1000) // 30 + 1)
    sound = np.asarray(envelope * rng.standard_normal(len(envelope)) / 4 + dc, np.float32)
    try:
        prepared = made(sound, rate, kind=kind, text=text, settings=PreparationSettings(rate=to_rate))
    except PackError:
        assert kind.loops or rms_dbfs(sound - sound.mean(), rate) < -58
        return
    assert prepared.samples.dtype == np.float32
    assert np.isfinite(prepared.samples).all()
    assert np.abs(prepared.samples).max() <= 1.0
    times = [mark.ms for mark in prepared.cut_marks]
    words = [mark.words for mark in prepared.cut_marks]
    assert times == sorted(set(times))
    assert words == sorted(words)
    if kind.spoken:
        assert words[-1] == len(text.split())
        assert times[-1] <= 1000 * len(prepared.samples) / prepared.rate + 0.001


def test_told_word_ends_move_with_the_trim() -> None:
    """Times are from the recording's start; marks from the clip's."""
    clip = clips()["check-that"]
    ends = [1000 * mark.frame / clip.rate for mark in clip.cut_marks]
    lead = np.zeros(clip.rate // 2, np.float32)
    prepared = prepare(
        np.concatenate([lead, clip.samples]), clip.rate, kind=Kind.PHRASE, text=clip.text, levels=LEVELS,
        settings=SETTINGS, word_ends_ms=[500 + end for end in ends],
    )  # fmt: skip
    start_ms = facts(prepared, "trim")["start_ms"]
    assert facts(prepared, "cut_marks")["source"] == "tts"
    assert [mark.ms + start_ms - 500 for mark in prepared.cut_marks[:-1]] == pytest.approx(ends[:-1], abs=15)


# One long recording ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("floor_dbfs", [-90.0, -60.0, -45.0])
@pytest.mark.parametrize("strays", [False, True])
def test_a_long_recording_is_split(floor_dbfs: float, strays: bool) -> None:
    """At silences, over a noise floor and in spite of ticks and breaths in them; no speech is lost."""
    spoken = [clips()[id] for id in ("one-moment", "um", "check-that", "sure", "thanks-for-holding")]
    rate, gap = spoken[0].rate, round(0.7 * spoken[0].rate)
    parts: list[Samples] = [np.zeros(gap, np.float32)]
    spans: list[tuple[int, int]] = []
    for clip in spoken:
        at = sum(map(len, parts))
        spans.append((at, at + clip.frames))
        pause = np.zeros(gap, np.float32)
        if strays:
            pause[gap // 2 : gap // 2 + rate // 400] += 0.3
            puff = breath(150, -45.0)
            pause[gap // 4 : gap // 4 + len(puff)] += puff
        parts += [clip.samples, pause]
    sound = np.concatenate(parts)
    sound = sound + noise(1000 * len(sound) / rate, floor_dbfs, rate=rate) + np.float32(0.1)
    pieces = split_at_silences(sound, rate)
    assert len(pieces) == len(spans)
    for (start, end), (first, last) in zip(pieces, spans, strict=True):
        assert first - 0.25 * rate <= start <= first
        assert last <= end <= last + 0.25 * rate


def test_pauses_within_a_sentence_do_not_split_it() -> None:
    """Only *silence_ms* of silence do, and margins of neighbours never overlap."""
    sound = np.concatenate([silence(50), voice(400), silence(250), voice(400), silence(450), voice(300)])
    pieces = split_at_silences(sound, RATE, margin_ms=400)
    assert len(pieces) == 2
    assert pieces[0][0] == 0
    assert pieces[0][1] <= pieces[1][0]
    assert pieces[1][1] == len(sound)
    assert len(split_at_silences(sound, RATE, silence_ms=200)) == 3
    assert len(split_at_silences(sound, RATE, silence_ms=600)) == 1


def test_nothing_to_split() -> None:
    """Silence and nothing at all have no pieces."""
    assert split_at_silences(silence(2000), RATE) == []
    assert split_at_silences(silence(0), RATE) == []


# Imports ---------------------------------------------------------------------------------------------------------


def test_preparation_is_loaded_by_those_who_prepare() -> None:
    """``import stopgap`` loads neither this package nor what measures loudness."""
    program = (
        "import sys, stopgap, stopgap.fillers; stopgap.fillers.loudness_dbfs; "
        "unwanted = ('stopgap.fillers.preparation', 'pyloudnorm', 'scipy'); "
        "print([name for name in sys.modules if name.startswith(unwanted)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

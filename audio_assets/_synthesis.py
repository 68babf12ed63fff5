"""Sounds without words, from arithmetic: beds that loop without a seam, tones, a hold melody.

Everything that loops is built on a circle: noise from a spectrum is periodic by itself, and strokes and notes
that reach over the end continue at the start.
"""

from collections.abc import Callable

import numpy as np

from ._finish import RATE, Samples

Gain = Callable[[Samples], Samples]
"""Amplitude over frequency in Hz."""


def band(low_hz: float, high_hz: float) -> Gain:
    """Pass about *low_hz* to *high_hz*, falling off by 12 dB per octave on both sides."""

    def gain(hz: Samples) -> Samples:
        safe = np.maximum(hz, 1e-9)
        return np.asarray(1 / ((1 + (low_hz / safe) ** 2) * (1 + (safe / high_hz) ** 2)), dtype=np.float64)

    return gain


def shaped_noise(frames: int, gain: Gain, rng: np.random.Generator) -> Samples:
    """Make noise with spectrum *gain* and an RMS of 1.0 that repeats after *frames* without a seam."""
    hz: Samples = np.fft.rfftfreq(frames, 1 / RATE).astype(np.float64)
    spectrum = gain(hz) * np.exp(2j * np.pi * rng.random(len(hz)))
    spectrum[0] = 0
    noise: Samples = np.fft.irfft(spectrum, frames)
    return noise / float(np.sqrt(np.mean(noise**2)))


def room_tone(seconds: float, seed: int = 1) -> Samples:
    """Make the quiet of a room: soft noise, most of it below 500 Hz."""

    def gain(hz: Samples) -> Samples:
        safe = np.maximum(hz, 1e-9)
        return np.asarray(band(90, 1500)(hz) / np.sqrt(safe), dtype=np.float64)

    return shaped_noise(round(seconds * RATE), gain, np.random.default_rng(seed))


def typing(seconds: float, seed: int = 4) -> Samples:
    """Make someone typing: words in bursts, pauses to think, a little room behind."""
    rng = np.random.default_rng(seed)
    strokes = np.zeros(round(seconds * RATE))
    for at, is_space in _typing_times(seconds, rng):
        _add_circular(strokes, _stroke(rng, is_space=is_space), at)
        hold = rng.uniform(0.07, 0.11)
        _add_circular(strokes, 0.25 * _stroke(rng, is_space=is_space), at + hold)
    room = room_tone(seconds, seed=2)
    return strokes + room * float(np.abs(strokes).max()) * 10 ** (-40 / 20)


def _typing_times(seconds: float, rng: np.random.Generator) -> list[tuple[float, bool]]:
    """Return when keys go down, in seconds, and whether it is the space bar."""
    strokes: list[tuple[float, bool]] = []
    at = 0.15
    while True:
        for _ in range(int(rng.integers(2, 5))):
            for _ in range(int(rng.integers(2, 8))):
                strokes.append((at, False))
                at += float(np.clip(0.125 * np.exp(0.3 * rng.standard_normal()), 0.07, 0.3))
            strokes.append((at, True))
            at += rng.uniform(0.13, 0.24)
            if at > seconds - 0.9:
                return strokes
        at += rng.uniform(0.4, 0.9)


def _stroke(rng: np.random.Generator, *, is_space: bool) -> Samples:
    """Make one key hitting the board: a soft tick over a short wooden knock."""
    seconds = np.arange(round(0.08 * RATE)) / RATE
    onset = 1 - np.exp(-seconds / 0.0012)
    tick = shaped_noise(len(seconds), band(1200, 3200), rng) * np.exp(-seconds / 0.004)
    knock_hz = rng.uniform(150, 210) if is_space else rng.uniform(240, 420)
    knock = np.sin(2 * np.pi * knock_hz * seconds) * np.exp(-seconds / 0.014)
    ring = np.sin(2 * np.pi * knock_hz * rng.uniform(2.5, 3.1) * seconds) * np.exp(-seconds / 0.007)
    end = 0.5 + 0.5 * np.cos(np.pi * np.clip(seconds / 0.08 * 2 - 1, 0, 1))
    sound: Samples = onset * end * (0.45 * tick + 0.8 * knock + 0.3 * ring)
    return sound * rng.uniform(0.7, 1.0)


def rising_tone() -> Samples:
    """Make two soft notes, the second a fourth higher, 0.36 s."""
    tone = np.zeros(round(0.36 * RATE))
    _add(tone, _note(76, sustain=0.07, length=0.36), 0.0)
    _add(tone, _note(81, sustain=0.09, length=0.24), 0.12)
    return tone


def low_tone() -> Samples:
    """Make one soft low note, 0.26 s."""
    return _note(69, sustain=0.06, length=0.26)


_CHORDS = [(48, 55, 64), (45, 52, 60), (41, 48, 57), (43, 50, 59)]
"""MIDI notes, one chord for each bar of four beats."""

_MELODY = [
    *[(0.0, 76), (1.5, 79), (2.0, 74), (3.0, 72)],
    *[(4.0, 76), (5.5, 72), (6.0, 69)],
    *[(8.0, 72), (9.0, 69), (9.5, 72), (10.5, 77), (11.0, 76)],
    *[(12.0, 74), (13.5, 71), (14.0, 67), (15.0, 71)],
]
"""Beat and MIDI note."""


def hold_melody(seconds: float) -> Samples:
    """Make a slow bell melody over soft chords, four bars in *seconds*."""
    beat = seconds / 16
    lead = 0.4  # no note starts at the seam
    music = np.zeros(round(seconds * RATE))
    for at, pitch in _MELODY:
        _add_circular(music, _note(pitch, sustain=0.55, length=2.4), lead + at * beat)
    bar = 4 * beat
    for index, chord in enumerate(_CHORDS):
        for pitch in chord:
            _add_circular(music, 0.22 * _pad(pitch, length=1.4 * bar), lead + (index - 0.2) * bar)
    return music


def _note(pitch: int, *, sustain: float, length: float) -> Samples:
    """Make a bell-like note of *length* seconds that decays by 8.7 dB every *sustain* seconds."""
    seconds = np.arange(round(length * RATE)) / RATE
    hz = _hz(pitch)
    partials = sum(
        gain * np.sin(2 * np.pi * hz * number * seconds) * np.exp(-seconds * number**0.7 / sustain)
        for number, gain in ((1, 1.0), (2, 0.25), (3, 0.08))
    )
    onset = 0.5 - 0.5 * np.cos(np.pi * np.clip(seconds / 0.012, 0, 1))
    end = 0.5 + 0.5 * np.cos(np.pi * np.clip((seconds / length - 0.7) / 0.3, 0, 1))
    return np.asarray(partials * onset * end, dtype=np.float64)


def _pad(pitch: int, *, length: float) -> Samples:
    """Make a note that swells and fades over *length* seconds, slightly doubled so that it breathes."""
    seconds = np.arange(round(length * RATE)) / RATE
    hz = _hz(pitch)
    voices = sum(np.sin(2 * np.pi * hz * detune * seconds) for detune in (0.9985, 1.0015))
    slope = np.clip(np.minimum(seconds, length - seconds) / (0.35 * length), 0, 1)
    return np.asarray(voices * (0.5 - 0.5 * np.cos(np.pi * slope)), dtype=np.float64)


def _hz(pitch: int) -> float:
    return float(440.0 * 2 ** ((pitch - 69) / 12))


def _add(sound: Samples, part: Samples, at: float) -> None:
    start = round(at * RATE)
    sound[start : start + len(part)] += part[: len(sound) - start]


def _add_circular(loop: Samples, part: Samples, at: float) -> None:
    """Add *part* from second *at* on; what reaches over the end goes on at the start."""
    where = (round(at * RATE) + np.arange(len(part))) % len(loop)
    loop[where] += part

"""From one recording to one clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._clip import Samples
from .._decode import resampled, resampled_loop
from .._errors import PackError
from .._kinds import Kind
from .._level import rms_dbfs
from .._manifest import CutMarkEntry, StepEntry
from .._preparation import PreparationSettings
from ._bounds import sound_bounds
from ._clipping import clipped_run
from ._cuts import cut_marks
from ._levels import Levels
from ._loop import loop_bounds, seamless
from ._loudness import measure_loudness, true_peak_dbtp
from ._rumble import without_rumble
from ._steps import step

HIGHEST_RATE = 48_000
"""Hz. What is recorded at more is brought down to it, unless the settings name a rate."""
SHORTEST_S = 0.05
SILENT_DBFS = -60.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """A clip made from a recording."""

    samples: Samples
    """float32, mono, shape (frames,)."""
    rate: int
    """Hz."""
    cut_marks: tuple[CutMarkEntry, ...]
    """Of spoken kinds: ascending, the last one is the clip's end. Beds have none."""
    steps: tuple[StepEntry, ...]
    """What was done, in this order; a step that changed nothing is left out. ``clipped`` was done before, by others."""
    loudness_dbfs: float
    """RMS of the loud parts of *samples*, as `rms_dbfs` has it."""


def prepare(
    samples: Samples,
    rate: int,
    *,
    kind: Kind,
    text: str | None = None,
    language: str = "en",
    levels: Levels,
    settings: PreparationSettings,
    word_ends_ms: Sequence[float] = (),
) -> Prepared:
    """Make a clip of the recording *samples*: trimmed, at the pack's level, with soft edges and cut marks.

    The same recording and settings give the same clip. A clip that is prepared again hardly changes.

    Args:
        samples: Mono, full scale is 1; finite.
        rate: Hz of *samples*.
        text: What is said; spoken kinds.
        language: Tag of what *text* is in.
        word_ends_ms: ms from the recording's start at which each word of *text* ends, if the TTS told.

    Raises:
        PackError: if the recording is silent, too short, or too short to loop. The message does not name it: put the
            file's name in front.
    """
    if len(samples) < SHORTEST_S * rate:
        raise PackError(
            f"is too short: {len(samples) / rate:.2f} s; a clip lasts at least {SHORTEST_S:g} s: record it again"
        )
    clipped = [step("clipped", samples=run)] if (run := clipped_run(samples)) else []
    sound, steps = without_rumble(np.asarray(samples, np.float32), rate, kind)
    if rms_dbfs(sound, rate) < SILENT_DBFS:
        raise PackError("is silent; record it again")
    shape = _as_loop if kind.loops else _trimmed
    sound, start, done = shape(sound, rate, kind, settings)
    steps = [*clipped, *steps, *done]  # clipped, since nothing after this shows it any more
    to_rate = settings.rate or min(rate, HIGHEST_RATE)
    if to_rate != rate:
        sound = (resampled_loop if kind.loops else resampled)(sound, rate, to_rate)
        steps.append(step("resample", from_hz=rate, to_hz=to_rate))
    if not kind.loops:
        sound, fade = _faded(sound, to_rate, settings)
    sound, done = _levelled(sound, to_rate, kind, levels, settings)
    steps += done
    if not kind.loops:
        steps.append(fade)
    marks: tuple[CutMarkEntry, ...] = ()
    if kind.spoken:
        ends_ms = [ms - 1000 * start / rate for ms in word_ends_ms]
        cuts = cut_marks(sound, to_rate, text or "", ends_ms, language=language)
        marks = cuts.marks
        steps.append(step("cut_marks", source=cuts.source, inner=len(marks) - 1))
    return Prepared(sound, to_rate, marks, tuple(steps), round(float(np.clip(rms_dbfs(sound, to_rate), -100, 0)), 1))


def _trimmed(
    samples: Samples, rate: int, kind: Kind, settings: PreparationSettings
) -> tuple[Samples, int, list[StepEntry]]:
    """Return *samples* without silence before and after, the frame at which they start, and the step."""
    bounds = sound_bounds(samples, rate, ticks=not kind.spoken)
    start = max(0, bounds.start - round(settings.lead_ms * rate / 1000))
    end = min(len(samples), bounds.end + round(settings.tail_ms * rate / 1000))
    facts = {} if bounds.floor_dbfs is None else {"floor_dbfs": round(bounds.floor_dbfs, 1)}
    return samples[start:end], start, [_trim(start, end, rate, threshold_dbfs=round(bounds.threshold_dbfs, 1), **facts)]


def _as_loop(
    samples: Samples, rate: int, kind: Kind, settings: PreparationSettings
) -> tuple[Samples, int, list[StepEntry]]:
    start, end = loop_bounds(samples, rate)
    steps = [_trim(start, end, rate)] if end - start < len(samples) else []
    loop, step = seamless(samples[start:end], rate, settings.crossfade_ms)
    return loop, start, [*steps, step]


def _trim(start: int, end: int, rate: int, **facts: float) -> StepEntry:
    """Say which part of the recording was kept, in ms from its start."""
    return step("trim", start_ms=round(1000 * start / rate, 1), end_ms=round(1000 * end / rate, 1), **facts)


def _levelled(
    samples: Samples, rate: int, kind: Kind, levels: Levels, settings: PreparationSettings
) -> tuple[Samples, list[StepEntry]]:
    """Return *samples* at the loudness of their kind, or below it by what their peak would be too high."""
    loudness = measure_loudness(samples, rate)
    target = levels.target_of(kind)
    gain = target - levels.lufs(loudness)
    excess = max(0.0, true_peak_dbtp(samples, rate) + gain - settings.peak_dbtp)
    figures = {"measured": round(loudness.value, 2), "target": round(target, 2), "gain_db": round(gain - excess, 2)}
    steps = [step("loudness", method=loudness.method, **figures)]
    if excess > 0:
        steps.append(step("peak", limit_dbtp=settings.peak_dbtp, softer_db=round(excess, 2)))
    return samples * np.float32(10 ** ((gain - excess) / 20)), steps


def _faded(samples: Samples, rate: int, settings: PreparationSettings) -> tuple[Samples, StepEntry]:
    """Return *samples* with raised-cosine fades from and to 0, each half of them at most."""
    soft = samples.copy()
    longest = len(samples) // 2
    rise, fall = (min(round(ms * rate / 1000), longest) for ms in (settings.fade_in_ms, settings.fade_out_ms))
    soft[:rise] *= _raised_cosine(rise)
    soft[len(soft) - fall :] *= _raised_cosine(fall)[::-1]
    return soft, step("fade", in_ms=round(1000 * rise / rate, 2), out_ms=round(1000 * fall / rate, 2))


def _raised_cosine(frames: int) -> Samples:
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.arange(frames) / max(frames, 1)), np.float32)

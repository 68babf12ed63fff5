"""One long recording of many clips, taken apart."""

import numpy as np

from .._clip import Samples
from ._envelope import Envelope, blocks, frame_of, is_voiced, islands

_FLOOR_QUANTILE = 0.1
_ABOVE_FLOOR_DB = 5.0
_SOUND_DB, _BREATH_DB = -40.0, -20.0
_CONTRAST_DB = -12.0
_APART_MS = 100.0
_SILENT_DBFS = -60.0


def split_at_silences(
    samples: Samples, rate: int, *, silence_ms: float = 400.0, margin_ms: float = 200.0
) -> list[tuple[int, int]]:
    """Return the pieces of *samples* between silences, as (first frame, frame behind the last one).

    Silence is what stays near the recording's own noise, or 40 dB below its loud parts. Ticks, and soft breaths that
    stand apart by 100 ms, are silence as well.

    Args:
        silence_ms: ms of silence that end a piece; pauses within a sentence are shorter.
        margin_ms: ms kept on either side of a piece, at most half the silence there.
    """
    if len(samples) == 0:
        return []
    centred = samples - samples.mean(dtype=np.float64).astype(np.float32)
    envelope = Envelope.of(centred, rate)
    if envelope.loud < _SILENT_DBFS:
        return []
    loud = float(np.quantile(envelope.steady, 0.98))
    noise = float(np.quantile(envelope.steady, _FLOOR_QUANTILE)) + _ABOVE_FLOOR_DB
    sound = max(loud + _SOUND_DB, min(noise, loud + _CONTRAST_DB))
    spoken = [
        (first, behind)
        for first, behind in islands(envelope.steady >= sound, blocks(_APART_MS))
        if envelope.steady[first:behind].max() >= loud + _BREATH_DB
        or is_voiced(centred[frame_of(first, rate) : frame_of(behind, rate)], rate)
    ]
    active = np.zeros(len(envelope.level), np.bool_)
    for first, behind in spoken:
        active[first:behind] = True
    pieces = islands(active, max(1, blocks(silence_ms)))
    margin = blocks(margin_ms)
    starts = [0, *(behind for _, behind in pieces)]
    ends = [*(first for first, _ in pieces[1:]), len(active)]
    found: list[tuple[int, int]] = []
    for number, (first, behind) in enumerate(pieces):
        before, after = first - starts[number], ends[number] - behind
        before = before if number == 0 else before // 2
        after = after if number == len(pieces) - 1 else after // 2
        end = behind + min(margin, after)
        found.append(
            (frame_of(first - min(margin, before), rate), len(samples) if end == len(active) else frame_of(end, rate))
        )
    return found

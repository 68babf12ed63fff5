"""How long a clip is, and how long it keeps somebody waiting."""

from collections.abc import Iterator

from .._kinds import Kind
from ..preparation import sound_bounds
from ._finding import Finding, warning
from ._loading import Loaded

LEAD_S = 0.06
"""s of silence before the first sound: it delays a filler each time; shorter ones are not noticed."""
TAIL_S = 0.25
"""s of silence after the last sound: a reply that waits for the clip's end waits for it too, as long as speakers
pause between turns of a conversation."""
UNMARKED_S = 0.8
"""s of speech from which a reply should not have to wait for the clip's end."""
DURATIONS_S = {
    Kind.BACKCHANNEL: (0.1, 1.2),
    Kind.HESITATION: (0.1, 1.5),
    Kind.PHRASE: (0.4, 4.0),
    Kind.PROGRESS: (0.6, 6.0),
    Kind.TONE: (0.05, 1.5),
    Kind.AMBIENCE: (2.0, float("inf")),
    Kind.HOLD: (2.0, float("inf")),
}
"""s, least and most. A shorter one is cut off or not understood. A longer backchannel or hesitation takes the turn
instead of keeping it, a longer phrase is still talking when the reply is there, a longer tone is music. A loop that
comes round in less than 2 s is heard as a rhythm."""
_SHORT = {
    Kind.AMBIENCE: "is heard going round; make it longer",
    Kind.HOLD: "is heard going round; make it longer",
    Kind.TONE: "is a click rather than a tone; make it longer",
}
_TRIM = "trim them, as `stopgap pack prepare` does"


def check_silent_ends(one: Loaded) -> Iterator[Finding]:
    """Find silence that delays what is heard, or the reply: as much as preparation would trim."""
    if one.clip.loops:
        return
    bounds = sound_bounds(one.raw, one.rate, ticks=not one.clip.kind.spoken)
    lead_s, tail_s = bounds.start / one.rate, (len(one.raw) - bounds.end) / one.rate
    if lead_s > LEAD_S:
        text = f"is silent for its first {1000 * lead_s:.0f} ms, which delay it each time; {_TRIM}"
        yield warning("lead", text, one.id)
    if tail_s > TAIL_S:
        text = f"is silent for its last {1000 * tail_s:.0f} ms, for which replies wait; {_TRIM}"
        yield warning("tail", text, one.id)


def check_duration(one: Loaded) -> Iterator[Finding]:
    """Find clips too short or too long for what their kind is for."""
    kind, lasts = one.clip.kind, one.clip.duration_s
    least, most = DURATIONS_S[kind]
    if lasts < least:
        text = f"lasts {lasts:.2f} s, and {kind} below {least:g} s {_SHORT.get(kind, 'is cut off; record it again')}"
        yield warning("duration", text, one.id)
    if lasts > most:
        yield warning(
            "duration", f"lasts {lasts:.2f} s, and {kind} above {most:g} s holds up the talk; shorten it", one.id
        )


def check_cut_marks(one: Loaded) -> Iterator[Finding]:
    """Find long lines of several words that may end only at their end."""
    clip = one.clip
    inner = [mark for mark in one.entry.cut_marks if mark.ms < 1000.0 * clip.duration_s - 1.0]
    several = clip.kind.spoken and len((clip.text or "").split()) > 1
    if several and not inner and clip.duration_s > UNMARKED_S:
        text = f"lasts {clip.duration_s:.2f} s without a cut mark before its end; add cut_marks between words"
        yield warning("cut-marks", text, clip.id)

"""The metrics that come with stopgap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...fillers import Limits
from ._aggregates import Aggregated
from ._facts import TurnFacts
from ._metric import Finding, Metric
from ._values import Boolean, Categorical, Numerical

LONGEST_S = 3600.0
"""s. No trace holds longer waits either."""
MOST_PER_MINUTE = 600.0
SHORTEST_MINUTE_S = 60.0
"""s that a conversation counts at least for its fillers per minute: the limits look at 60 s, too, and one "um" in a
call of 2 s is not 30 a minute to anybody."""

# No study defines classes of experience. These are those silences at which the literature says that something changes:
# about 0.7 s after requests is tolerated (Roberts & Francis 2013), about 1 s is the longest silence in conversation
# that passes unremarked (Jefferson 1989), and from 2 s on people like a robot's answer no better for coming later
# (Shiwa et al. 2008) and callers are said to think that the line is dead. `stopgap bench perceived` uses them, too.
EXPERIENCES = ((0.7, "smooth"), (1.0, "noticeable"), (2.0, "awkward"), (math.inf, "broken"))
"""Up to how many s of dead air at a stretch, and what that is."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What a conversation should reach."""

    dead_air_s: float = 1.0
    """s of dead air at a stretch."""
    dead_air_share: float = 0.02
    """Share of turns that may have more."""
    reply_delay_s: float = 0.010
    """s by which fillers may hold replies back, on average."""

    @classmethod
    def of(cls, limits: Limits) -> "Targets":
        """Return the targets with what a configuration's *limits* say of held-back replies."""
        delay_ms = limits.reply_delay_ms
        return cls(reply_delay_s=math.inf if delay_ms == "unlimited" else delay_ms / 1000.0)


def builtin_metrics(targets: Targets | None = None) -> dict[str, Metric]:
    """Return the metrics that come with stopgap, by name.

    Args:
        targets: What `target_met` asks for; None: the defaults.
    """
    seconds = Numerical(0.0, LONGEST_S)
    wait = Aggregated("median", lambda turn: turn.wait_s, "the wait for the reply", "s")
    first = Aggregated("median", lambda turn: turn.first_sound_s, "the time to the first sound", "s", needs_heard=True)
    answer = Aggregated("median", lambda turn: turn.answer_heard_s, "the time to the answer", "s", needs_heard=True)
    delay = Aggregated("mean", lambda turn: turn.reply_delay_s, "the reply delay", "s", needs_heard=True)
    needless = Aggregated(
        "share", lambda turn: turn.needless, "the first filler began < 0.25 s before the reply was available",
        needs_heard=True,
    )  # fmt: skip
    metrics = (
        Metric("reply_wait", "wait until the reply was available: median", seconds, wait, "s"),
        Metric("time_to_first_sound", "first sound, filler or reply: median", seconds, first, "s"),
        Metric("time_to_answer", "first sound of the answer: median", seconds, answer, "s"),
        Metric("longest_dead_air", "longest dead air", seconds, _DEAD_AIR, "s"),
        Metric("reply_delay", "reply held back by fillers: mean", seconds, delay, "s"),
        Metric("needless_fillers", "turns whose first filler was needless", Numerical(0.0, 1.0), needless),
        Metric(
            "fillers_per_minute", "spoken fillers per minute", Numerical(0.0, MOST_PER_MINUTE), _per_minute, "per min"
        ),
        Metric(
            "target_met",
            "dead air and reply delay within the targets",
            Boolean(),
            TargetMet(targets or Targets()),
            better="high",
        ),
        Metric(
            "experience", "experience, by the longest dead air", Categorical(tuple(n for _, n in EXPERIENCES)), _class
        ),
    )
    return {metric.name: metric for metric in metrics}


_DEAD_AIR = Aggregated("max", lambda turn: turn.longest_dead_air_s, "the longest dead air", "s", needs_heard=True)


@dataclass(frozen=True, slots=True)
class TargetMet:
    """Tells whether a conversation reached *targets*."""

    targets: Targets

    def __call__(self, turns: Sequence[TurnFacts]) -> Finding:
        worst = _DEAD_AIR(turns)
        if worst.value is None:
            return worst
        aim = self.targets
        silences = [(turn, turn.longest_dead_air_s) for turn in turns if turn.longest_dead_air_s is not None]
        over = [turn for turn, longest_s in silences if longest_s > aim.dead_air_s]
        delays = [turn.reply_delay_s for turn in turns if turn.reply_delay_s is not None]
        delay_s = sum(delays) / len(delays) if delays else 0.0
        met = len(over) <= aim.dead_air_share * len(silences) and delay_s <= aim.reply_delay_s
        late = sorted((t for t in turns if t.reply_delay_s), key=lambda turn: turn.reply_delay_s or 0.0, reverse=True)
        foremost = worst.turns if len(over) or not late else tuple(late)
        return Finding(
            met,
            foremost,
            f"{len(over)} of {len(silences)} turns ({100.0 * len(over) / len(silences):.1f} %, at most "
            f"{100.0 * aim.dead_air_share:g} %) had more than {aim.dead_air_s:g} s of dead air, up to "
            f"{float(worst.value):.3g} s, and replies were held back by {1000.0 * delay_s:.1f} ms on average (at most "
            f"{1000.0 * aim.reply_delay_s:g} ms).",
        )


def _per_minute(turns: Sequence[TurnFacts]) -> Finding:
    """Count spoken fillers from the first turn's time 0 to the last turn's reply or cancellation."""
    told = [(turn, turn.spoken) for turn in turns if turn.spoken is not None]
    if not told:
        nothing = Aggregated("sum", lambda turn: turn.spoken, "the spoken fillers", needs_heard=True)
        return nothing(turns)
    start = told[0][0].started_at
    end = max(turn.started_at + (turn.end_s or 0.0) for turn, _ in told)
    spoken, lasted_s = sum(number for _, number in told), end - start
    ranked = sorted((item for item in told if item[1]), key=lambda item: item[1], reverse=True)
    counted = "" if lasted_s >= SHORTEST_MINUTE_S else f", which counts as {SHORTEST_MINUTE_S:g} s"
    most = f"; most, {ranked[0][1]}, in turn {ranked[0][0].id}" if ranked else ""
    return Finding(
        60.0 * spoken / max(lasted_s, SHORTEST_MINUTE_S),
        tuple(turn for turn, _ in ranked),
        f"{spoken} spoken filler{'' if spoken == 1 else 's'} in {lasted_s:.1f} s{counted}{most}.",
    )


def _class(turns: Sequence[TurnFacts]) -> Finding:
    """Name the class of the longest dead air."""
    worst = _DEAD_AIR(turns)
    if worst.value is None:
        return worst
    longest_s = float(worst.value)
    place = next(place for place, (most_s, _) in enumerate(EXPERIENCES) if longest_s <= most_s)
    most_s, name = EXPERIENCES[place]
    limits = f"over {EXPERIENCES[place - 1][0]:g} s" if math.isinf(most_s) else f"up to {most_s:g} s"
    why = f"The longest dead air, {longest_s:.3g} s in turn {worst.turns[0].id}, is {name}: {limits}."
    return Finding(name, worst.turns, why)

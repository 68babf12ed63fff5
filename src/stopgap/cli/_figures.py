"""A replay's figures, for people and for programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stopgap.benchmarks import LadderShape, Score

from ._console import new_table

if TYPE_CHECKING:
    from rich.table import Table

# (heading or the score's field, what it says, how it is written)
ROWS = (
    ("turns", "turns", "{:d}"),
    ("first_sound_p50", "first sound, filler or reply: median", "{:.2f} s"),
    ("longest_gap_p50", "longest silence of a turn: median", "{:.2f} s"),
    ("longest_gap_p95", "longest silence of a turn: 95 % are below", "{:.2f} s"),
    ("gap_over_1s", "turns with more than 1 s of silence", "{:.1%}"),
    ("gap_over_1s_beds_silent", "the same, if ambience and music count as silence", "{:.1%}"),
    ("reply_delay_mean", "reply held back by fillers: mean", "{:.3f} s"),
    ("needless", "turns whose first filler came < 0.25 s before the reply", "{:.1%}"),
    ("cut_lines", "phrases cut by the reply, per turn", "{:.3f}"),
    ("spoken_per_turn", "spoken fillers per turn", "{:.2f}"),
    ("spoken_per_waiting_minute", "spoken fillers per minute of waiting", "{:.1f}"),
    ("cost", "cost of a turn, in seconds of plain waiting: mean", "{:.3f} s"),
    ("cost_silence", "- of silence", "{:.3f} s"),
    ("cost_reply_delay", "- of holding back the reply", "{:.3f} s"),
    ("cost_spoken", "- of speaking", "{:.3f} s"),
    ("cost_cuts", "- of cuts", "{:.3f} s"),
    ("cost_beds", "- of ambience, tones and music", "{:.3f} s"),
    ("coverage_q50", "replies within the predicted 50 % quantile", "{:.1%}"),
    ("coverage_q80", "replies within the predicted 80 % quantile", "{:.1%}"),
    ("coverage_q95", "replies within the predicted 95 % quantile", "{:.1%}"),
    ("pinball", "pinball loss of these quantiles: mean", "{:.3f} s"),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The best fixed ladder in hindsight."""

    ladder: LadderShape
    score: Score
    ratio: float
    """The replayed policy's cost over the ladder's; NaN where the ladder costs nothing."""


@dataclass(frozen=True, slots=True)
class Report:
    """What ``stopgap replay`` prints."""

    trace: str
    policy: str
    seed: int | None
    known_after_ms: float
    score: Score
    best_ladder: Comparison | None

    def as_dict(self) -> dict[str, Any]:
        best = self.best_ladder
        return {
            "trace": self.trace,
            "policy": self.policy,
            "seed": self.seed,
            "known_after_ms": self.known_after_ms,
            "score": self.score.as_dict(),
            "best_ladder": None
            if best is None
            else {
                "first_ms": best.ladder.first_ms,
                "first_kind": best.ladder.first_kind.value,
                "then_ms": best.ladder.then_ms,
                "then_kind": None if best.ladder.then_ms is None else best.ladder.then_kind.value,
                "score": best.score.as_dict(),
            },
            "cost_ratio": None if best is None else best.ratio,
        }

    def as_table(self) -> "Table":
        scores = [self.score] if self.best_ladder is None else [self.score, self.best_ladder.score]
        columns = [self.policy] if self.best_ladder is None else [self.policy, "best ladder"]
        table = new_table("", *columns, title=f"{self.trace}: {self.policy}", right=tuple(columns))
        for name, words, form in ROWS:
            table.add_row(words, *(_written(getattr(score, name), form) for score in scores))
        return table

    def sentences(self) -> Iterator[str]:
        """Yield what the best ladder was and how it compares."""
        best = self.best_ladder
        if best is None:
            return
        yield f"best fixed ladder in hindsight: {ladder_words(best.ladder)}"
        yield f"cost {self.policy} / best ladder: {best.ratio:.3f}"


def ladder_words(shape: LadderShape) -> str:
    """Return what *shape* plays."""
    then = "" if shape.then_ms is None else f", then {shape.then_kind} {shape.then_ms} ms later"
    again = " and again at that distance" if shape.then_ms is not None and not shape.then_kind.loops else ""
    return f"{shape.first_kind} at {shape.first_ms} ms{then}{again}"


def _written(value: float, form: str) -> str:
    return "-" if value != value else form.format(value)

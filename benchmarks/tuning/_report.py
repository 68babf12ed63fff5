"""What tuning changed, on turns that were not searched on."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .._arrays import Floats
from .._intervals import Bootstrap, Estimate
from ..replays import Heard
from ._search import SEEDS, Choice, Tuning
from ._trial import split

WHAT = {
    "cost": ("cost of a turn, s of plain waiting", "{:.3f}", 1.0),
    "dead_air": ("dead air a turn, s", "{:.3f}", 1.0),
    "reply_delay": ("reply held back, ms", "{:.1f}", 1000.0),
    "over_1s": ("turns with over 1 s of silence, %", "{:.2f}", 100.0),
    "needless": ("needless first fillers, %", "{:.2f}", 100.0),
    "spoken_per_minute": ("spoken fillers per minute of waiting", "{:.1f}", 1.0),
}
"""Of each figure: what it is, how it is written, and in which unit."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure before and after; less is better. In the unit of `WHAT`."""

    figure: str
    before: Estimate
    after: Estimate
    change: Estimate

    @property
    def verdict(self) -> str:
        """What the interval of the change allows to say."""
        if self.change.high < 0.0:
            return "better"
        if self.change.low > 0.0:
            return "worse"
        return "no difference to be seen"


def compared(tuning: Tuning, after: Choice, before: Choice | None = None) -> list[Row]:
    """Return all figures of *before* (None: the configuration as it was) and *after* on the test turns, paired."""
    standing = before if before is not None else tuning.before
    bootstrap = Bootstrap([turn.conversation_id for turn in tuning.turns[split(tuning.turns) :]] * len(SEEDS))
    rows = []
    for figure, (_, _, scale) in WHAT.items():
        (old, under), (new, _) = _columns(standing.heard, figure), _columns(after.heard, figure)
        rows.append(
            Row(
                figure,
                bootstrap.ratio(scale * old, under),
                bootstrap.ratio(scale * new, under),
                bootstrap.ratio(scale * (new - old), under),
            )
        )
    return rows


def sentences(tuning: Tuning) -> Iterator[str]:
    """Yield what may be concluded, and what was not improved."""
    place = split(tuning.turns)
    yield (
        f"searched on the first {place} turns, judged on the other {len(tuning.turns) - place}; "
        "intervals are 95 % bootstrap over conversations"
    )
    for mode, choice in tuning.tuned.items():
        costs = f"cost {choice.train.cost:.3f} s there, {choice.test.cost:.3f} s here"
        yield f"tuned {mode}: {len(tuning.tried[mode])} trials, {costs}"
    left = [WHAT[row.figure][0] for row in compared(tuning, tuning.chosen) if row.verdict != "better"]
    if left:
        yield f"not improved, as far as these turns can tell: {'; '.join(left)}"
    if tuning.grid is not None and "ladder" in tuning.tuned:
        said = f"the best of {tuning.grid_size} ladders of a plain grid"
        yield f"the tuned ladder and {said}: {_against(tuning, tuning.tuned['ladder'], tuning.grid)}"
    if len(tuning.tuned) == 2:
        said = _against(tuning, tuning.tuned["predictive"], tuning.tuned["ladder"])
        yield f"tuned planning and the tuned ladder: {said}"
    for mode in tuning.tried.keys() - tuning.tuned.keys():
        yield f"nothing that was tried of {mode} meets what was demanded"
    excess = tuning.demands.excess(tuning.chosen.test)
    broken = [name for name, value in excess.items() if value > 0.0]
    if broken:
        yield f"on these turns the result exceeds what was demanded: {', '.join(WHAT[name][0] for name in broken)}"


def _against(tuning: Tuning, one: Choice, other: Choice) -> str:
    """Return how the costs of *one* and *other* compare."""
    cost = compared(tuning, one, other)[0]
    change = f"{cost.change.value:+.3f} s [{cost.change.low:+.3f}, {cost.change.high:+.3f}]"
    return f"cost {one.test.cost:.3f} s and {other.test.cost:.3f} s, {change}: {cost.verdict}"


def as_dict(tuning: Tuning) -> dict[str, Any]:
    """Return the outcome as plain data."""
    place = split(tuning.turns)
    return {
        "turns": {"train": place, "test": len(tuning.turns) - place},
        "demands": asdict(tuning.demands),
        "mode": tuning.chosen_mode,
        "trials": {mode: len(tried) for mode, tried in tuning.tried.items()},
        "before": _choice(tuning.before),
        "tuned": {mode: _choice(choice) for mode, choice in tuning.tuned.items()},
        "grid": None if tuning.grid is None else {**_choice(tuning.grid), "ladders": tuning.grid_size},
        "change": [{**asdict(row), "verdict": row.verdict} for row in compared(tuning, tuning.chosen)],
        "bought": [
            {"key": ".".join(b.path), "value": b.value, "instead_of": b.instead, "without": b.without.as_dict()}
            for b in tuning.bought
        ],
        "front": [{"mode": mode, "trial": t.number, **t.figures.as_dict()} for mode, t in tuning.front],
        "said": list(sentences(tuning)),
    }


def _choice(choice: Choice) -> Mapping[str, Any]:
    return {"settings": choice.settings, "train": choice.train.as_dict(), "test": choice.test.as_dict()}


def _columns(found: Heard, figure: str) -> tuple[Floats, Floats | None]:
    """Return what is summed up for a figure, and by what that is divided (None: the turns)."""
    match figure:
        case "cost":
            return found.cost, None
        case "dead_air":
            return found.silent, None
        case "over_1s":
            return found.over(1.0), None
        case "spoken_per_minute":
            return 60.0 * found.spoken, found.waited
        case _:
            column: Floats = getattr(found, figure)
            return column, None

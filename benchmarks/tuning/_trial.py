"""One configuration on a trace: what is measured of it, and what is demanded."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
from stopgap.fillers import ClipBank, Config, UsageError, load_config

from .._arrays import Floats
from ..replays import Grounds, Heard, heard, replay
from ..traces import TraceTurn
from ._space import Settings

TRAIN_SHARE = 0.7
"""Of the turns, in order of time; the rest is for judging what was found. A call that is open then has turns on both
sides."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over turns. Less is better in each."""

    cost: float
    """s of plain waiting."""
    dead_air: float
    """s of silence, beds counted as sound."""
    reply_delay: float
    """s by which fillers held the reply back."""
    spoken_per_minute: float
    """Spoken fillers per minute of waiting."""
    over_1s: float
    """Share of turns with more than 1 s of silence."""
    needless: float
    """Share of answered turns whose first filler began less than 0.25 s before the reply."""

    @classmethod
    def of(cls, found: Heard) -> "Figures":
        waited = float(found.waited.sum())
        return cls(
            cost=_mean(found.cost),
            dead_air=_mean(found.silent),
            reply_delay=_mean(found.reply_delay),
            spoken_per_minute=60.0 * float(found.spoken.sum()) / waited if waited else 0.0,
            over_1s=_mean(found.over(1.0)),
            needless=_mean(found.needless),
        )

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


FIGURES = tuple(field.name for field in fields(Figures))
FRONT = ("dead_air", "reply_delay", "spoken_per_minute")
"""The figures of the Pareto front."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What the user will not go beyond; None: no matter. Units as in `Figures`, but delay in ms."""

    reply_delay_ms: float | None = None
    over_1s: float | None = None
    spoken_per_minute: float | None = None
    needless: float | None = None

    def excess(self, figures: Figures) -> dict[str, float]:
        """Return by how much *figures* exceed each demand, as a share of it; not above 0 where it is met."""
        asked = {
            "reply_delay": None if self.reply_delay_ms is None else self.reply_delay_ms / 1000.0,
            "over_1s": self.over_1s,
            "spoken_per_minute": self.spoken_per_minute,
            "needless": self.needless,
        }
        return {
            name: (getattr(figures, name) - most) / max(most, 1e-4) for name, most in asked.items() if most is not None
        }

    def met(self, figures: Figures) -> bool:
        return all(excess <= 0.0 for excess in self.excess(figures).values())


@dataclass(frozen=True, slots=True)
class Job:
    """A configuration to be replayed."""

    base: Config
    settings: Settings
    part: Literal["train", "test"]
    """Which turns count. For the test all are replayed, since the planner learns from those before."""
    seed: int | None = None
    """Of the choice of clips; None: the base's."""

    @property
    def config(self) -> Config:
        config = with_settings(self.base, self.settings)
        return config if self.seed is None else config.model_copy(update={"seed": self.seed})


def with_settings(base: Config, settings: Settings) -> Config:
    """Return *base* with *settings* laid over it, key by key."""
    return load_config(settings, base=base.model_dump(mode="json", exclude_unset=True))


def split(turns: Sequence[TraceTurn]) -> int:
    """Return the place of the first turn of the test part.

    Raises:
        UsageError: if there are too few turns to learn anything from.
    """
    if len(turns) < LEAST_TURNS:
        raise UsageError(
            f"the trace holds {len(turns)} turns; tuning needs {LEAST_TURNS} or more, or chance decides: "
            "log more traffic (turn_log), or join traces"
        )
    return round(TRAIN_SHARE * len(turns))


LEAST_TURNS = 50


def measure(job: Job, grounds: Grounds, bank: ClipBank) -> Heard:
    """Replay *job* and return what its part's turns heard."""
    place, config = split(grounds.turns), job.config
    turns = grounds.turns[:place] if job.part == "train" else grounds.turns
    found = heard(list(replay(turns, config, known_after_ms=grounds.known_after_ms, bank=bank)), job.base.costs)
    return found if job.part == "train" else found.rows(place)


def dominates(one: Sequence[float], two: Sequence[float]) -> bool:
    """Return whether *one* is nowhere worse than *two* and somewhere better."""
    return all(a <= b for a, b in zip(one, two, strict=True)) and any(a < b for a, b in zip(one, two, strict=True))


def front(figures: Sequence[Figures]) -> list[int]:
    """Return the places of those that no other one dominates in `FRONT`, by dead air."""
    points = [tuple(getattr(one, name) for name in FRONT) for one in figures]
    best = [n for n, point in enumerate(points) if not any(dominates(other, point) for other in points)]
    return sorted({points[n]: n for n in best}.values(), key=lambda n: points[n])


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def as_figures(data: dict[str, Any]) -> Figures:
    """Return figures that were kept as plain data."""
    return Figures(**{name: float(data[name]) for name in FIGURES})

"""What ``stopgap bench perceived`` reports, as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .._arrays import Floats
from .._intervals import RESAMPLES, SHARE, Bootstrap
from ..policies import LadderShape
from ..traces import TraceTurn, change_of
from ._empirical import running_quantiles
from ._figures import (
    JUDGED,
    OVER_S,
    PolicyFigures,
    PredictionFigures,
    Verdict,
    policy_figures,
    verdicts,
)
from ._perceived import Outcome
from ._settings import DEFAULT

FORMAT = 1
"""Of the JSON report: it grows when a key changes its meaning or goes."""


@dataclass(frozen=True)
class TraceReport:
    """The figures of one trace."""

    trace: str
    turns: Sequence[TraceTurn]
    outcomes: tuple[Outcome, ...]
    slow_down: float | None = None
    """Factor by which all waits of the second half were made longer; None: they are as they were measured."""

    @property
    def label(self) -> str:
        """The trace's name without its folder, for titles."""
        name = Path(self.trace).name
        return name if self.slow_down is None else f"{name}, second half × {self.slow_down:g}"

    @property
    def slowed_from(self) -> int | None:
        """The first turn whose wait was made longer."""
        return None if self.slow_down is None else change_of(self.turns)

    @cached_property
    def bootstrap(self) -> Bootstrap:
        return Bootstrap([turn.conversation_id for turn in self.turns])

    @cached_property
    def running(self) -> Floats:
        """Running empirical quantiles at the beginning of each turn."""
        return running_quantiles(self.turns, self.main.setting.config)

    @property
    def main(self) -> Outcome:
        """What was reached as configured."""
        return next(outcome for outcome in self.outcomes if outcome.setting.name == DEFAULT)

    @property
    def policies(self) -> tuple[str, ...]:
        return tuple(self.main.heard)

    @cached_property
    def figures(self) -> Mapping[str, Mapping[str, PolicyFigures]]:
        """By setting and policy."""
        return {
            outcome.setting.name: {
                policy: policy_figures(outcome, policy, self.turns, self.bootstrap) for policy in outcome.heard
            }
            for outcome in self.outcomes
        }

    @cached_property
    def verdicts(self) -> Mapping[str, tuple[Verdict, ...]]:
        """By setting."""
        return {
            o.setting.name: tuple(verdicts(o, self.running, self.bootstrap, self.slowed_from)) for o in self.outcomes
        }

    @cached_property
    def prediction(self) -> Mapping[str, PredictionFigures]:
        """The predictor's quantiles and running empirical ones; nothing where no predicting policy was replayed."""
        found = self.main.heard.get(JUDGED)
        if found is None:
            return {}
        return {
            "predictor": PredictionFigures.of(found.replied, found.quantiles, self.bootstrap),
            "running": PredictionFigures.of(found.replied, self.running, self.bootstrap),
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "trace": self.trace,
            "slow_down": self.slow_down,
            "turns": len(self.turns),
            "answered": sum(turn.reply_ready_ms is not None for turn in self.turns),
            "conversations": len({turn.conversation_id for turn in self.turns}),
            "prediction": {name: asdict(figures) for name, figures in self.prediction.items()},
            "settings": [
                {
                    "name": outcome.setting.name,
                    "costs": outcome.setting.config.costs.model_dump(),
                    "limits": outcome.setting.config.limits.model_dump(),
                    "best_ladder": None if outcome.ladder is None else ladder_dict(outcome.ladder),
                    "policies": {name: found.as_dict() for name, found in self.figures[outcome.setting.name].items()},
                    "verdicts": [verdict.as_dict() for verdict in self.verdicts[outcome.setting.name]],
                }
                for outcome in self.outcomes
            ],
        }


@dataclass(frozen=True, slots=True)
class PerceivedReport:
    """All traces."""

    traces: tuple[TraceReport, ...]
    quick: bool
    known_after_ms: float
    seed: int | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "quick": self.quick,
            "known_after_ms": self.known_after_ms,
            "seed": self.seed,
            "silence_over_s": OVER_S,
            "interval": {"share": SHARE, "resamples": RESAMPLES, "of": "conversations"},
            "traces": [trace.as_dict() for trace in self.traces],
        }


def ladder_dict(shape: LadderShape) -> dict[str, Any]:
    """Return *shape* as plain data."""
    return {
        "first_ms": shape.first_ms,
        "first_kind": shape.first_kind.value,
        "then_ms": shape.then_ms,
        "then_kind": None if shape.then_ms is None else shape.then_kind.value,
    }

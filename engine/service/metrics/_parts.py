"""What the service has for metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from ..storage import Arms, BehaviorSets, Database, MetricResults, Metrics, Turns
from ._evaluating import Evaluating
from ._reevaluating import Reevaluating
from ._reporting import Reporting


@dataclass(frozen=True, slots=True, eq=False)
class MetricParts:
    """Definitions, evaluation, results, reports, and turns of agents that run elsewhere."""

    definitions: Metrics
    results: MetricResults
    evaluating: Evaluating
    turns: Turns
    reporting: Reporting
    reevaluating: Reevaluating

    @classmethod
    def of(
        cls, database: Database, evaluating: Evaluating, sets: BehaviorSets, *, on_enqueued: Callable[[], None]
    ) -> Self:
        """Return the parts for what is in *database*.

        Args:
            database: Where.
            evaluating: Evaluates.
            sets: Tell which shares were intended.
            on_enqueued: Called when turns were stored of which rules have something to deliver.
        """
        definitions, arms = Metrics(database), Arms(database)
        return cls(
            definitions,
            MetricResults(database),
            evaluating,
            Turns(database, on_enqueued=on_enqueued),
            Reporting(arms, sets, evaluating),
            Reevaluating(arms, definitions, evaluating),
        )

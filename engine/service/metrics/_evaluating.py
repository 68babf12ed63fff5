"""Metrics of stored conversations: evaluated, stored, told."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ....fillers import ConfigError, UsageError
from ...metrics import (
    Metric,
    MetricDefinition,
    MetricResult,
    Targets,
    TurnFacts,
    Value,
    builtin_metrics,
    defined_metric,
)
from ..storage import MOST_TURNS, Database, Metrics, MetricSource, NewResult, NotFoundError, StoredTurn, Turns
from ..storage import save_results as save
from ._turnfacts import stored_facts

MOST_EVALUATED = 10
"""Metrics evaluated at once."""
MOST_KEPT = 1000
"""Stored metrics whose expressions are kept ready."""


def builtin_id(name: str) -> str:
    """Return the id of the built-in metric *name*, the same in every organization."""
    return hashlib.sha256(f"stopgap metric {name}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a metric found in a conversation."""

    metric: str
    """Its id."""
    name: str
    value: Value | None
    """None: not applicable."""
    references: tuple[str, ...]
    """Ids of the agent's messages that the value rests on most, the foremost first."""
    justification: str


class Evaluating:
    """Evaluates metrics of conversations, always of one organization. Any thread may use it; calls block.

    Args:
        database: Where conversations, metrics and results are.
        targets: What the metric ``target_met`` asks for; None: the defaults.
    """

    def __init__(self, database: Database, targets: Targets | None = None) -> None:
        self._database, self._metrics, self._turns = database, Metrics(database), Turns(database)
        self.builtin = {builtin_id(name): metric for name, metric in builtin_metrics(targets).items()}
        """By id."""
        self._ready: dict[tuple[str, str], Metric] = {}

    def evaluate(
        self,
        organization: str,
        conversation: str,
        metric_ids: Sequence[str],
        *,
        up_to: str | None = None,
        source: MetricSource = "manual",
        invoked_by: str | None = None,
    ) -> list[Evaluated]:
        """Evaluate metrics of a conversation as it stands, and store what they find over what they found before.

        A metric whose expression fails on a turn is not applicable there, and its justification says why.

        Args:
            organization: Whose conversation it must be, and whose metrics, unless built in.
            conversation: Its id.
            metric_ids: 1 to `MOST_EVALUATED`, each once.
            up_to: Id of the last interaction to look at; None: all.
            source: Why it is evaluated. Results of either source are kept apart.
            invoked_by: The user who asked for it, needed for ``manual``.

        Returns:
            What was found, in the order of *metric_ids*.

        Raises:
            NotFoundError: if there is no such conversation, interaction or metric.
            NoInteractionsError: if the conversation has none.
            UsageError: if it is too long, or too many metrics are asked for, or simpleeval is missing.
            DatabaseError: if the database does not answer.
        """
        if not 1 <= len(set(metric_ids)) == len(metric_ids) <= MOST_EVALUATED:
            raise UsageError(f"{len(metric_ids)} metrics are asked for; name 1 to {MOST_EVALUATED}, each once")
        turns = _looked_at(self._turns.of(organization, conversation), conversation, up_to)
        metrics = self.metrics(organization, metric_ids)
        facts = stored_facts(turns, conversation)
        found = [_found(id, metrics[id], facts) for id in metric_ids]
        results = [NewResult(one.metric, one.value, one.references, one.justification) for one in found]
        save(
            self._database, organization, conversation, results, source=source, up_to=up_to, invoked_by=invoked_by
        )  # fmt: skip
        return found

    def metrics(self, organization: str, ids: Sequence[str]) -> dict[str, Metric]:
        """Return metrics, built-in ones or the organization's, by id.

        Raises:
            NotFoundError: if there is no such metric.
            UsageError: with the install command, if simpleeval is missing.
            DatabaseError: if the database does not answer.
        """
        known = {id: metric for id in ids if (metric := self._known(organization, id)) is not None}
        unknown = [id for id in ids if id not in known]
        if unknown:
            for id, stored in self._metrics.find(organization, unknown).items():
                definition = MetricDefinition.model_validate(dict(stored.definition))
                known[id] = defined_metric(stored.name, definition)
                self._keep((organization, id), known[id])
        for id in unknown:
            if id not in known:
                raise NotFoundError(f"there is no metric {id} in {organization}")
        return known

    def _known(self, organization: str, id: str) -> Metric | None:
        return self.builtin.get(id) or self._ready.get((organization, id))

    def _keep(self, name: tuple[str, str], metric: Metric) -> None:
        """Keep *metric* ready: none ever changes. Where there are too many, all are read anew."""
        if len(self._ready) >= MOST_KEPT:
            self._ready = {}
        self._ready[name] = metric


def _looked_at(turns: tuple[StoredTurn, ...], conversation: str, up_to: str | None) -> tuple[StoredTurn, ...]:
    """Return the turns up to the interaction *up_to*."""
    if up_to is not None:
        for place, turn in enumerate(turns[:MOST_TURNS], 1):
            if turn.interaction == up_to:
                return turns[:place]
        raise NotFoundError(f"there is no interaction {up_to} of conversation {conversation}")
    if len(turns) > MOST_TURNS:
        raise UsageError(
            f"conversation {conversation} has more than {MOST_TURNS} turns; say up to which one of them to look"
        )
    return turns


def _found(id: str, metric: Metric, facts: Sequence[TurnFacts]) -> Evaluated:
    try:
        result = metric.evaluate(facts)
    except ConfigError as exc:
        result = MetricResult(metric.name, None, None, (), f"Not applicable: {exc}.")
    return Evaluated(id, metric.name, result.value, result.references, result.justification)

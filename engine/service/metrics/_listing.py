"""Pages of metrics: those that are built in, then an organization's."""

from ...metrics import MetricDefinition, defined_metric
from ..storage import Metrics, StoredMetric
from ._evaluating import Evaluating
from ._forms import MetricInstance, MetricList

OWN = 1000
"""Tokens up to it count built-in metrics; beyond, the organization's, which are numbered."""


def listed(evaluating: Evaluating, metrics: Metrics, organization: str, *, after: int, limit: int) -> MetricList:
    """Return a page. What is defined meanwhile comes last.

    Args:
        evaluating: Knows the built-in ones.
        metrics: The stored ones.
        organization: Whose.
        after: Token of the page before; 0: this is the first page.
        limit: Metrics at most.

    Raises:
        UsageError: with the install command, if simpleeval is missing and there are metrics that need it.
        DatabaseError: if the database does not answer.
    """
    builtin = list(evaluating.builtin.items())[min(after, OWN) :]
    shown = [MetricInstance.of(id, metric, organization) for id, metric in builtin[:limit]]
    own, more = metrics.listed(organization, after=max(0, after - OWN), limit=limit - len(shown))
    found = [*shown, *(_own(stored) for stored in own)]
    has_more = more or len(builtin) > limit
    last = OWN + own[-1].number if own else after + len(shown)
    return MetricList(metrics=found, has_more=has_more, continuation_token=last if has_more else None)


def _own(stored: StoredMetric) -> MetricInstance:
    metric = defined_metric(stored.name, MetricDefinition.model_validate(dict(stored.definition)))
    return MetricInstance.of(stored.id, metric, stored.organization, stored)

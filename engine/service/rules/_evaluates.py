"""What evaluates the metrics of a rule."""

from collections.abc import Sequence
from typing import Literal, Protocol

Value = float | bool | str | None


class Evaluated(Protocol):
    """What a metric came to."""

    @property
    def metric(self) -> str:
        """Its id."""
        ...

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> Value:
        """None: the metric does not apply."""
        ...

    @property
    def references(self) -> Sequence[str]:
        """Ids of messages."""
        ...

    @property
    def justification(self) -> str: ...


class Evaluates(Protocol):
    """Evaluates metrics over a conversation, and keeps the results."""

    def evaluate(
        self,
        organization: str,
        conversation: str,
        metric_ids: Sequence[str],
        *,
        up_to: str | None,
        source: Literal["post-session"],
    ) -> Sequence[Evaluated]:
        """Return what each metric comes to, in this order. Blocks.

        Args:
            organization: Whose conversation it is.
            conversation: Its id.
            metric_ids: Which.
            up_to: Id of the last interaction that counts.
            source: Why they are evaluated.

        Raises:
            RefusedError: if there is no such metric.
            UsageError: if one cannot be evaluated.
            DatabaseError: if the database does not answer.
        """
        ...

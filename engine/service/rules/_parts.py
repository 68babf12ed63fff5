"""What the service has for rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from ..storage import Database, Deliveries, Rules
from ._delivering import Delivering
from ._evaluates import Evaluates
from ._posting import Poster
from ._webhooks import Webhooks


@dataclass(frozen=True, slots=True, eq=False)
class RuleParts:
    """Rules, and what they deliver."""

    definitions: Rules
    deliveries: Deliveries
    webhooks: Webhooks
    delivering: Delivering

    @classmethod
    def of(cls, database: Database, secret: bytes, hosts: Iterable[str], evaluates: Evaluates) -> Self:
        """Return the parts for what is in *database*.

        Args:
            database: Where.
            secret: The service's, of which each rule's is made.
            hosts: That may be called.
            evaluates: Evaluates metrics.
        """
        deliveries, webhooks = Deliveries(database), Webhooks(secret, tuple(hosts))
        return cls(Rules(database), deliveries, webhooks, Delivering(deliveries, evaluates, webhooks, Poster()))

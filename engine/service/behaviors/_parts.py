"""What the service has for behaviour sets."""

from dataclasses import dataclass
from typing import Self

from ....fillers import ClipBank, Config
from ..storage import BehaviorSets, BehaviorVersions, Database
from ._stored import StoredBehaviors


@dataclass(frozen=True, slots=True, eq=False)
class BehaviorParts:
    """Stored sets, and what of them is in force."""

    sets: BehaviorSets
    versions: BehaviorVersions
    stored: StoredBehaviors

    @classmethod
    def of(cls, database: Database, config: Config, bank: ClipBank) -> Self:
        """Return the parts for what is in *database*, played as *config* says with the clips of *bank*."""
        sets = BehaviorSets(database)
        return cls(sets, BehaviorVersions(database), StoredBehaviors(sets, config, bank))

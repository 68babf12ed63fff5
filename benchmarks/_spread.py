"""How measured times spread."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution in ms; NaN where there is nothing."""

    count: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float] | NDArray[np.float64]) -> "Spread":
        if not len(values):
            return cls(0, float("nan"), float("nan"), float("nan"))
        p50, p99 = np.percentile(values, (50, 99))
        return cls(len(values), float(p50), float(p99), float(np.max(values)))

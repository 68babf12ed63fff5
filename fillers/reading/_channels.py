"""Which channels of a recording make its one: usually their mean, but a mean may lose the voice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._clip import Samples
from .._manifest import StepEntry

SILENT_DB = -30.0
"""dB below the loudest channel from which one holds nothing but noise: averaged in, it would cost level."""
CANCEL_DB = -3.0
"""dB below what unrelated sounds would leave: a mean that is softer cancels what its channels share."""
ALIKE_DB = 0.5
"""dB up to which channels are equally loud, and the first one will do: all pieces of a recording take the same."""
SAME = 1e-6
"""Power of two channels' difference, as a share of theirs, below which they are the same."""


@dataclass(frozen=True, slots=True)
class Mixing:
    """How the channels of one recording become one."""

    weights: NDArray[np.float32]
    """Share of each channel; they add up to 1."""
    reason: str

    def mixed(self, block: Samples) -> Samples:
        """Return *block*, shape (frames, channels), as one channel."""
        return np.asarray(block @ self.weights, np.float32)

    def step(self) -> StepEntry:
        """Return what a manifest says of it."""
        return StepEntry.of("downmix", channels=len(self.weights), because=self.reason)


def mixing_of(products: NDArray[np.float64]) -> Mixing:
    """Return how to mix the channels.

    Args:
        products: Sums of the products of each two channels' samples, shape (channels, channels).
    """
    powers = np.diagonal(products)
    loudest = int((powers >= powers.max() * 10.0 ** (-ALIKE_DB / 10.0)).argmax())
    heard = np.flatnonzero(powers >= powers[loudest] * 10.0 ** (SILENT_DB / 10.0))
    one = np.zeros(len(powers), np.float32)
    one[loudest] = 1.0
    if len(heard) == 1 or powers[loudest] == 0.0:
        silent = "the other one is silent" if len(powers) == 2 else "the others are silent"
        return Mixing(one, f"channel {loudest + 1} is used, since {silent}")
    among = products[np.ix_(heard, heard)]
    of_mean = among.sum() / len(heard) ** 2
    of_unrelated = np.trace(among) / len(heard) ** 2
    if of_mean < of_unrelated * 10.0 ** (CANCEL_DB / 10.0):
        return Mixing(one, f"channel {loudest + 1} is used, since the channels cancel each other out (one is inverted)")
    mean = np.zeros(len(powers), np.float32)
    mean[heard] = 1.0 / len(heard)
    if len(heard) < len(powers):
        return Mixing(mean, f"the mean of {len(heard)} channels is used, since the others are silent")
    if len(heard) == 2 and among[0, 0] + among[1, 1] - 2.0 * among[0, 1] < SAME * np.trace(among):
        first = np.array([1.0, 0.0], np.float32)
        return Mixing(first, "channel 1 is used, since both are the same")
    return Mixing(mean, f"the mean of {len(heard)} channels is used")

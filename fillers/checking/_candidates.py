"""Which recordings are worth comparing: of thousands, nearly all pairs are told apart without a look at their waves."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ._fingerprint import LOOK, STRETCH, Fingerprint

_LOW = 0.5
"""Share of the spectrum of levels over time that is multiplied; the rest, above 25 changes a second, has 3 % of the
energy."""
_ROUNDING = 1e-3
"""What single precision may take away from a bound; it has six digits."""
_ROWS, _COLUMNS, _BINS = 32, 128, 64
"""Recordings, and bins of the spectrum, that are multiplied at a time: a few megabytes. With twice as many columns
OpenBLAS uses several threads, which gain nothing here and wait for each other on a busy machine."""


def candidates(prints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Return the places of all pairs of *prints* that may be one recording, ascending; few others are among them.

    The bands' correlation is the inverse transform of P, the product of their spectra summed over the bands. No shift
    makes it larger than the mean size of P; of the bins that are not multiplied, no larger than the root of both
    recordings' energies there (Cauchy and Schwarz).
    """
    order = sorted(range(len(prints)), key=lambda place: prints[place].sounds_s)
    ascending = [prints[place] for place in order]
    found = ((order[row], order[column]) for row, column in _likely(ascending))
    return sorted((min(pair), max(pair)) for pair in found)


def _likely(prints: Sequence[Fingerprint]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of *prints*, which are in the order of their lengths."""
    lengths = np.array([one.sounds_s for one in prints])
    spectra = _Spectra(prints)
    for first in range(0, len(prints), _ROWS):
        rows = range(first, min(first + _ROWS, len(prints)))
        end = int(np.searchsorted(lengths, STRETCH * lengths[rows[-1]], side="right"))
        size = _size(max(prints[place].bands.shape[1] for place in range(first, end)))
        for begin in range(first, end, _COLUMNS):
            columns = range(begin, min(begin + _COLUMNS, end))
            bounds = _bounds(spectra.of(rows, size), spectra.of(columns, size))
            for row, column in np.argwhere(bounds >= LOOK - _ROUNDING).tolist():
                if rows[row] < columns[column]:
                    yield rows[row], columns[column]


def _size(steps: int) -> int:
    """Return the length of a transform in which two recordings of so many steps may be shifted past each other."""
    return 1 << (2 * steps - 1).bit_length()


class _Spectra:
    """The bands' spectra of *prints*, each worked out once a size: longer recordings need larger ones."""

    def __init__(self, prints: Sequence[Fingerprint]) -> None:
        self._prints = prints
        self._size = 0
        self._known: dict[int, tuple[NDArray[np.complex64], float]] = {}

    def of(self, places: range, size: int) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
        """Return the lower bins, shape (bins, recordings, bands), and the root of each one's energy in the others."""
        if size != self._size:
            self._size, self._known = size, {}
        for place in places:
            if place not in self._known:
                self._known[place] = _spectrum(self._prints[place], size)
        low = np.stack([self._known[place][0] for place in places], axis=1)
        return low, np.array([self._known[place][1] for place in places], np.float32)


def _spectrum(one: Fingerprint, size: int) -> tuple[NDArray[np.complex64], float]:
    whole = np.fft.rfft(one.bands, size)
    whole /= np.sqrt(size)
    whole[:, 1:-1] *= np.sqrt(2.0)  # each stands for its mirror image, too, but for the first and the last
    low = round(_LOW * whole.shape[1])
    return whole[:, :low].T.astype(np.complex64), float(np.sqrt(np.sum(np.abs(whole[:, low:]) ** 2)))


def _bounds(
    rows: tuple[NDArray[np.complex64], NDArray[np.float32]], columns: tuple[NDArray[np.complex64], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return what the correlation of each row with each column cannot exceed."""
    (ours, our_rest), (theirs, their_rest) = rows, columns
    bounds = np.outer(our_rest, their_rest)
    for bin in range(0, len(ours), _BINS):
        some = slice(bin, bin + _BINS)
        bounds += np.abs(np.conj(ours[some]) @ theirs[some].transpose(0, 2, 1)).sum(axis=0)
    return bounds

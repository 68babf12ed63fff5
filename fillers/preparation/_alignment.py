"""When each word of a text is over, from the sound alone: a small hidden Markov model.

The text's letters give a chain of broad sounds, the model's states; what each looks like stands in `_LOOKS`, how
long it lasts in `_LASTS_MS`. The forward-backward recursion then yields how sure it is that a word is over at a
given time, which is what makes it possible to keep silent when unsure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._features import HOP_MS, Frames
from ._sounds import Sound, Word

_LOOKS = np.array(
    [  # level, middle of the spectrum against its bottom, top against its middle: mean and deviation in dB
        [[-48.0, 9.0, 12.0], [6.0, 8.0, 7.0]],  # pause
        [[-4.0, 1.0, -3.0], [5.0, 8.0, 8.0]],  # vowel
        [[-5.0, -16.0, 3.0], [6.0, 8.0, 7.0]],  # nasal
        [[-6.0, -1.0, -6.0], [7.0, 9.0, 10.0]],  # glide
        [[-13.0, 10.0, 30.0], [8.0, 14.0, 12.0]],  # hiss
        [[-22.0, 2.0, 15.0], [11.0, 13.0, 9.0]],  # breath
        [[-27.0, -2.0, 11.0], [13.0, 14.0, 9.0]],  # closure
        [[-25.0, 8.0, 15.0], [9.0, 11.0, 9.0]],  # burst
    ]
)
"""Measured on the phones of two voices (Festival slt, Flite rms) in the level and colour of `sound_features`."""

_LASTS_MS = np.array([160.0, 100.0, 75.0, 80.0, 110.0, 75.0, 50.0, 30.0, 80.0])
_PARTS = 3
"""States in a row for each sound, so that its length is around the mean instead of mostly near 0."""
_TRUST = 0.15
"""Exponent of the frames' likelihoods: windows of 25 ms every 5 ms are not independent."""
_PAUSE_AT_MARK, _PAUSE_ELSEWHERE = 0.6, 0.03
"""Probability of a pause behind a word, with and without a punctuation mark."""


@dataclass(frozen=True)
class Alignment:
    """What is known about the ends of words."""

    over: NDArray[np.float64]
    """Shape (words, times): probability that the word is over at this time; one row for each word that sounds."""
    counts: tuple[int, ...]
    """Of each row: how many words of the text have been said then."""

    def at(self, ms: float) -> NDArray[np.float64]:
        """Return how probably each word is over *ms* after the start."""
        last = self.over.shape[1] - 1
        column: NDArray[np.float64] = self.over[:, min(max(round(ms / HOP_MS), 0), last)]
        return column

    def likely_end_ms(self, row: int) -> float:
        """Return from when on the word of *row* is more likely over than not."""
        return HOP_MS * int(np.argmax(self.over[row] > 0.5))


def align(features: Frames, words: Sequence[Word]) -> Alignment | None:
    """Lay *words* along the sound that *features* describe; None if they cannot have been said there."""
    chain = _Chain.of(words, len(features))
    if len(chain.sounds) > len(features):
        return None
    posterior = _forward_backward(_likelihoods(features, chain.sounds), chain.moves)
    if posterior is None:
        return None
    ended = 1 - np.cumsum(posterior, axis=1)[:, chain.last_states]
    return Alignment(np.clip(ended.T, 0.0, 1.0), chain.counts)


@dataclass(frozen=True)
class _Chain:
    """The model's states from left to right."""

    sounds: NDArray[np.int64]
    moves: NDArray[np.float64]
    """Shape (3, states): probability to stay, to go to the next state, to pass over it (a pause that is not made)."""
    last_states: list[int]
    """The last state of each word that sounds."""
    counts: tuple[int, ...]

    @classmethod
    def of(cls, words: Sequence[Word], times: int) -> "_Chain":
        sounds: list[int] = [Sound.PAUSE]
        skips: dict[int, float] = {}
        last_states: list[int] = []
        counts: list[int] = []
        for count, word in enumerate(words, start=1):
            if not word.sounds:
                continue
            sounds += [sound for sound in word.sounds for _ in range(_PARTS)]
            last_states.append(len(sounds) - 1)
            counts.append(count)
            skips[len(sounds) - 1] = 1 - (_PAUSE_AT_MARK if word.pause else _PAUSE_ELSEWHERE)
            sounds.append(Sound.PAUSE)
        skips.pop(last_states[-1])
        chain = np.array(sounds, np.int64)
        return cls(chain, _moves(chain, skips, times), last_states, tuple(counts))


def _moves(sounds: NDArray[np.int64], skips: dict[int, float], times: int) -> NDArray[np.float64]:
    speaking = sounds != Sound.PAUSE
    lasts = _LASTS_MS[sounds] / HOP_MS / np.where(speaking, _PARTS, 1)
    tempo = np.clip(times / max(float(lasts[speaking].sum()), 1.0), 0.5, 2.5)
    leave = 1 / np.maximum(np.where(speaking, lasts * tempo, lasts), 1.01)
    skipped = np.zeros(len(sounds))
    for state, probability in skips.items():
        skipped[state] = probability
    return np.stack([1 - leave, leave * (1 - skipped), leave * skipped])


def _likelihoods(features: Frames, sounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how well each time fits each state, shape (times, states), the best of each time 1."""
    looks = _LOOKS.copy()
    quiet = float(np.quantile(features[:, 0], 0.02))
    looks[Sound.PAUSE, 0, 0] = np.clip(quiet + 2.0, looks[Sound.PAUSE, 0, 0], -12.0)  # a room's noise is its silence
    distance = (features[:, None, :] - looks[:, 0]) / looks[:, 1]
    logs = -0.5 * (distance**2).sum(axis=2) - np.log(looks[:, 1]).sum(axis=1)
    logs = np.maximum(logs, logs.max(axis=1, keepdims=True) - 30.0)
    known = logs[:, Sound.VOWEL :]
    top = known.max(axis=1, keepdims=True)
    any_sound = top + np.log(np.exp(known - top).mean(axis=1, keepdims=True))
    of_states = np.concatenate([logs, any_sound], axis=1)[:, sounds] * _TRUST
    likelihoods: NDArray[np.float64] = np.exp(of_states - of_states.max(axis=1, keepdims=True))
    return likelihoods


def _forward_backward(likelihoods: NDArray[np.float64], moves: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the probability of each state at each time; the chain begins in a pause or behind it, and ends so.

    None if no way through the chain has a probability above 0.
    """
    times, states = likelihoods.shape
    stay, step, skip = moves
    forward = np.zeros((times, states))
    forward[0, :2] = likelihoods[0, :2]
    forward[0] /= forward[0].sum()
    for time in range(1, times):
        before, now = forward[time - 1], forward[time]
        now[:] = before * stay
        now[1:] += before[:-1] * step[:-1]
        now[2:] += before[:-2] * skip[:-2]
        now *= likelihoods[time]
        now /= now.sum()
    backward = np.zeros(states)
    backward[-2:] = 1.0
    posterior = forward
    for time in range(times - 1, -1, -1):
        if time < times - 1:
            after = likelihoods[time + 1] * backward
            backward = after * stay
            backward[:-1] += after[1:] * step[:-1]
            backward[:-2] += after[2:] * skip[:-2]
            backward /= backward.max()
        posterior[time] *= backward
        total = posterior[time].sum()
        if not total > 0:
            return None
        posterior[time] /= total
    return posterior

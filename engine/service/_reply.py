"""An answer on its way out: text and speech, and how the turn is told of them."""

import base64
from collections.abc import Iterator

import numpy as np

from .. import Clock, Turn
from .._reply import ReplyInput
from ..outputs import as_pcm16
from ._agents import Speech
from ._sites import RATE
from ._words import Pieces


class Reply:
    """Tells a turn when its answer begins, ends, or turns out to have been a preamble.

    Args:
        turn: The turn. Its output does not own the reply: the client plays it.
        clock: The manager's.
        voice: Whether speech is the answer; else text is, and is read at once.
    """

    def __init__(self, turn: Turn, clock: Clock, *, voice: bool) -> None:
        self._turn = turn
        self._clock = clock
        self._voice = voice
        self._input = ReplyInput(RATE)
        self._heard_until = 0.0
        """s on the clock until which the client plays what it was sent."""
        self._texts: list[str] = []
        self._pieces = Pieces()
        self.begun = False
        """Whether anything of the answer was there to be sent."""

    @property
    def text(self) -> str:
        """The whole answer, or its transcript."""
        return "".join(self._texts)

    def take_text(self, text: str) -> str | None:
        """Return what to send of *text*: all of it, or None where speech is what is sent."""
        return self._written(self._pieces.take(text))

    def take_speech(self, speech: Speech) -> str | None:
        """Return *speech* as it is sent, base64 of 16-bit PCM at 16 kHz; None where text is what is sent.

        Raises:
            UsageError: if *speech* is no audio.
        """
        if not self._voice:
            return None
        samples, given = self._input.convert(speech.samples, speech.rate)
        return self._sent(samples) if given else None

    def finish(self) -> str | None:
        """Return what was held back: by the resampler, or half a character."""
        rest = self._written(self._pieces.finish())
        return self._sent(self._input.finish()) if self._voice else rest

    def again_in(self) -> float | None:
        """Return in how many s a further wait begins, if the agent works on; None: the answer has not begun."""
        if self._turn.waiting:
            return None
        return max(0.0, self._heard_until - self._clock.now())

    def _written(self, text: str) -> str | None:
        self._texts.append(text)
        if self._voice or not text:
            return None
        self._begins()
        return text

    def _sent(self, samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> str | None:
        if not len(samples):
            return None
        self._begins()
        self._heard_until = max(self._heard_until, self._clock.now()) + len(samples) / RATE
        return base64.b64encode(as_pcm16(samples).astype("<i2", copy=False).tobytes()).decode("ascii")

    def _begins(self) -> None:
        self.begun = True
        if self._turn.waiting:
            self._turn.reply_started()


def pieces(message: str, longest: int = 48_000) -> Iterator[str]:
    """Yield *message* in pieces of at most *longest* characters: lines must not grow without bound.

    Base64 is cut at multiples of 4, so that every piece can be decoded alone.
    """
    for at in range(0, len(message), longest):
        yield message[at : at + longest]

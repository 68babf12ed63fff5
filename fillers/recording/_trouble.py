"""Why a text was not spoken, and what that means for the rest.

NotSpoken          this take fails
├── TryLater       ... unless another try succeeds
└── OutOfOrder     ... and so will all others: the run stops

Their messages are parts of a sentence, after the text and a colon. They never hold a key.
"""


class NotSpoken(Exception):  # noqa: N818 - says what happened
    """The TTS gave nothing that can be used."""


class TryLater(NotSpoken):
    """It may work in a while."""

    def __init__(self, reason: str, after_s: float | None = None, *, for_all: bool = False) -> None:
        super().__init__(reason)
        self.after_s = after_s
        """s. What the TTS asked for; None: nothing."""
        self.for_all = for_all
        """What fails to the last try would fail for any other text."""


class OutOfOrder(NotSpoken):
    """It will not work for any text."""

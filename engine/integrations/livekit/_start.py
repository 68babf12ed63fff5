"""When speech that follows a filler begins to be heard."""

import asyncio
from collections.abc import Callable


class SpeechStart:
    """Tells of the start of speech that the sink will not tell of: in its view the segment has begun with a filler.

    Args:
        tell: Called when the speech is heard.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._timer: asyncio.TimerHandle | None = None
        self._missed = self._muted = False
        self._heard_from: float | None = None

    @property
    def pending(self) -> bool:
        """Whether it was planned, and has not come."""
        return self._timer is not None or self._missed

    @property
    def heard_s(self) -> float:
        """s of speech that can have been heard by now."""
        return 0.0 if self._heard_from is None else asyncio.get_running_loop().time() - self._heard_from

    def plan(self, at: float) -> None:
        """The speech is heard at *at*, loop time."""
        loop = asyncio.get_running_loop()
        self.forget()
        if at <= loop.time():
            self.now()
        else:
            self._timer = loop.call_at(at, self.now)

    def now(self) -> None:
        """The speech is heard, unless the sink is paused: then when it plays on."""
        self._cancel()
        self._missed = self._muted
        if not self._muted:
            self._heard_from = asyncio.get_running_loop().time()
            self._tell()

    def mute(self, muted: bool) -> None:
        """The sink is paused, or plays on."""
        self._muted = muted
        if not muted and self._missed:
            self.now()

    def forget(self) -> None:
        """Nothing is planned any more."""
        self._cancel()
        self._missed, self._heard_from = False, None

    def cancel(self) -> None:
        """What was planned will not come; what was heard, was."""
        self._cancel()
        self._missed = False

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

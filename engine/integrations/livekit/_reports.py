"""What was heard, told on the agent's event loop."""

import asyncio
import logging
from collections.abc import Callable

from ...turns import SoundRecord, TurnRecord

logger = logging.getLogger("stopgap")

OnFiller = Callable[[str, SoundRecord], object]
OnTurn = Callable[[TurnRecord], object]


class LoopReports:
    """A `Listener` that calls back on an event loop. What the callbacks raise is logged.

    Args:
        loop: Where.
        on_filler: Is called with a turn's id and a filler that began to sound or ended.
        on_turn: Are called with a turn that is over.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_filler: OnFiller | None, on_turn: tuple[OnTurn, ...]
    ) -> None:
        self._loop, self._on_filler, self._on_turn = loop, on_filler, on_turn

    def on_filler(self, turn_id: str, sound: SoundRecord) -> None:
        if self._on_filler is not None:
            self._call(self._on_filler, turn_id, sound)

    def on_turn(self, record: TurnRecord) -> None:
        for tell in self._on_turn:
            self._call(tell, record)

    def _call(self, tell: Callable[..., object], *what: object) -> None:
        def guarded() -> None:
            try:
                tell(*what)
            except Exception:
                logger.exception("a callback of LiveKitFillers")

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(guarded)

"""What a conversation's fillers do about the agent's own speech."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING

import numpy as np

from ....fillers import Samples
from ..._turn import Turn
from ._steps import Hold, Resume

if TYPE_CHECKING:
    from ._conversation import Conversation


class FillerGate:
    """The gate of a conversation's fillers.

    Args:
        conversation: Whose.
    """

    def __init__(self, conversation: "Conversation") -> None:
        self._conversation = conversation
        self.held = False
        """Whether a pause of the sink holds the fillers."""

    def yields(self) -> Awaitable[Samples] | None:
        conversation = self._conversation
        held = conversation.watch.held
        if not conversation.watch.agent_speaks() or conversation.turn is None:
            return None
        return self._hand_over(conversation.turn, held)

    async def _hand_over(self, turn: Turn, held: bool) -> Samples:
        conversation = self._conversation
        tail = np.zeros(0, np.float32)
        try:
            conversation.counts["replies_held"] += conversation.session.filler_sounding
            tail = await conversation.pump.hand_over(turn)
        except Exception as exc:
            conversation.failed(exc)
        if held:
            conversation.guarded(conversation.session.resume)
        return tail

    def emptied(self) -> None:
        conversation = self._conversation
        conversation.do(conversation.watch.cut(conversation.now()))
        conversation.pump.drop()

    def muted(self, muted: bool) -> None:
        conversation = self._conversation
        conversation.pump.muted = muted
        if muted:
            conversation.silence()  # what the sink holds of a filler would come out of place later
        if muted and conversation.watch.phase == "waiting" and not conversation.watch.held:
            self.held = True
            conversation.do([Hold()])
        elif not muted and self.held:
            self.held = False
            conversation.do([Resume()] if not conversation.watch.held else [])

    def played_out(self) -> None:
        self._conversation.guarded(self._conversation.played_out)

    def displaced(self) -> None:
        self._conversation.place_soon()

"""What becomes of an interaction: stored whole, or not at all."""

from dataclasses import dataclass
from typing import Any, Protocol


class InteractionError(Exception):
    """Ends an interaction with an ``error`` event."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status


@dataclass(frozen=True, slots=True)
class Result:
    """A complete interaction, as it is stored."""

    user_message_id: str | None
    user_message: str | None
    """None where the user said nothing."""
    message_id: str
    message: str
    conversation_completed: bool
    actions: tuple[dict[str, Any], ...]
    turn: dict[str, Any]
    """`TurnRecord.as_dict`."""


class Unit(Protocol):
    """What is stored whole or not at all."""

    async def complete(self, result: Result) -> str:
        """Store everything in one go; return the interaction's id.

        Raises:
            InteractionError: if it cannot be stored.
        """
        ...

    async def release(self) -> None:
        """Let the conversation go; nothing that was not completed stays."""
        ...

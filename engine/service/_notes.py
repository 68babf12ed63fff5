"""The actions of an interaction as they are stored."""

import json
from typing import Any

from ._actions import Action

MOST_BYTES = 800_000
"""Bytes of JSON of all actions of an interaction."""
MOST_ONE = 64_000
"""Bytes of one of them; of a larger one only its type and size are kept."""


class ActionNotes:
    """Keeps what an agent did, in bounds, and of fillers their words rather than their sound."""

    def __init__(self) -> None:
        self._noted: list[dict[str, Any]] = []
        self._bytes = 0

    @property
    def noted(self) -> tuple[dict[str, Any], ...]:
        return tuple(self._noted)

    def add(self, action: Action) -> None:
        self._add(action.model_dump(mode="json"))

    def add_filler(self, text: str, clip: str, since: dict[str, Any] | None) -> None:
        """Keep that the clip called *clip* was sent, as the action *since* took long."""
        self._add({"type": "action-too-long", "filler": text, "clip": clip, "previously_started_event": since})

    def _add(self, action: dict[str, Any]) -> None:
        size = len(json.dumps(action))
        if size > MOST_ONE:
            action = {"type": action["type"], "bytes_left_out": size}
            size = 100
        if self._bytes + size <= MOST_BYTES:
            self._bytes += size
            self._noted.append(action)

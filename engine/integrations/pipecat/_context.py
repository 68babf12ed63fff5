"""Fillers in the model's context, where the author wants them there."""

from collections.abc import Callable
from typing import cast

from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage

from ...turns import SoundRecord, TurnRecord

MARK = "[filler]"
"""What such a message begins with."""
OURS = ("assistant", "tool")
"""Roles of what follows a question."""


class ContextNotes:
    """Notes what was heard of a turn's fillers, in one message, in the context that the model is asked with.

    It stands behind what the turn asked the model first: before the calls of tools, their results and the answer, and
    never last. Models take an assistant's message at the end for the beginning of their answer; what has no message
    behind it yet is held until the next request, or until the turn is over.

    Args:
        turn_id: Returns the id of the present turn; None: there is none.
    """

    def __init__(self, turn_id: Callable[[], str | None]) -> None:
        self._turn_id = turn_id
        self._context: LLMContext | None = None
        self._asked: str | None = None
        """The turn whose request was seen last."""
        self._question: LLMContextMessage | None = None
        """What that asked."""
        self._note: dict[str, str] | None = None
        """That turn's, once it is in the context."""
        self._held: list[tuple[str | None, str]] = []
        """What was heard and is not in the context yet, with its turn."""

    def use(self, context: LLMContext) -> None:
        """The model is asked with *context*."""
        turn = self._turn_id()
        if turn != self._asked or context is not self._context:
            self._settle()  # what has been asked since follows there
            # heard in a turn of which nothing was asked: the user went on, and this is what it became
            self._held = [(turn, text) for of, text in self._held if of != self._asked]
            self._context, self._asked, self._note = context, turn, None
            asked = [message for message in context.get_messages() if _role(message) not in OURS]
            self._question = asked[-1] if asked else None
        self._settle()

    def on_filler(self, turn_id: str, sound: SoundRecord) -> None:
        """Note what was heard of *sound*, if it was words and has ended."""
        if sound.end_s is not None and sound.text:
            self._held.append((turn_id, sound.text))
            self._settle()

    def on_turn(self, record: TurnRecord) -> None:
        """A turn is over: its answer, if there is one, is in the context."""
        self._settle()

    def _settle(self) -> None:
        """Put what was heard in the turn that was asked last where it belongs, if something follows there."""
        heard = [text for turn, text in self._held if turn == self._asked]
        if not heard or self._context is None:
            return
        if self._note is None:
            messages = self._context.get_messages()
            place = next((i for i, message in enumerate(messages, 1) if message is self._question), len(messages))
            if place == len(messages):
                return
            self._note = {"role": "assistant", "content": MARK}
            note = cast(LLMContextMessage, self._note)
            self._context.set_messages([*messages[:place], note, *messages[place:]])
        self._note["content"] = " ".join([self._note["content"], *heard])
        self._held = [(turn, text) for turn, text in self._held if turn != self._asked]


def _role(message: LLMContextMessage) -> object:
    return message.get("role") if isinstance(message, dict) else None

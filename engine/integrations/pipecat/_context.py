"""Fillers in the model's context, where the author wants them there."""

from typing import cast

from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage

from ...turns import SoundRecord

MARK = "[filler]"
"""What such a message begins with."""


class ContextNotes:
    """Appends what was heard of each filler, once it has ended, to the context that the model is asked with.

    What is heard before the first request waits for it.
    """

    def __init__(self) -> None:
        self._context: LLMContext | None = None
        self._waiting: list[str] = []

    def use(self, context: LLMContext) -> None:
        """Append to *context* from now on."""
        self._context = context
        for text in self._waiting:
            self._append(context, text)
        self._waiting.clear()

    def on_filler(self, turn_id: str, sound: SoundRecord) -> None:
        """Append what was heard of *sound*, if it was words and has ended."""
        if sound.end_s is None or not sound.text:
            return
        if self._context is None:
            self._waiting.append(sound.text)
        else:
            self._append(self._context, sound.text)

    @staticmethod
    def _append(context: LLMContext, text: str) -> None:
        context.add_message(cast(LLMContextMessage, {"role": "assistant", "content": f"{MARK} {text}"}))

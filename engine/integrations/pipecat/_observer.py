"""News that never reaches a processor before the output: what the model and its tools do."""

from collections.abc import Callable

from pipecat.frames.frames import (
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    UserBackchannelFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.aggregators.llm_context import LLMContext

from ._dialogue import Dialogue
from ._trouble import Trouble


class AgentObserver(BaseObserver):
    """Tells the dialogue of the model and its tools, when that happens rather than when it has passed the TTS.

    It hears of each frame once, a moment late; nothing that must stop in time depends on it. Of frames that were
    broadcast both ways the second one is no news: tool calls have ids.

    Args:
        dialogue: Is told.
        on_context: Gets the context that the model is asked with.
        trouble: Where errors end.
    """

    def __init__(self, dialogue: Dialogue, on_context: Callable[[LLMContext], None], trouble: Trouble) -> None:
        super().__init__(observe_every_push=False)
        self._dialogue = dialogue
        self._on_context = on_context
        self._trouble = trouble

    async def on_push_frame(self, data: FramePushed) -> None:
        """Take in a frame that a processor pushed."""
        with self._trouble.kept_in("the observer"):
            self._hear(data)

    def _hear(self, data: FramePushed) -> None:
        dialogue = self._dialogue
        match data.frame:
            case LLMTextFrame(skip_tts=unspoken):
                dialogue.response_text(data.source, unspoken=bool(unspoken))
            case LLMContextFrame(speculation=False, context=context):
                self._on_context(context)
                dialogue.asked()
            case LLMFullResponseStartFrame():
                dialogue.response_started(data.source)
            case LLMFullResponseEndFrame():
                dialogue.response_ended(data.source)
            case FunctionCallsStartedFrame(function_calls=calls):
                dialogue.tools_called(call.tool_call_id for call in calls)
            case FunctionCallInProgressFrame(tool_call_id=call, function_name=name, cancel_on_interruption=waited_for):
                dialogue.tool_started(call, name, background=not waited_for)
            case FunctionCallResultFrame(tool_call_id=call, properties=properties):
                if properties is None or properties.is_final:
                    wants = data.frame.run_llm if properties is None else properties.run_llm
                    dialogue.tool_ended(call, answered=wants is not False)
            case UserBackchannelFrame():  # data: it would wait behind what the model is at
                dialogue.passed_by()
            case FunctionCallCancelFrame(tool_call_id=call, run_llm=answered):
                dialogue.tool_ended(call, answered=answered)

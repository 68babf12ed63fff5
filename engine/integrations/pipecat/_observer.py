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
    UserImageRawFrame,
)
from pipecat.observers.base_observer import BaseObserver, FrameProcessed, FramePushed
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessor

from ._dialogue import Dialogue
from ._results import ToolResults
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
        self.models: frozenset[FrameProcessor] = frozenset()
        """Those that answer the user; other ones are not heeded. Empty: all are."""
        self._dialogue = dialogue
        self._on_context = on_context
        self._trouble = trouble
        self._results = ToolResults()

    async def on_process_frame(self, data: FrameProcessed) -> None:
        """Take in a context that a model gets."""
        if data.processor in self.models and isinstance(data.frame, LLMContextFrame):
            with self._trouble.kept_in("the observer"):
                self._ask(data.frame)

    async def on_push_frame(self, data: FramePushed) -> None:
        """Take in a frame that a processor pushed."""
        with self._trouble.kept_in("the observer"):
            self._hear(data)

    def _hear(self, data: FramePushed) -> None:
        dialogue = self._dialogue
        match data.frame:
            case LLMTextFrame(skip_tts=unspoken):
                dialogue.response_text(data.source, unspoken=bool(unspoken))
            case LLMContextFrame() if not self.models:
                self._ask(data.frame)
            case LLMFullResponseStartFrame() if not self.models or data.source in self.models:
                dialogue.response_started(data.source)
            case LLMFullResponseEndFrame():
                dialogue.response_ended(data.source)
            case FunctionCallsStartedFrame(function_calls=calls):
                dialogue.tools_called(call.tool_call_id for call in calls)
            case FunctionCallInProgressFrame(tool_call_id=call, function_name=name, cancel_on_interruption=waited_for):
                self._results.began(data.frame)
                dialogue.tool_started(call, name, background=not waited_for)
            case UserImageRawFrame():
                self._results.image(data.frame)
            case FunctionCallResultFrame(tool_call_id=call, properties=properties):
                if properties is None or properties.is_final:
                    dialogue.tool_ended(call, answered=self._results.ended(data.frame))
            case UserBackchannelFrame():  # data: it would wait behind what the model is at
                dialogue.passed_by()
            case FunctionCallCancelFrame(tool_call_id=call):
                dialogue.tool_ended(call, answered=self._results.cancelled(data.frame))

    def _ask(self, frame: LLMContextFrame) -> None:
        if not frame.speculation:
            self._on_context(frame.context)
            self._dialogue.asked()

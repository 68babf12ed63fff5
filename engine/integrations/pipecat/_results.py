"""Whether Pipecat will ask the model with what a tool found."""

from pipecat.frames.frames import (
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    UserImageRawFrame,
)


class ToolResults:
    """Follows calls as Pipecat's assistant aggregator does.

    It asks the model if there is a result, unless that says otherwise; of calls that the model made together, with
    the last one only. A call that brought an image asks in any case.
    """

    def __init__(self) -> None:
        self._groups: dict[str, str | None] = {}
        """Of calls in progress."""
        self._images: set[str] = set()

    def began(self, frame: FunctionCallInProgressFrame) -> None:
        self._groups[frame.tool_call_id] = frame.group_id

    def image(self, frame: UserImageRawFrame) -> None:
        """Take in an image, which may be what a call asked for."""
        call = None if frame.request is None else frame.request.tool_call_id
        if call in self._groups and call is not None and frame.append_to_context:
            self._images.add(call)

    def ended(self, frame: FunctionCallResultFrame) -> bool:
        """Take in a final result; return whether the model is asked with it."""
        call = frame.tool_call_id
        alone = self._last_of_group(call)
        image = call in self._images
        self._images.discard(call)
        if not frame.result:
            return image
        wants = None if frame.properties is None else frame.properties.run_llm
        wants = frame.run_llm if wants is None else wants
        return alone if wants is None else wants

    def cancelled(self, frame: FunctionCallCancelFrame) -> bool:
        """Take in that a call was given up; return whether the model is told of it."""
        self._images.discard(frame.tool_call_id)
        return self._last_of_group(frame.tool_call_id) and frame.run_llm

    def _last_of_group(self, call: str) -> bool:
        group = self._groups.pop(call, None)
        return group is None or group not in self._groups.values()

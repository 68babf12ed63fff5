"""What an agent may say it is doing: the actions of the event API, in the forms that its clients accept."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Version = tuple[str, int]
"""Id and version number."""
Pairs = tuple[tuple[str, str], ...]
"""Queries and their responses."""


class Action(BaseModel):
    """Something the agent did, or began to do. Yield it from your agent when it happens."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolAction(Action):
    tool_id: str
    tool_version: str = "1"


class ToolCallStarted(ToolAction):
    """A tool runs: fillers of its site may be said, until `ToolCallEnded`."""

    type: Literal["tool-call-started"] = "tool-call-started"
    tool_round_index: int = 0
    input_params: Mapping[str, Any] = {}


class ToolCallEnded(ToolAction):
    type: Literal["tool-call-ended"] = "tool-call-ended"
    tool_round_index: int = 0
    input_parameters: Mapping[str, Any] = {}
    result: str = ""
    duration: float = Field(default=0.0, ge=0)
    """s."""


class DesignatedToolRetrieved(ToolAction):
    """The tool's input is being generated, until `DesignatedToolCallParamsGenerated`."""

    type: Literal["designated-tool-retrieved"] = "designated-tool-retrieved"


class DesignatedToolCallParamsGenerated(ToolAction):
    """The designated tool runs, until `ToolOutputAvailable`."""

    type: Literal["designated-tool-call-params-generated"] = "designated-tool-call-params-generated"
    tool_call_params: Mapping[str, Any] = {}


class ToolOutputAvailable(ToolAction):
    type: Literal["navigate-state-machine-tool-call-state-tool-output-available"] = (
        "navigate-state-machine-tool-call-state-tool-output-available"
    )
    tool_output: str = ""
    duration: float = Field(default=0.0, ge=0)
    """s."""
    input_arguments: Mapping[str, Any] = {}


class StateAction(Action):
    """A span of a state; *state* is not sent, it names the site of the configuration."""

    state: str = Field(default="", exclude=True)


class DecisionStarted(StateAction):
    """The next state is being chosen, until `ExitConditionSelected`."""

    type: Literal["navigate-state-machine-decision-state-decision-started"] = (
        "navigate-state-machine-decision-state-decision-started"
    )


class ExitConditionSelected(Action):
    type: Literal["navigate-state-machine-exit-condition-selected"] = "navigate-state-machine-exit-condition-selected"
    exit_condition: str
    next_state_state_machine_version_info: Version
    next_state_name: str


class ReflectionStarted(StateAction):
    """The agent reflects, until `ReflectionGenerated`."""

    type: Literal["navigate-state-machine-reflection-state-prompt-retrieved"] = (
        "navigate-state-machine-reflection-state-prompt-retrieved"
    )
    prompt: str = ""


class ReflectionGenerated(Action):
    type: Literal["navigate-state-machine-reflection-state-reflection-generated"] = (
        "navigate-state-machine-reflection-state-reflection-generated"
    )
    reflection: str


class StateTransitioned(Action):
    type: Literal["navigate-state-machine-state-transitioned"] = "navigate-state-machine-state-transitioned"
    prev_state: str
    prev_state_state_machine_version_info: Version
    next_state: str
    next_state_state_machine_version_info: Version


class ActionSelected(Action):
    type: Literal["navigate-state-machine-action-state-action-selected"] = (
        "navigate-state-machine-action-state-action-selected"
    )
    action: str


class AnnotationRetrieved(Action):
    type: Literal["navigate-state-machine-annotation-state-annotation-retrieved"] = (
        "navigate-state-machine-annotation-state-annotation-retrieved"
    )
    annotation: str


class DynamicQueriesGenerated(Action):
    type: Literal["navigate-state-machine-recall-state-dynamic-queries-generated"] = (
        "navigate-state-machine-recall-state-dynamic-queries-generated"
    )
    dynamic_queries: tuple[str, ...]
    requested_information: str


class StaticQueriesRetrieved(Action):
    type: Literal["navigate-state-machine-recall-state-static-queries-retrieved"] = (
        "navigate-state-machine-recall-state-static-queries-retrieved"
    )
    static_queries: tuple[str, ...]


class RecalledMemoryRetrieved(Action):
    type: Literal["navigate-state-machine-recall-state-active-memory-retrieved"] = (
        "navigate-state-machine-recall-state-active-memory-retrieved"
    )
    queries_and_responses: Pairs


class MemoryNeedChecked(Action):
    type: Literal["check-if-active-memory-needed-completed"] = "check-if-active-memory-needed-completed"
    queries: tuple[str, ...] = ()


class MemoriesExtracted(Action):
    type: Literal["extract-active-memories-completed"] = "extract-active-memories-completed"
    queries_and_responses: Pairs = ()


class BehaviorVectorGenerated(Action):
    type: Literal["select-dynamic-behavior-vector-generated"] = "select-dynamic-behavior-vector-generated"


class BehaviorRelevanceRetrieved(Action):
    type: Literal["select-dynamic-behavior-relevance-retrieval-completed"] = (
        "select-dynamic-behavior-relevance-retrieval-completed"
    )


class BehaviorSelected(Action):
    type: Literal["select-dynamic-behavior-completed"] = "select-dynamic-behavior-completed"
    selected_dynamic_behavior_set_version_info: Version | None
    previous_selected_dynamic_behavior_set_version_info: Version | None = None


class NavigationOverridden(Action):
    type: Literal["navigate-state-machine-dynamic-behavior-override"] = (
        "navigate-state-machine-dynamic-behavior-override"
    )
    overriding_instructions: bool
    overriding_tool_candidates: bool


class EngagementOverridden(Action):
    type: Literal["engage-user-dynamic-behavior-override"] = "engage-user-dynamic-behavior-override"
    overriding_instructions: bool
    overriding_tool_candidates: bool


class MessageFragmentGenerated(Action):
    type: Literal["engage-user-message-fragment-generated"] = "engage-user-message-fragment-generated"
    index: int
    fragment: str
    is_final: bool


class ActionTooLong(Action):
    """A filler. The service sends it; agents do not."""

    type: Literal["action-too-long"] = "action-too-long"
    filler: str
    """Base64 of a WAV (mono, 16 bit, 16 kHz) in voice responses where there is sound, else text."""
    previously_started_event: Any = None
    """The action that takes long; null: none was begun."""


AnyAction = Annotated[
    ToolCallStarted
    | ToolCallEnded
    | DesignatedToolRetrieved
    | DesignatedToolCallParamsGenerated
    | ToolOutputAvailable
    | DecisionStarted
    | ExitConditionSelected
    | ReflectionStarted
    | ReflectionGenerated
    | StateTransitioned
    | ActionSelected
    | AnnotationRetrieved
    | DynamicQueriesGenerated
    | StaticQueriesRetrieved
    | RecalledMemoryRetrieved
    | MemoryNeedChecked
    | MemoriesExtracted
    | BehaviorVectorGenerated
    | BehaviorRelevanceRetrieved
    | BehaviorSelected
    | NavigationOverridden
    | EngagementOverridden
    | MessageFragmentGenerated
    | ActionTooLong,
    Field(discriminator="type"),
]


class Sites:
    """Follows which sites an agent is in: a pure account of its actions. Several spans of a site may overlap."""

    def __init__(self) -> None:
        self._open: list[tuple[str, Action]] = []

    @property
    def latest(self) -> Action | None:
        """The action that began the span that was entered last, and goes on."""
        return self._open[-1][1] if self._open else None

    def take(self, action: Action) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Take in what the agent did; return the names of the sites that it left for good, and of those it entered."""
        before = {site for site, _ in self._open}
        match action:
            case ToolCallStarted(tool_id=tool):
                self._open.append((tool, action))
            case ToolCallEnded(tool_id=tool) | ToolOutputAvailable(tool_id=tool):
                self._leave(tool)
            case DesignatedToolRetrieved(tool_id=tool):
                self._open.append((f"params:{tool}", action))
            case DesignatedToolCallParamsGenerated(tool_id=tool):
                self._leave(f"params:{tool}")
                self._open.append((tool, action))
            case DecisionStarted(state=state):
                self._open.append((f"decision:{state}", action))
            case ReflectionStarted(state=state):
                self._open.append((f"reflection:{state}", action))
            case ExitConditionSelected():
                self._open = [entry for entry in self._open if not entry[0].startswith("decision:")]
            case ReflectionGenerated():
                self._open = [entry for entry in self._open if not entry[0].startswith("reflection:")]
        after = {site for site, _ in self._open}
        return tuple(sorted(before - after)), tuple(sorted(after - before))

    def _leave(self, site: str) -> None:
        """End the span of *site* that was entered first."""
        for place, (name, _) in enumerate(self._open):
            if name == site:
                del self._open[place]
                return

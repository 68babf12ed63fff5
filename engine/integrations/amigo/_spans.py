"""What of the agent's actions takes time: a tool, its parameters, a decision, a reflection, each under a name.

A span's name is what ``[tools."…"]`` tables of the configuration and the learned waits go by:

=====================  =============================================================================================
a tool's call          the tool's id, or the name that the caller gives it
its parameters         ``params:`` and that id or name
a decision             ``decision`` (its event names no state)
a reflection           ``reflection`` (likewise)
=====================  =============================================================================================
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ._events import (
    ActionTooLong,
    DecisionStarted,
    Event,
    ExitConditionSelected,
    MessageFragment,
    NewMessage,
    ReflectionGenerated,
    ReflectionStarted,
    StateTransitioned,
    ToolCallEnded,
    ToolCallStarted,
    ToolOutputAvailable,
    ToolParamsGenerated,
    ToolRetrieved,
)
from ._parse import parse_event

DECISION = "decision"
REFLECTION = "reflection"
PARAMS = "params"
UNNAMED = "tool"
"""A tool whose event has no id."""

Started = DecisionStarted | ReflectionStarted | ToolRetrieved | ToolCallStarted
"""Events that begin a span."""


@dataclass(frozen=True, slots=True)
class Step:
    """A span begins or ends."""

    milestone: Literal["tool_started", "tool_ended"]
    name: str


class Spans:
    """Follows the spans of one interaction.

    Args:
        names: Names of tools by their ids.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._open: list[str] = []
        self._presumed: set[str] = set()
        """Open ones whose begin was concluded, not told: tools whose parameters are there."""
        self._seen: set[str] = set()
        self._answered: set[str] = set()
        """Tools of which ``tool-call-ended`` has come since their parameters were there."""

    def name(self, event: Started | ToolParamsGenerated | ToolOutputAvailable | ToolCallEnded) -> str:
        """Return the name of the span that *event* is about."""
        match event:
            case DecisionStarted():
                return DECISION
            case ReflectionStarted():
                return REFLECTION
            case ToolRetrieved():
                return f"{PARAMS}:{self._tool(event.tool_id)}" if event.tool_id else PARAMS
        return self._tool(event.tool_id)

    def take(self, event: Event) -> list[Step]:
        """Return the steps that *event* tells, in order."""
        return list(self._steps(event))

    def _steps(self, event: Event) -> Iterator[Step]:
        match event:
            case DecisionStarted() | ReflectionStarted() | ToolRetrieved():
                name = self.name(event)
                yield from self._end(name)
                yield self._start(name)
            case ExitConditionSelected():
                yield from self._end(DECISION)
            case ReflectionGenerated():
                yield from self._end(REFLECTION)
            case StateTransitioned():
                yield from self._end(DECISION)
                yield from self._end(REFLECTION)
            case ToolParamsGenerated():
                yield from self._end(self.name(ToolRetrieved(event.tool_id, "")))
                tool = self.name(event)
                self._answered.discard(tool)
                if tool not in self._open:
                    self._presumed.add(tool)
                    yield self._start(tool)
            case ToolCallStarted():
                tool = self.name(event)
                if tool in self._presumed:
                    self._presumed.discard(tool)
                else:
                    yield self._start(tool)
            case ToolCallEnded():
                tool = self.name(event)
                self._answered.add(tool)
                yield from self._end(tool, always=True)
            case ToolOutputAvailable():
                tool = self.name(event)
                told_before = tool in self._answered and tool not in self._open
                self._answered.discard(tool)
                yield from self._end(tool, always=not told_before)
            case ActionTooLong():
                started = parse_event(event.previously_started_event)
                if isinstance(started, Started) and self.name(started) not in self._seen:
                    yield self._start(self.name(started))  # its own event was filtered out
            case MessageFragment() | NewMessage():
                for name in [n for n in self._open if n in self._presumed or not self._is_tool(n)]:
                    yield from self._end(name)

    def _start(self, name: str) -> Step:
        self._open.append(name)
        self._seen.add(name)
        return Step("tool_started", name)

    def _end(self, name: str, *, always: bool = False) -> Iterator[Step]:
        """End the span *name* if it is open; *always*: also if its begin was not told, for its end is news."""
        self._presumed.discard(name)
        if name in self._open:
            self._open.remove(name)
        elif not always:
            return
        yield Step("tool_ended", name)

    def _tool(self, id: str) -> str:
        return self._names.get(id, id) or UNNAMED

    def _is_tool(self, name: str) -> bool:
        return name not in (DECISION, REFLECTION, PARAMS) and not name.startswith(f"{PARAMS}:")

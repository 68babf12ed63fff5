"""What is known of a turn, and by which tables it is predicted and learned."""

from dataclasses import dataclass

from ._snapshot import Key


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a turn when its wait is predicted.

    The number of words the user said is left out: on the second half of ``voice_mixed_dev`` (learning goes on from
    the first) a level of the back-off per octave of words changes the pinball loss from 0.299 to 0.301 s, per half
    octave to 0.299 s; in ``web_search_dev`` from 0.228 to 0.222 and 0.234 s.
    """

    agent: str | None = None
    """Agent or model."""
    tool: str | None = None
    """The tool that runs, from its start on."""
    again: bool = False
    """A further wait of the turn, after a spoken preamble."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One observed wait, from a milestone to the first audio of the reply being available."""

    milestone: str
    context: Context
    """As it was known at the milestone."""
    wait_s: float
    ended: bool
    """False: cut off (cancelled, barged in) at that time, the reply had not come."""
    next_s: float | None = None
    """s from the milestone to the next one within the wait; None: none came."""


def inside(lesson: Lesson) -> float | None:
    """Return the time of the next milestone, if it lies within the wait."""
    return lesson.next_s if lesson.next_s is not None and 0.0 <= lesson.next_s <= lesson.wait_s else None


def keys_of(milestone: str, context: Context) -> tuple[Key, ...]:
    """Return the back-off chain, most special first.

    While a tool runs its name says most (in measured search tools it explains 89 % of the logarithm's variance);
    everywhere else the agent's does.
    """
    root = (f"again {milestone}" if context.again else milestone,)
    if milestone == "tool_started" and context.tool is not None:
        by_tool = (*root, f"tool {context.tool}")
        return ((*by_tool, f"agent {context.agent}"), by_tool, root) if context.agent else (by_tool, root)
    return ((*root, f"agent {context.agent}"), root) if context.agent is not None else (root,)

"""What is known of a turn, and by which tables it is predicted and learned."""

from dataclasses import dataclass

from ._snapshot import Key


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a turn when its wait is predicted.

    The number of words the user said is left out: a further level of the back-off for each octave of them makes the
    pinball loss at time 0 worse by 0.3 % in ``voice_mixed_dev`` and by 0.4 % in ``web_search_dev``, for each half
    octave by 0.4 and 0.9 %, though contexts lean on their parents as much as they are alike (`Leaning`).
    """

    agent: str | None = None
    """Agent or model."""
    tool: str | None = None
    """The tool that runs, from its start on."""
    again: bool = False
    """A further wait of the turn, after a spoken preamble."""
    prompt: int | None = None
    """The octave of the prompt's size: 2^prompt tokens, up to twice as many. Time to the first token grows about
    linearly with the prompt (epoch-research/ttft-latency-scaling: 1 s at 50,000 tokens, 11 to 24 s at 850,000 to
    900,000)."""


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
    everywhere else the agent's does, and below it the prompt's size.
    """
    root = (f"again {milestone}" if context.again else milestone,)
    if milestone == "tool_started" and context.tool is not None:
        by_tool = (*root, f"tool {context.tool}")
        return ((*by_tool, f"agent {context.agent}"), by_tool, root) if context.agent else (by_tool, root)
    chain = [root] if context.agent is None else [(*root, f"agent {context.agent}"), root]
    return tuple(chain if context.prompt is None else [(*chain[0], f"prompt {context.prompt}"), *chain])


def octave(tokens: int) -> int:
    """Return the octave of a prompt of *tokens* > 0 tokens."""
    return tokens.bit_length() - 1

"""The state of a turn: what is known, what runs, what can be learned. Reads no clock, plays nothing."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from ...fillers import UsageError
from ..prediction import Context, Lesson, octave

MILESTONES = (
    "speech_ended",
    "turn_committed",
    "transcript_final",
    "llm_started",
    "first_token",
    "tool_started",
    "tool_ended",
    "tts_started",
)
ANNOUNCING = ("first_token", "tts_started")
"""Milestones that announce the reply: a filler may make way at its next cut mark."""
WAITING_AGAIN = "waiting_again"
"""The clock of a further wait that no tool explains: it starts when the spoken preamble has ended."""

Status = Literal["tentative", "waiting", "replying", "ended"]


@dataclass(frozen=True, slots=True)
class News:
    """A milestone that was reached."""

    name: str
    at: float
    context: Context
    tool: str | None


@dataclass(slots=True)
class Wait:
    """From `began_at` until the reply is available."""

    began_at: float
    available_at: float | None = None
    heard_at: float | None = None
    held_back_s: float | None = None
    news: list[News] = field(default_factory=list)


class TurnState:
    """Follows one turn through its waits.

    Args:
        speech_ended_at: s. Time 0.
        agent: Agent or model.
        tentative: The end of speech is not confirmed yet.
        prompt_tokens: Size of the prompt that is to be answered; None: not known.
    """

    def __init__(
        self, *, speech_ended_at: float, agent: str | None, tentative: bool, prompt_tokens: int | None = None
    ) -> None:
        self.speech_ended_at = speech_ended_at
        self.agent = agent
        self._prompt = None if prompt_tokens is None else octave(prompt_tokens)
        self.status: Status = "tentative" if tentative else "waiting"
        self.waits = [Wait(speech_ended_at)]
        self._notes: dict[str, int] = {}
        self._tools: list[tuple[str | None, float]] = []
        self._add("speech_ended", speech_ended_at, None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Calls that came out of order, each with how often."""
        return tuple(text if count == 1 else f"{text} ({count} times)" for text, count in self._notes.items())

    def note(self, text: str) -> None:
        """Remember a call that came out of order."""
        self._notes[text] = self._notes.get(text, 0) + 1

    @property
    def wait(self) -> Wait:
        """The present wait, or the last one."""
        return self.waits[-1]

    @property
    def open(self) -> bool:
        """Whether the reply of the present wait is still pending."""
        return self.status in ("tentative", "waiting")

    @property
    def tool_started_at(self) -> float | None:
        """When the running tool started; None if none runs."""
        return self._tools[-1][1] if self._tools else None

    @property
    def context(self) -> Context:
        """What predictions may know."""
        tool = self._tools[-1][0] if self._tools else None
        return Context(agent=self.agent, tool=tool, again=len(self.waits) > 1, prompt=self._prompt)

    @property
    def latest(self) -> News:
        """The milestone whose clock is the best to predict by: the last one, or the start of the tool that runs on."""
        last = self.wait.news[-1]
        if last.name == "tool_ended" and self._tools:
            running = [n for w in self.waits for n in w.news if n.name == "tool_started" and n.at == self._tools[-1][1]]
            return running[-1] if running else last
        return last

    def milestone(self, name: str, at: float, tool: str | None = None) -> bool:
        """Take in a milestone; return whether it changes what is known of a pending reply.

        After the reply was available it is noted and changes nothing.

        Raises:
            UsageError: if *name* is no milestone.
        """
        if name not in MILESTONES:
            raise UsageError(f"{name!r} is no milestone; use one of {', '.join(MILESTONES)}")
        if name == "tool_started":
            self._tools.append((tool, at))
        elif name == "tool_ended":
            self._tool_ended(tool)
        if self.status == "ended":
            self.note(f"milestone {name} after the turn's end: ignored")
            return False
        if not self.open:
            if name not in ("tool_started", "tool_ended"):
                self.note(f"milestone {name} after the reply: ignored")
            return False
        self._add(name, at, tool)
        return True

    def reply_available(self, now: float) -> bool:
        """Note that reply audio exists; return whether it is the first of its wait."""
        if not self.open:
            return False
        self.status = "replying"
        self.wait.available_at = now
        return True

    def wait_again(self, began_at: float) -> None:
        """Open a further wait, which begins when the reply so far has been heard, at *began_at*."""
        self.status = "waiting"
        self.waits.append(Wait(began_at))
        if self._tools:
            name, started_at = self._tools[-1]
            self.wait.news.append(News("tool_started", started_at, self.context, name))
        else:
            self._add(WAITING_AGAIN, began_at, None)

    def wait_began(self, at: float) -> None:
        """Take in that the present wait really began at *at*: until then that was an estimate."""
        self.wait.began_at = at
        if self.wait.news[0].name == WAITING_AGAIN:
            self.wait.news[0] = replace(self.wait.news[0], at=at)

    def end(self) -> None:
        self.status = "ended"

    def lessons(self, cut_off_at: float | None) -> list[Lesson]:
        """Return what the turn teaches: from each milestone to the reply's *availability*.

        Args:
            cut_off_at: s. When a wait still open was cut off by a cancellation or barge-in: it is censored.
                None: an open wait teaches nothing.
        """
        lessons = []
        for wait in self.waits:
            end = wait.available_at if wait.available_at is not None else cut_off_at
            if end is not None:
                ended = wait.available_at is not None
                soonest = -math.inf if wait is self.waits[0] else 0.0  # a reply may come while the preamble sounds
                nexts = [n.at for n in wait.news[1:]] + [math.inf]
                lessons += [
                    Lesson(n.name, n.context, max(end - n.at, soonest), ended, later - n.at if later <= end else None)
                    for n, later in zip(wait.news, nexts, strict=True)
                ]
        return lessons

    def _add(self, name: str, at: float, tool: str | None) -> None:
        self.wait.news.append(News(name, at, self.context, tool))

    def _tool_ended(self, tool: str | None) -> None:
        for place in reversed(range(len(self._tools))):
            if tool is None or self._tools[place][0] == tool:
                del self._tools[place]
                return
        self.note(f"tool_ended for {tool or 'a tool'}, which was not running")

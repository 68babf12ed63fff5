"""Who may yet answer the user: what an `AgentSession` generates, and what its agents do before that."""

import contextlib
from collections.abc import Iterator
from typing import Any

from livekit.agents import Agent, AgentSession
from livekit.agents.voice import SpeechHandle


def in_charge(session: AgentSession[Any]) -> Agent | None:
    """Return the agent that *session* talks through now; None: it has not started, or is over."""
    try:
        return session.current_agent
    except RuntimeError:
        return None


class Answers:
    """Keeps the speeches, tools and hooks of a session that are not over.

    An agent that hands the conversation to another one from within a tool, and waits for that one's result
    (``AgentTask``), has a speech that is not over and answers nobody meanwhile: it is suspended.

    Args:
        session: Whose.
    """

    def __init__(self, session: AgentSession[Any]) -> None:
        self._session = session
        self.speeches: set[SpeechHandle] = set()
        """All that are not over, be they answers or not."""
        self._speeches: dict[str, tuple[SpeechHandle, Agent | None]] = {}
        self._calls: dict[str, Agent | None] = {}
        self._hooks: list[tuple[Agent, str]] = []

    def said(self, speech: SpeechHandle) -> None:
        """*speech* was created, whatever for."""
        self.speeches.add(speech)
        speech.add_done_callback(self.speeches.discard)

    def created(self, speech: SpeechHandle) -> None:
        """The agent in charge has begun to generate *speech*."""
        self._speeches[speech.id] = speech, in_charge(self._session)

    def over(self, speech: SpeechHandle) -> None:
        """It is over, with all its tools."""
        self._speeches.pop(speech.id, None)

    def tool_started(self, call: str) -> None:
        """A tool of the agent in charge runs, for the call with the id *call*."""
        self._calls[call] = in_charge(self._session)

    def tool_ended(self, call: str) -> None:
        """It does not any more."""
        self._calls.pop(call, None)

    @contextlib.contextmanager
    def hook(self, agent: Agent, name: str) -> Iterator[None]:
        """Within it the hook *name* of *agent* runs."""
        running = agent, name
        self._hooks.append(running)
        try:
            yield
        finally:
            self._hooks.remove(running)

    def hook_runs(self, *names: str) -> bool:
        """Return whether one of those hooks of the agent in charge runs."""
        agent = in_charge(self._session)
        return any(running is agent and name in names for running, name in self._hooks)

    def suspended(self, speech: SpeechHandle) -> bool:
        """Return whether *speech* waits for a tool that has given the conversation to another agent."""
        agent = self._speeches.get(speech.id, (speech, None))[1]
        handed_over = agent is not None and agent is not in_charge(self._session)
        return handed_over and any(caller is agent for caller in self._calls.values())

    def was_handed_over(self, speech: SpeechHandle) -> bool:
        """Return whether the conversation has gone to another agent since *speech* was created."""
        agent = self._speeches.get(speech.id, (speech, None))[1]
        return agent is not None and agent is not in_charge(self._session)

    @property
    def unfinished(self) -> bool:
        """Whether a speech that the session has taken is not over, be it suspended, or no answer."""
        return any(live(speech) for speech in self.speeches)

    @property
    def next(self) -> SpeechHandle | None:
        """The speech that the session will play, or goes on with; None: there is none."""
        candidates = [speech for speech, _ in self._speeches.values() if live(speech) and not self.suspended(speech)]
        return candidates[-1] if candidates else None

    @property
    def pending(self) -> bool:
        """Whether there is one, or a hook runs after which there may be."""
        return self.next is not None or self.hook_runs("on_user_turn_completed", "on_enter")

    @property
    def words_due(self) -> bool:
        """Whether the session is to say anything, be it no answer."""
        return any(live(speech) and not self.suspended(speech) for speech in self.speeches)


def live(speech: SpeechHandle) -> bool:
    """Return whether *speech* was taken to be played, and is not over."""
    return bool(speech.scheduled and not speech.done() and not speech.interrupted)

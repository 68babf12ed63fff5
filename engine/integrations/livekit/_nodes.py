"""An agent's pipeline nodes, watched: the author's own as well as the framework's."""

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, Protocol

from livekit.agents import Agent, StopResponse, llm

NODES = ("llm_node", "tts_node", "on_user_turn_completed")


class NodeListener(Protocol):
    """Is told what the nodes do; must not raise."""

    def node_news(self, name: str) -> None:
        """Take in a milestone, which is now: ``llm_started``, ``first_token``, ``tts_started``."""
        ...

    def user_turn_completed(self) -> None:
        """Take in that the user's turn is over: the agent may think about it before it generates a reply."""
        ...

    def reply_refused(self) -> None:
        """Take in that the agent does not answer."""
        ...


class NodeWatch:
    """Wraps the nodes of agents, on the instances: whatever their classes override is watched.

    Args:
        listener: Is told.
    """

    def __init__(self, listener: NodeListener) -> None:
        self._listener = listener
        self._watched: list[tuple[Agent, dict[str, Any]]] = []

    def watch(self, agent: Agent) -> None:
        """Watch *agent*, if that is not done yet."""
        if any(agent is watched for watched, _ in self._watched):
            return
        own = {name: vars(agent)[name] for name in NODES if name in vars(agent)}
        self._watched.append((agent, own))
        setattr(agent, "llm_node", self._llm(agent.llm_node))  # noqa: B010 - mypy: no assignment to a method
        setattr(agent, "tts_node", self._tts(agent.tts_node))  # noqa: B010
        setattr(agent, "on_user_turn_completed", self._turn(agent.on_user_turn_completed))  # noqa: B010

    def watches(self, agent: object) -> bool:
        return any(agent is watched for watched, _ in self._watched)

    def release(self) -> None:
        """Leave all agents as they were."""
        for agent, own in self._watched:
            for name in NODES:
                vars(agent).pop(name, None)
            vars(agent).update(own)
        self._watched.clear()

    def _llm(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def llm_node(*args: Any, **kwargs: Any) -> Any:
            self._listener.node_news("llm_started")
            result = inner(*args, **kwargs)
            if inspect.isawaitable(result):
                result = await result
            if isinstance(result, AsyncIterable):
                return self._told(result, "first_token")
            if says(result):
                self._listener.node_news("first_token")
            return result

        return llm_node

    def _tts(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def tts_node(text: AsyncIterable[str], *args: Any, **kwargs: Any) -> Any:
            return inner(self._told(text, "tts_started"), *args, **kwargs)

        return tts_node

    def _turn(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def on_user_turn_completed(*args: Any, **kwargs: Any) -> Any:
            self._listener.user_turn_completed()
            try:
                return await inner(*args, **kwargs)
            except StopResponse:
                self._listener.reply_refused()
                raise

        return on_user_turn_completed

    async def _told(self, items: AsyncIterable[Any], name: str) -> AsyncIterator[Any]:
        """Yield what *items* does; the first one that says something is news."""
        told = False
        try:
            async for item in items:
                if not told and says(item):
                    told = True
                    self._listener.node_news(name)
                yield item
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()


def says(item: object) -> bool:
    """Return whether *item* is text that will be spoken: a call of a tool is not, nor is a chunk that counts tokens."""
    if isinstance(item, llm.ChatChunk):
        return item.delta is not None and bool(item.delta.content)
    return isinstance(item, str) and bool(item)

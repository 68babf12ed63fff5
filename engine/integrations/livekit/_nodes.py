"""An agent's pipeline nodes and hooks, watched: the author's own as well as the framework's."""

import inspect
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from livekit.agents import Agent, llm

NODES = ("llm_node", "tts_node", "on_user_turn_completed", "on_enter")


class NodeListener(Protocol):
    """Is told what the nodes do; must not raise."""

    def node_news(self, name: str) -> None:
        """Take in a milestone, which is now: ``llm_started``, ``first_token``, ``tts_started``."""
        ...

    def hook(self, agent: Agent, name: str) -> AbstractContextManager[None]:
        """Return what is open while a hook of *agent* runs, after which it may answer."""
        ...

    def user_turn_completed(self) -> None:
        """Take in that the user's turn is over: the agent may think about it before it generates a reply."""
        ...

    def reply_refused(self) -> None:
        """Take in that the agent does not answer: it does not want to, or its hook has failed."""
        ...


class NodeWatch:
    """Wraps the nodes of agents, on the instances: whatever their classes override is watched.

    Agents are not kept: a conversation that is handed from one to the next leaves none behind.

    Args:
        listener: Is told.
    """

    def __init__(self, listener: NodeListener) -> None:
        self._listener: NodeListener | None = listener
        self._watched: list[weakref.ref[Agent]] = []

    def watch(self, agent: Agent) -> None:
        """Watch *agent*, if that is not done yet."""
        self._watched = [watched for watched in self._watched if watched() is not None]
        if any(watched() is agent for watched in self._watched):
            return
        self._watched.append(weakref.ref(agent))
        of = weakref.ref(agent)
        self._put(agent, "llm_node", self._llm(agent.llm_node))
        self._put(agent, "tts_node", self._tts(agent.tts_node))
        self._put(agent, "on_user_turn_completed", self._turn(agent.on_user_turn_completed, of))
        self._put(agent, "on_enter", self._enter(agent.on_enter, of))

    def release(self) -> None:
        """Leave all agents as they were; what others have put over a node since stays, and tells nothing any more."""
        self._listener = None
        for watched in self._watched:
            agent = watched()
            for name in NODES if agent is not None else ():
                node = vars(agent).get(name)
                if getattr(node, "_stopgap", None) is not self:
                    continue
                del vars(agent)[name]
                if node._stopgap_over is not None:  # type: ignore[union-attr]
                    vars(agent)[name] = node._stopgap_over  # type: ignore[union-attr]
        self._watched.clear()

    def _put(self, agent: Agent, name: str, node: Any) -> None:
        node._stopgap, node._stopgap_over = self, vars(agent).get(name)
        vars(agent)[name] = node

    def _news(self, name: str) -> None:
        if self._listener is not None:
            self._listener.node_news(name)

    def _llm(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def llm_node(*args: Any, **kwargs: Any) -> Any:
            self._news("llm_started")
            result = inner(*args, **kwargs)
            if inspect.isawaitable(result):
                result = await result
            if isinstance(result, AsyncIterable):
                return self._told(result, "first_token")
            if says(result):
                self._news("first_token")
            return result

        return llm_node

    def _tts(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def tts_node(text: AsyncIterable[str], *args: Any, **kwargs: Any) -> Any:
            return inner(self._told(text, "tts_started"), *args, **kwargs)

        return tts_node

    def _turn(self, inner: Callable[..., Any], of: "weakref.ref[Agent]") -> Callable[..., Any]:
        async def on_user_turn_completed(*args: Any, **kwargs: Any) -> Any:
            listener, agent = self._listener, of()
            if listener is None or agent is None:
                return await inner(*args, **kwargs)
            listener.user_turn_completed()
            try:
                with listener.hook(agent, "on_user_turn_completed"):
                    return await inner(*args, **kwargs)
            except BaseException:  # the framework goes on without a reply, whatever it was
                listener.reply_refused()
                raise

        return on_user_turn_completed

    def _enter(self, inner: Callable[..., Any], of: "weakref.ref[Agent]") -> Callable[..., Any]:
        async def on_enter(*args: Any, **kwargs: Any) -> Any:
            listener, agent = self._listener, of()
            if listener is None or agent is None:
                return await inner(*args, **kwargs)
            with listener.hook(agent, "on_enter"):
                return await inner(*args, **kwargs)

        return on_enter

    async def _told(self, items: AsyncIterable[Any], name: str) -> AsyncIterator[Any]:
        """Yield what *items* does; the first one that says something is news."""
        told = False
        try:
            async for item in items:
                if not told and says(item):
                    told = True
                    self._news(name)
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

"""An `AgentSession`'s events, as news for a conversation."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from livekit.agents import (
    Agent,
    AgentFalseInterruptionEvent,
    AgentSession,
    AgentStateChangedEvent,
    CloseEvent,
    ConversationItemAddedEvent,
    FunctionToolsExecutedEvent,
    SpeechCreatedEvent,
    UserInputTranscribedEvent,
    UserStateChangedEvent,
    llm,
)
from livekit.agents.voice.events import ToolCallEnded, ToolCallStarted, ToolExecutionUpdatedEvent, ToolReplyUpdated

from ._answers import in_charge
from ._chain import ReplyChain
from ._conversation import Conversation
from ._nodes import NodeWatch

SILENT_S = 0.1
"""s after the agent's last word, within which its speech is over if nothing more comes of it."""
LATE_S = 10.0
"""s by which an event may tell of the past; more is a clock that was set."""


class SessionEvents:
    """Subscribes to an `AgentSession`. What its handlers raise never reaches the session.

    Args:
        agent_session: Whose events.
        conversation: Is told.
        watch_nodes: Whether the agents' pipeline nodes are watched, too.
        on_close: Called when the session has closed.
    """

    def __init__(
        self,
        agent_session: AgentSession[Any],
        conversation: Conversation,
        *,
        watch_nodes: bool,
        on_close: Callable[[], None],
    ) -> None:
        self._session, self._conversation, self._on_close = agent_session, conversation, on_close
        self._nodes = NodeWatch(self) if watch_nodes else None
        self._chain = ReplyChain(agent_session, conversation)
        self._handlers: dict[str, Callable[[Any], None]] = {
            name: self._guarded(handler)
            for name, handler in (
                ("user_state_changed", self._user_state),
                ("agent_state_changed", self._agent_state),
                ("user_input_transcribed", self._transcribed),
                ("speech_created", self._speech_created),
                ("conversation_item_added", self._item_added),
                ("tool_execution_updated", self._tool),
                ("function_tools_executed", self._tools_executed),
                ("agent_false_interruption", self._false_interruption),
                ("close", self._close),
            )
        }
        for name, handler in self._handlers.items():
            agent_session.on(name, handler)  # type: ignore[arg-type]
        self.watch_agent()

    def release(self) -> None:
        """Hear nothing any more."""
        for name, handler in self._handlers.items():
            self._session.off(name, handler)  # type: ignore[arg-type]
        if self._nodes is not None:
            self._nodes.release()

    def watch_agent(self) -> None:
        """Watch the nodes of the agent that is in charge now."""
        agent = in_charge(self._session)
        if self._nodes is not None and agent is not None:
            self._nodes.watch(agent)

    def _guarded(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        def guarded(event: Any) -> None:
            self._conversation.guarded(lambda: handler(event))

        return guarded

    # The user ----------------------------------------------------------------------------------------------------

    def _user_state(self, event: UserStateChangedEvent) -> None:
        conversation, watch = self._conversation, self._conversation.watch
        if event.new_state == "speaking":
            conversation.do(watch.user_started())
        elif event.old_state == "speaking":
            conversation.do(watch.user_stopped(self._at(event.created_at)))
            conversation.user_paused()

    def _transcribed(self, event: UserInputTranscribedEvent) -> None:
        if not event.is_final:
            return
        conversation = self._conversation
        conversation.hears(event.language)
        conversation.do(conversation.watch.transcript_final(conversation.now()))

    def _item_added(self, event: ConversationItemAddedEvent) -> None:
        item, conversation = event.item, self._conversation
        if isinstance(item, llm.AgentHandoff):  # and the agent has not entered yet
            self.watch_agent()
            self._chain.handed_over()
        if not isinstance(item, llm.ChatMessage) or item.role != "user":
            return
        delay_s = item.metrics.get("end_of_turn_delay")
        if delay_s is not None:
            conversation.counts["end_of_turn_delay_ms"] = 1000.0 * delay_s
        if not isinstance(self._session.llm, llm.RealtimeModel):  # which tells of it after it has answered
            if conversation.watch.phase == "idle" or self._nodes is None:
                answered = self._chain.answering
                conversation.do(conversation.watch.user_committed(conversation.now(), answered=answered))
            conversation.do(conversation.watch.answering())

    # The agent ---------------------------------------------------------------------------------------------------

    def _agent_state(self, event: AgentStateChangedEvent) -> None:
        conversation, watch = self._conversation, self._conversation.watch
        conversation.place()
        self.watch_agent()
        if event.new_state == "thinking" and (watch.phase != "replying" or self._silent):
            conversation.do(watch.thinking(conversation.now()))
        elif event.new_state == "speaking":
            conversation.replied()
        elif event.old_state == "speaking":
            conversation.later("silent", SILENT_S, self._fell_silent)

    @property
    def _silent(self) -> bool:
        """Whether all of the agent's speech was heard."""
        output = self._conversation.output
        return output is None or output.idle

    def _fell_silent(self) -> None:
        watch, chain = self._conversation.watch, self._chain
        if not self._silent or self._session.agent_state == "speaking":
            return
        if chain.goes_on:
            self._conversation.do(watch.agent_paused())
        elif chain.gave_the_turn:
            self._conversation.do(watch.turn_given())

    def _speech_created(self, event: SpeechCreatedEvent) -> None:
        conversation, watch = self._conversation, self._conversation.watch
        conversation.place()
        self.watch_agent()
        conversation.answers.said(event.speech_handle)
        if event.source != "generate_reply":
            return
        self._chain.created(event)
        if not event.user_initiated:  # a realtime model has begun to answer
            conversation.do(watch.thinking(conversation.now()))

    def _tool(self, event: ToolExecutionUpdatedEvent) -> None:
        conversation, watch, update = self._conversation, self._conversation.watch, event.update
        if isinstance(update, ToolCallStarted):
            call = update.function_call
            conversation.answers.tool_started(call.call_id)
            conversation.do(watch.tool_started(call.call_id, call.name, conversation.now()))
        elif isinstance(update, ToolCallEnded):
            conversation.answers.tool_ended(update.call_id)
            conversation.do(watch.tool_ended(update.call_id, conversation.now()))
        elif isinstance(update, ToolReplyUpdated):
            self._chain.reply_scheduled(update)

    def _tools_executed(self, event: FunctionToolsExecutedEvent) -> None:
        self._chain.tools_executed(event)

    def _false_interruption(self, _: AgentFalseInterruptionEvent) -> None:
        if self._session.stt is None:  # else it comes at once, and a transcript that interrupts comes after it
            self._conversation.do(self._conversation.watch.false_alarm())

    def _close(self, _: CloseEvent) -> None:
        self._on_close()

    # The nodes ---------------------------------------------------------------------------------------------------

    def node_news(self, name: str) -> None:
        """See `NodeListener`."""
        conversation = self._conversation
        conversation.guarded(lambda: conversation.do(conversation.watch.node_news(name, conversation.now())))

    def hook(self, agent: Agent, name: str) -> AbstractContextManager[None]:
        """See `NodeListener`."""
        return self._conversation.answers.hook(agent, name)

    def user_turn_completed(self) -> None:
        """See `NodeListener`."""
        conversation = self._conversation
        conversation.guarded(lambda: conversation.do(conversation.watch.user_committed(conversation.now())))

    def reply_refused(self) -> None:
        """See `NodeListener`."""
        self._conversation.guarded(self._chain.refused)

    def _at(self, wall_at: float) -> float:
        """Return *wall_at*, s of the wall clock, on the manager's: the two are compared now, and never again."""
        late_s = time.time() - wall_at
        return self._conversation.now() - (min(max(late_s, 0.0), LATE_S) if math.isfinite(late_s) else 0.0)

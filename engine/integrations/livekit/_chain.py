"""Follows a reply from one speech to the next: handoffs, tasks, tools that answer later."""

from typing import Any

from livekit.agents import AgentSession, FunctionToolsExecutedEvent, SpeechCreatedEvent, llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.events import ToolReplyUpdated

from ._answers import in_charge
from ._conversation import Conversation
from ._turns import GIVE_UP_S

LOOK_S = 0.1
"""s between two looks at whether another speech answers."""
GRACE_S = 0.5
"""s after the end of a speech that has not answered, within which one that was suspended goes on."""
HANDOFF_S = 3.0
"""s in which the agent that a conversation was handed to enters it."""


class ReplyChain:
    """Knows which speech answers the user.

    One that ends without a reply may not be the end: the conversation was handed to an agent that answers when it
    enters, a task has given its result to the speech that waited for it, or a realtime model makes an answer of a
    tool's result by itself. So the turn is kept for a while, and whatever answers next is taken for its reply.

    Args:
        session: Of the framework.
        conversation: Is told.
    """

    def __init__(self, session: AgentSession[Any], conversation: Conversation) -> None:
        self._session, self._conversation = session, conversation
        self._answers = conversation.answers
        self._speech: SpeechHandle | None = None
        """The speech that was created last to answer."""
        self._answers_itself = False
        """Whether the model makes an answer of a tool's result without being asked."""
        self._lost_at = self._until = 0.0

    @property
    def answering(self) -> bool:
        """Whether a speech that was created to answer is not over."""
        return self._speech is not None and not self._speech.done()

    @property
    def goes_on(self) -> bool:
        """Whether more of a reply is to come, now that the agent has fallen silent."""
        speech, answers = self._speech, self._answers
        if answers.hook_runs("on_user_turn_completed"):
            return True
        if speech is None or speech.done() or speech.interrupted:
            return False
        return answers.next is not None if answers.suspended(speech) else True

    @property
    def gave_the_turn(self) -> bool:
        """Whether nothing more comes before the user has spoken: what answers waits for that, or there is nothing."""
        speech = self._speech
        if speech is None or speech.done():
            return not self._conversation.watch.by_hand
        return self._answers.suspended(speech)

    def created(self, event: SpeechCreatedEvent) -> None:
        """A speech was created that may answer."""
        conversation, watch = self._conversation, self._conversation.watch
        speech, before = event.speech_handle, self._speech
        instead = before is None or before.interrupted or before.done() or self._answers.suspended(before)
        self._answers.created(speech)
        conversation.do(watch.generating(speech.id, instead=instead))
        if watch.speech in (None, speech.id):
            self._speech = speech
        speech.add_done_callback(self._over)

    def tools_executed(self, event: FunctionToolsExecutedEvent) -> None:
        """Tools are done, before what is made of their results."""
        agent = in_charge(self._session)
        models = (None if agent is None else agent.llm, self._session.llm)
        model = next((model for model in models if isinstance(model, llm.RealtimeModel)), None)
        by_itself = model is not None and model.capabilities.auto_tool_reply_generation
        self._answers_itself = by_itself and event.has_tool_reply

    def reply_scheduled(self, update: ToolReplyUpdated) -> None:
        """A tool that went on while the conversation did has a result, and the agent is to tell it."""
        conversation = self._conversation
        if update.status == "scheduled":
            conversation.do(conversation.watch.reply_due(conversation.now(), update.speech_id))

    def handed_over(self) -> None:
        """Another agent is in charge."""
        self._until = max(self._until, self._conversation.now() + HANDOFF_S)

    def refused(self) -> None:
        """A hook has ended without wanting a reply."""
        conversation = self._conversation
        conversation.do(conversation.watch.refused(goes_on=self._answers.unfinished))
        self._look_on(0.0)

    def _over(self, speech: SpeechHandle) -> None:
        conversation = self._conversation
        patience_s = HANDOFF_S if self._answers.was_handed_over(speech) else 0.0
        self._answers.over(speech)
        conversation.do(conversation.watch.speech_over(speech.id, conversation.now(), interrupted=speech.interrupted))
        self._look_on(GIVE_UP_S if self._answers_itself else patience_s)
        self._answers_itself = False

    def _look_on(self, patience_s: float) -> None:
        """If nobody answers the turn any more, look for who does, for *patience_s*."""
        if self._conversation.watch.lost:
            self._lost_at = self._conversation.now()
            self._until = self._lost_at + max(patience_s, GRACE_S if self._answers.unfinished else 0.0)
            self._look()

    def _look(self) -> None:
        conversation, answers = self._conversation, self._answers
        if not conversation.watch.lost:
            return
        speech, now = answers.next, conversation.now()
        if speech is not None:
            conversation.do(conversation.watch.generating(speech.id, instead=True))
            self._speech = speech
        elif now < self._until or ((answers.pending or answers.words_due) and now < self._lost_at + GIVE_UP_S):
            conversation.later("chain", LOOK_S, lambda: conversation.guarded(self._look))
        else:
            conversation.do(conversation.watch.unanswered())

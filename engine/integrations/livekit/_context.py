"""Fillers in the agent's chat context, for those who want them there."""

from livekit.agents import Agent, llm

from ...turns import TurnRecord

MARK = "stopgap_filler"
"""Key in `ChatMessage.extra` that tells a filler from what the agent said."""


async def append_fillers(agent: Agent, record: TurnRecord, said_at: float) -> None:
    """Add what was heard of a turn's fillers to *agent*'s context, as one message of its own.

    Args:
        agent: Whose context.
        record: Of the turn, which is over.
        said_at: s of the wall clock. When the first filler began: the message stands before the reply.
    """
    message = llm.ChatMessage(role="assistant", content=[record.filler_text], created_at=said_at, extra={MARK: True})
    context = agent.chat_ctx.copy()
    context.insert(message)
    await agent.update_chat_ctx(context)

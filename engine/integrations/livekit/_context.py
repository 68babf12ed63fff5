"""Fillers in the agent's chat context, for those who want them there."""

from livekit.agents import Agent, llm

from ...turns import TurnRecord

MARK = "stopgap_filler"
"""Key in `ChatMessage.extra` that tells a filler from what the agent said."""


async def append_fillers(agent: Agent, record: TurnRecord, said_at: float) -> None:
    """Add what was heard of a turn's fillers to *agent*'s context, as one message of its own behind the user's.

    The framework orders a context by the times of its messages, and dates an answer by when the model was asked,
    which is before the fillers. So they are dated like what the user said.

    Args:
        agent: Whose context.
        record: Of the turn, which is over.
        said_at: s of the wall clock. When the first filler began.
    """
    context = agent.chat_ctx.copy()
    place, dated = len(context.items), said_at
    for number, item in enumerate(context.items):
        if isinstance(item, llm.ChatMessage) and item.role == "user" and item.created_at <= said_at:
            place, dated = number + 1, item.created_at
    context.items.insert(
        place,
        llm.ChatMessage(role="assistant", content=[record.filler_text], created_at=dated, extra={MARK: True}),
    )
    await agent.update_chat_ctx(context)

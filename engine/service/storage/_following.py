"""What follows from an interaction, written in the transaction that stores it: all is there, or nothing."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ._arms import note_arms
from ._enqueuing import MOST_TRIGGERED, Triggered, enqueue


def follow(
    connection: Connection,
    organization: str,
    conversation: str,
    interaction: str,
    behaviors: Sequence[Triggered],
    assigned: Sequence[Triggered],
    *,
    now: float,
) -> int:
    """Write what rules have to deliver of an interaction, and which versions of behaviours its conversation had.

    Nothing is executed where there are neither *behaviors* nor *assigned*.

    Args:
        connection: With the transaction; the interaction is stored in it already.
        organization: Whose conversation it is.
        conversation: Its id.
        interaction: The interaction's.
        behaviors: Ids and versions of those that were triggered, in order. Agents may have said so: of very many
            only the first ones count.
        assigned: Ids and versions that the conversation was dealt.
        now: s since the epoch, as `Database.now` has it.

    Returns:
        How many deliveries there are. Where there are some, wake who delivers once the transaction is committed.
    """
    seen = [arm for arm in behaviors if arm not in assigned][:MOST_TRIGGERED]
    arms = [*((id, version, False) for id, version in seen), *((id, version, True) for id, version in assigned)]
    note_arms(connection, organization, conversation, arms, now=now)
    return enqueue(connection, organization, conversation, interaction, behaviors, now=now)

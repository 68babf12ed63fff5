"""Interactions that are stored whole or not at all, in a conversation that nobody else may write to meanwhile."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from ...fillers import StopgapError
from ._unit import InteractionError, Result
from .behaviors._triggered import assigned, triggered
from .storage import (
    LEASE_S,
    Conversations,
    DatabaseError,
    Lease,
    LeaseLostError,
    Leases,
    NewConversation,
    NewInteraction,
)

logger = logging.getLogger("stopgap.service")

RENEW_S = LEASE_S / 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Stores:
    """What writes."""

    conversations: Conversations
    leases: Leases


class StoredUnit:
    """An interaction's place in the database.

    Args:
        stores: Where.
        lease: On the conversation; it is renewed until the end.
        creates: The conversation, where it begins with this interaction.
        on_end: Called with whether the interaction was stored, once the lease is given back.
    """

    def __init__(
        self, stores: Stores, lease: Lease, *, creates: NewConversation | None, on_end: Callable[[bool], None]
    ) -> None:
        self._stores = stores
        self._lease = lease
        self._creates = creates
        self._on_end = on_end
        self._started_at = time.time()
        self._stored = False
        self._renewing: asyncio.Task[None] | None = asyncio.create_task(self._renew())

    async def complete(self, result: Result) -> str:
        """Store the interaction, and the conversation if it is new.

        Raises:
            InteractionError: if it cannot be stored.
        """
        try:
            return await self._store(result)
        except DatabaseError as exc:
            logger.error("an interaction may not have been stored: %s", exc)
            raise InteractionError(503, "the database does not answer; whether this was stored is not known") from exc
        except LeaseLostError as exc:
            raise InteractionError(409, f"{exc}; nothing of this interaction was stored") from exc
        except StopgapError as exc:
            raise InteractionError(500, f"this cannot be stored: {exc}") from exc

    async def _store(self, result: Result) -> str:
        interaction = NewInteraction(
            started_at=self._started_at,
            agent_message=result.message,
            agent_message_id=result.message_id,
            user_message=result.user_message,
            user_message_id=result.user_message_id,
            actions=result.actions,
            record=result.turn,
            behaviors=triggered(result.actions, result.turn),
            assigned=assigned(result.turn),
        )
        store, finished = self._stores.conversations, result.conversation_completed
        if self._creates is not None:
            storing = asyncio.to_thread(store.create, self._lease, self._creates, interaction, finished=finished)
        else:
            storing = asyncio.to_thread(store.complete, self._lease, interaction, finished=finished)  # type: ignore[arg-type]
        task = asyncio.ensure_future(storing)
        try:
            await asyncio.shield(task)
            self._stored = True
        except asyncio.CancelledError:  # a commit that is under way is not undone by that: wait for its outcome
            await asyncio.wait([task])
            self._stored = task.exception() is None
            raise
        return interaction.id

    async def release(self) -> None:
        """Give the lease back, and end."""
        renewing, self._renewing = self._renewing, None  # it holds this, too
        if renewing is not None:
            renewing.cancel()
        try:
            if not self._stored:
                await asyncio.to_thread(self._stores.leases.release, self._lease)
        except StopgapError as exc:
            logger.warning("a lease was not given back, it runs out by itself: %s", exc)
        finally:
            self._on_end(self._stored)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            with contextlib.suppress(StopgapError):  # a lost lease shows when the interaction is to be stored
                self._lease = await asyncio.to_thread(self._stores.leases.renew, self._lease)

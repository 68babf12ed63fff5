"""Metrics of conversations by which versions are compared: evaluated in the background, once nothing more is said."""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from ....fillers import StopgapError
from ..storage import Arms, DatabaseError, DueConversation, Metrics
from ._evaluating import MOST_EVALUATED, Evaluating

logger = logging.getLogger("stopgap.service")

POLL_S = 5.0
"""s between two looks."""
AT_ONCE = 50
"""Conversations looked up at once."""
CLOSE_S = 2.0
"""s that the evaluation under way is given to end."""


class Reevaluating:
    """Evaluates all metrics of each conversation that had a version of a behaviour, once nothing was said for a while.

    What is due is in the database, taken by one process at a time, and due again if that dies.

    Args:
        arms: Tells which conversations.
        metrics: The organizations' own.
        evaluating: Evaluates and stores.
        poll_s: s between two looks.
    """

    def __init__(self, arms: Arms, metrics: Metrics, evaluating: Evaluating, *, poll_s: float = POLL_S) -> None:
        self._arms, self._metrics, self._evaluating, self._poll_s = arms, metrics, evaluating, poll_s
        # one thread, and none of those that requests wait for: this is not in a hurry
        self._thread = ThreadPoolExecutor(1, "stopgap-evaluating")
        self._task: asyncio.Task[None] | None = None
        self._closing = self._warned = False

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="stopgap-evaluating")

    async def close(self) -> None:
        """End, once the conversation is done that is just evaluated. What is left stays due."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(TimeoutError):  # nothing, done when the thread is
            await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(self._thread, bool), CLOSE_S)
        self._thread.shutdown(wait=False)

    def evaluate_due(self) -> int:
        """Evaluate what is due by now, and return how many conversations that were. Blocks.

        Raises:
            DatabaseError: if the database does not answer.
        """
        done = 0
        while not self._closing and (due := self._arms.claim(AT_ONCE)):
            for one in due:
                if self._closing:
                    break
                self._evaluate(one)
                done += 1
        return done

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.run_in_executor(self._thread, self.evaluate_due)
                self._warned = False
            except Exception:  # the database is away, for one: what is due stays so
                if not self._warned:
                    self._warned = True
                    logger.warning("metrics are not evaluated for now; it is tried again", exc_info=True)
            await asyncio.sleep(self._poll_s)

    def _evaluate(self, due: DueConversation) -> None:
        try:
            for ids in self._ids(due.organization):
                self._evaluating.evaluate(due.organization, due.id, ids, source="post-session")
        except DatabaseError:
            raise
        except StopgapError as exc:  # it would be the same the next time
            logger.warning("metrics of conversation %s are not evaluated: %s", due.id, exc)
        except Exception:  # so would this, and no other conversation would have its turn
            logger.exception("evaluating metrics of conversation %s failed inside", due.id)
        self._arms.evaluated(due)

    def _ids(self, organization: str) -> Iterator[list[str]]:
        """Yield the ids of the built-in metrics and of the organization's own, as many as go at once."""
        ids, after, more = list(self._evaluating.builtin), 0, True
        while more:
            own, more = self._metrics.listed(organization, after=after)
            ids += [metric.id for metric in own]
            after = own[-1].number if own else 0
        for first in range(0, len(ids), MOST_EVALUATED):
            yield ids[first : first + MOST_EVALUATED]

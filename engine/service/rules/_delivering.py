"""Delivering what rules ask for: metrics are evaluated, webhooks called, until each delivery has come to an end."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from ....fillers import StopgapError, UsageError
from .._wire import told_time
from ..storage import RULE_DELETED, Claimed, Deliveries, LeaseLostError, RefusedError
from ._evaluates import Evaluates
from ._posting import NoAnswerError, Poster
from ._retrying import Outcome, Retrying
from ._signing import signed
from ._webhooks import Webhooks

logger = logging.getLogger("stopgap.service")

AT_ONCE = 8
"""Deliveries that a process tries at once."""
PER_HOST = 2
"""Of these, to one host: those of a slow one do not take up all."""
POLL_S = 5.0
"""s after which it is looked for what other processes have left."""
CLOSE_S = 2.0
"""s that calls under way are given to end."""
P = ParamSpec("P")
T = TypeVar("T")


class Delivering:
    """Delivers in the background of a process, with others that do so on the same database.

    Each delivery is written with its interaction, claimed by one process at a time, and ended once. Its receiver may
    see it more than once all the same: whoever answers, but is not heard, is called again, with the same bytes.

    Args:
        deliveries: Where they are.
        evaluates: Evaluates metrics.
        webhooks: What may be called.
        poster: Calls it; it is closed with this.
        retrying: How often, and when.
        now: s since the epoch, for signatures.
        poll_s: s between two looks at what others have left.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        evaluates: Evaluates,
        webhooks: Webhooks,
        poster: Poster,
        *,
        retrying: Retrying | None = None,
        now: Callable[[], float] = time.time,
        poll_s: float = POLL_S,
    ) -> None:
        self._deliveries, self._evaluates, self._webhooks, self._poster = deliveries, evaluates, webhooks, poster
        self._retrying = retrying if retrying is not None else Retrying()
        self._now, self._poll_s = now, poll_s
        # one thread, and none of those that requests wait for: what is delivered is not in a hurry
        self._thread = ThreadPoolExecutor(1, "stopgap-delivering")
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._running: dict[asyncio.Task[None], Claimed] = {}
        self._warned = self._closing = False

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="stopgap-delivering")

    def wake(self) -> None:
        """Something is due now. Any thread may call this, at any time."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: another process finds it
                self._loop.call_soon_threadsafe(self._news.set)

    async def deliver_due(self) -> None:
        """Try once whatever is due by now, and return when all that has been tried."""
        while True:
            await self._begin()
            if not self._running:
                return
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Begin nothing more; let calls under way end, or give them back so that another process makes them again."""
        self._closing = True
        if self._task is not None:
            self._news.set()  # not cancelled at once: what it is just claiming would be nobody's
            await asyncio.wait([self._task], timeout=CLOSE_S)
            self._task.cancel()
        running = dict(self._running)
        if running:
            _, cut = await asyncio.wait(running, timeout=CLOSE_S)
            for task in cut:
                task.cancel()
            for task in cut:
                await asyncio.wait([task])
                with suppress(StopgapError):  # then its claim runs out
                    await self._in_thread(self._deliveries.give_back, running[task])
        self._poster.close()
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        while not self._closing:
            self._news.clear()
            try:
                await self._begin()
                self._warned = False
            except Exception:  # the database is away, for one: what is due stays where it is
                if not self._warned:
                    self._warned = True
                    logger.warning("what rules have to deliver cannot be looked up; it is tried again", exc_info=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._news.wait()

    async def _begin(self) -> None:
        """Begin what is due, as far as there is room."""
        while len(self._running) < AT_ONCE and not self._closing:
            hosts = Counter(claimed.rule.host for claimed in self._running.values())
            busy = frozenset(host for host, number in hosts.items() if number >= PER_HOST)
            claimed = await self._in_thread(self._deliveries.claim, busy)
            if claimed is None:
                return
            task = asyncio.get_running_loop().create_task(self._deliver(claimed), name="stopgap-delivery")
            self._running[task] = claimed
            task.add_done_callback(self._on_done)

    def _on_done(self, task: "asyncio.Task[None]") -> None:
        del self._running[task]
        self._news.set()

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            outcome = await self._tried(claimed)
            if not await self._in_thread(self._record, claimed, outcome):
                logger.info("delivery %s was no longer this process's when it was done", claimed.id)
        except LeaseLostError:
            return  # whoever has it now goes on with it
        except StopgapError as exc:
            logger.warning("delivery %s is tried again when its claim has run out: %s", claimed.id, exc)
            return
        if outcome.state == "pending" and outcome.after_s < self._poll_s:
            asyncio.get_running_loop().call_later(outcome.after_s, self._news.set)

    async def _tried(self, claimed: Claimed) -> Outcome:
        tried = claimed.attempts
        if claimed.rule.deleted_at is not None:  # in the moment in which this was written
            return Outcome("failed", None, RULE_DELETED)
        if tried > self._retrying.tries:  # whoever made the last try was killed in it
            return Outcome("failed", None, "the service ended in the middle of the last try")
        try:
            body = claimed.body if claimed.body is not None else await self._in_thread(self._made, claimed)
            if claimed.rule.url is None:
                return Outcome("delivered")
            url = self._webhooks.checked(claimed.rule.url).url
            data = body.encode()
            headers = signed(self._webhooks.secret_of(claimed.rule.id), data, self._now())
            answered = await self._poster.post(url, headers, data)
        except LeaseLostError:
            raise
        except (UsageError, RefusedError) as exc:  # no later try would fare better
            return Outcome("failed", None, str(exc))
        except NoAnswerError as exc:
            return self._retrying.again(str(exc), tried)
        except StopgapError as exc:
            return self._retrying.again(f"the metrics were not evaluated: {exc}", tried)
        except Exception:
            logger.exception("delivery %s failed inside", claimed.id)
            return self._retrying.again("the service failed; its log says how", tried)
        return self._retrying.after(answered.status, answered.retry_after, tried, self._now())

    def _made(self, claimed: Claimed) -> str:
        """Evaluate the metrics, and return what every try will send; in the thread."""
        rule, metrics = claimed.rule, list[dict[str, Any]]()
        if rule.metrics:
            found = self._evaluates.evaluate(
                rule.organization, claimed.conversation, rule.metrics, up_to=claimed.interaction, source="post-session"
            )
            metrics = [
                {
                    "metric_id": one.metric, "name": one.name, "value": one.value,
                    "references": list(one.references), "justification": one.justification,
                }
                for one in found
            ]  # fmt: skip
        body = json.dumps(
            {
                "delivery_id": claimed.id, "type": "behavior-triggered", "organization": rule.organization,
                "rule_id": rule.id, "behavior": {"id": rule.behavior, "version": claimed.version},
                "conversation_id": claimed.conversation, "interaction_id": claimed.interaction, "metrics": metrics,
                "created_at": told_time(claimed.created_at).isoformat(),
            },
            allow_nan=False,
        )  # fmt: skip
        self._deliveries.fix(claimed, body)
        return body

    def _record(self, claimed: Claimed, outcome: Outcome) -> bool:
        if outcome.state == "pending":
            return self._deliveries.later(claimed, outcome.after_s, outcome.status, outcome.problem)
        return self._deliveries.end(claimed, outcome.state, outcome.status, outcome.problem)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._thread.submit(work, *args, **kwargs))

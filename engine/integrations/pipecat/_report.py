"""Tells the application what was heard, on its event loop."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable

from ...turns import SoundRecord, TurnRecord
from ._trouble import Trouble

OnFiller = Callable[[str, SoundRecord], Awaitable[None] | object]
OnTurn = Callable[[TurnRecord], Awaitable[None] | object]


class LoopReporter:
    """A listener of a session, which calls plain functions and coroutine functions on the event loop.

    Args:
        on_filler: Of each filler that starts or has ended. None is left out.
        on_turn: Of each turn that is over. None is left out.
        trouble: Where their errors end.
    """

    def __init__(
        self, on_filler: Iterable[OnFiller | None], on_turn: Iterable[OnTurn | None], trouble: Trouble
    ) -> None:
        self._on_filler = [callback for callback in on_filler if callback is not None]
        self._on_turn = [callback for callback in on_turn if callback is not None]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._trouble = trouble
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self) -> None:
        """Call on the loop that runs now."""
        self._loop = asyncio.get_running_loop()

    def on_filler(self, turn_id: str, sound: SoundRecord) -> None:
        """Pass on a filler that began to sound or has ended."""
        for callback in self._on_filler:
            self._submit(callback, turn_id, sound)

    def on_turn(self, record: TurnRecord) -> None:
        """Pass on a turn that is over."""
        for callback in self._on_turn:
            self._submit(callback, record)

    def _submit(self, callback: Callable[..., object], *what: object) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._call, callback, what)

    def _call(self, callback: Callable[..., object], what: tuple[object, ...]) -> None:
        with self._trouble.kept_in("a callback"):
            result = callback(*what)
            if inspect.isawaitable(result):
                task = asyncio.ensure_future(self._wait_for(result))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _wait_for(self, result: Awaitable[object]) -> None:
        with self._trouble.kept_in("a callback"):
            await result

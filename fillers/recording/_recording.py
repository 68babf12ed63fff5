"""All texts of a spec, spoken and kept."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from .._errors import UsageError
from .._spec import Spec
from ._options import RecordOptions
from ._originals import Originals
from ._outcome import Outcome, Recorded, Untried
from ._pace import Clock, SystemClock
from ._run import Run, takes
from ._tts import Tts


def record(
    spec: Spec,
    tts: Tts,
    folder: Path,
    *,
    options: RecordOptions | None = None,
    on_take: Callable[[Outcome], None] = lambda outcome: None,
    clock: Clock | None = None,
) -> Recorded:
    """Have *tts* speak all takes of *spec*, and keep them in *folder*'s ``originals``.

    What is there already is not spoken again. Each file is written whole, so that a run that was interrupted, however,
    goes on where it was. The TTS is closed at the end. In async code and notebooks await `record_async` instead.

    Args:
        spec: What to say.
        tts: What says it.
        folder: The pack's.
        options: How; None: as suits the TTS.
        on_take: Is called with what became of each take, as soon as that is known.
        clock: For pauses between texts; None: the computer's.

    Raises:
        PackError: if *folder* cannot hold a pack.
        UsageError: in a running event loop.
    """
    if _in_event_loop():
        raise UsageError("record was called in a running event loop; write `await record_async(...)` there")
    return asyncio.run(record_async(spec, tts, folder, options=options, on_take=on_take, clock=clock))


async def record_async(
    spec: Spec,
    tts: Tts,
    folder: Path,
    *,
    options: RecordOptions | None = None,
    on_take: Callable[[Outcome], None] = lambda outcome: None,
    clock: Clock | None = None,
) -> Recorded:
    """Do what `record` does in an event loop, which goes on meanwhile.

    Cancelled, it ends the commands that run, with all that they have started, and closes the TTS; takes that are there
    are whole, and the next run goes on from them.

    Args:
        spec: What to say.
        tts: What says it.
        folder: The pack's.
        options: How; None: as suits the TTS.
        on_take: Is called, on the event loop, with what became of each take, as soon as that is known.
        clock: For pauses between texts; None: the computer's.

    Raises:
        PackError: if *folder* cannot hold a pack.
    """
    run = Run(spec, tts, Originals(folder), options or RecordOptions(), on_take, clock or SystemClock())
    return await run.all()


def plan(spec: Spec, tts: Tts, folder: Path, *, options: RecordOptions | None = None) -> tuple[Outcome, ...]:
    """Return what `record` would find there: `Take` and `Repeat`; and what it would ask for, as `Untried`.

    Raises:
        PackError: as of `record`.
    """
    run = Run(spec, tts, Originals(folder), options or RecordOptions(), lambda outcome: None, SystemClock())
    return tuple(run.present(line, number) or Untried(line, number) for line, number in takes(spec))


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

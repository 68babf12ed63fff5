"""One run over a spec: asked for, tried again, kept."""

import asyncio
import random
import tempfile
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from .._errors import PackError
from .._spec import Line, Spec
from ._options import RecordOptions
from ._originals import Original, Originals
from ._outcome import Failure, Outcome, Recorded, Repeat, Take, Untried
from ._pace import MOST_WAIT_S, Clock, Pace, backoff_s
from ._received import suffix_of
from ._sound import Sound, listen
from ._speech import Spoken
from ._trouble import NotSpoken, OutOfOrder, TryLater
from ._tts import Tts

_PAST_THE_END_MS = 50.0
"""ms by which a word may end after the recording: TTSs round."""


def takes(spec: Spec) -> list[tuple[Line, int]]:
    """Return all lines of *spec*, each with the numbers of its takes, from 1."""
    return [(line, number) for line in spec.lines for number in range(1, spec.takes_of(line) + 1)]


class Run:
    """One run over a spec.

    Args:
        spec: What to say.
        tts: What says it; it is closed at the end.
        originals: Where it is kept.
        options: How.
        on_take: Is called, on the event loop, with what became of each take, as soon as that is known.
        clock: For pauses between texts.
    """

    def __init__(
        self,
        spec: Spec,
        tts: Tts,
        originals: Originals,
        options: RecordOptions,
        on_take: Callable[[Outcome], None],
        clock: Clock,
    ) -> None:
        self._spec = spec
        self._tts = tts
        self._originals = originals
        self._options = options
        self._on_take = on_take
        self._clock = clock
        self._pace = Pace(tts.per_minute if options.per_minute is None else options.per_minute, clock)
        self._draw = random.Random().random
        self._stopped = False
        self._outcomes: dict[tuple[str, int], Outcome] = {}
        self._sounds: dict[Path, Sound] = {}

    async def all(self) -> Recorded:
        """Go through all lines. What decodes is done in threads: the event loop may be somebody's who goes on."""
        lines = deque(self._spec.lines)
        workers = min(self._options.parallel or self._tts.parallel, len(lines))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(lines))
        finally:
            await self._tts.close()
        outcomes = [self._outcomes[line.clip_id(1), number] for line, number in takes(self._spec)]
        outcomes = self._at_one_rate(outcomes)
        return Recorded(
            tuple(outcome for outcome in outcomes if isinstance(outcome, Take)),
            tuple(outcome for outcome in outcomes if isinstance(outcome, Failure)),
            tuple(outcome for outcome in outcomes if isinstance(outcome, Repeat)),
            tuple(outcome for outcome in outcomes if isinstance(outcome, Untried)),
        )

    def present(self, line: Line, number: int) -> Take | Repeat | None:
        """Return the take if it is there and sound."""
        if self._options.again:
            return None
        stem = self._stem(line, number)
        found = self._originals.find(stem)
        if found is not None:
            try:
                sound = self._sounds[found.file] = listen(found.file, found.file.name)
            except (PackError, OSError):
                return None  # damaged: the next one lies beside it
            return Take(line, number, found.file, sound.rate, found.word_ends_ms, cached=True)
        return Repeat(line, number) if self._originals.repeated(stem) is not None else None

    async def _work(self, lines: deque[Line]) -> None:
        while lines:
            line = lines.popleft()
            known: dict[bytes, Path] = {}
            for number in range(1, self._spec.takes_of(line) + 1):
                outcome = await asyncio.to_thread(self.present, line, number) or await self._asked(line, number, known)
                if isinstance(outcome, Take):
                    known.setdefault(self._sounds[outcome.original].digest, outcome.original)
                self._outcomes[line.clip_id(1), number] = outcome
                self._on_take(outcome)

    async def _asked(self, line: Line, number: int, known: dict[bytes, Path]) -> Outcome:
        """Have one take spoken."""
        if self._stopped:
            return Untried(line, number)
        try:
            spoken, sound = await self._tried(line, number)
            stem = self._stem(line, number)
            if (same := known.get(sound.digest)) is not None:
                self._originals.note_repeat(stem, same)
                return Repeat(line, number)
            kept = self._originals.keep(stem, spoken.audio, suffix_of(spoken.audio), spoken.word_ends_ms)
        except OutOfOrder as exc:
            if self._stopped:
                return Untried(line, number)
            self._stopped = True
            return self._failure(line, number, str(exc))
        except NotSpoken as exc:
            return self._failure(line, number, str(exc))
        except OSError as exc:
            self._stopped = True
            told = f"the recording cannot be written ({exc.strerror}); free space there or name another folder"
            return self._failure(line, number, told)
        self._sounds[kept.file] = sound
        return Take(line, number, kept.file, sound.rate, kept.word_ends_ms, cached=False)

    async def _tried(self, line: Line, number: int) -> tuple[Spoken, Sound]:
        """Ask until there is an answer or no hope for one."""
        failed = 0
        while True:
            await self._pace.wait_turn()
            if self._stopped:
                raise OutOfOrder("another text was refused")
            try:
                return await self._once(line, number)
            except TryLater as exc:
                failed += 1
                if exc.after_s is not None and exc.after_s > MOST_WAIT_S:
                    raise NotSpoken(f"{exc}; it asks to wait for {exc.after_s:.0f} s: try again then") from exc
                if failed > self._options.retries:
                    tries = f"{exc} ({failed} tries)" if failed > 1 else str(exc)
                    raise (OutOfOrder(tries) if exc.for_all else NotSpoken(tries)) from exc
                if exc.after_s is not None:
                    self._pace.hold(exc.after_s)
                await self._clock.sleep(max(backoff_s(failed, self._draw()), exc.after_s or 0.0))

    async def _once(self, line: Line, number: int) -> tuple[Spoken, Sound]:
        with tempfile.TemporaryDirectory(prefix="stopgap-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            spoken = await self._in_time(line, number, folder)
            came = folder / f"received.{suffix_of(spoken.audio)}"
            came.write_bytes(spoken.audio)
            try:
                sound = await asyncio.to_thread(listen, came, f"what {self._tts.who} returned")
            except PackError as exc:
                raise NotSpoken(str(exc)) from exc
        if spoken.word_ends_ms and spoken.word_ends_ms[-1] > sound.duration_ms + _PAST_THE_END_MS:
            raise NotSpoken(
                f"{self._tts.who} says that a word ends after the recording; word ends count from its start"
            )
        return spoken, sound

    async def _in_time(self, line: Line, number: int, folder: Path) -> Spoken:
        limit = asyncio.timeout(self._options.timeout_s)
        try:
            async with limit:
                return await self._tts.speak(line.spoken, number, folder)
        except TimeoutError as exc:
            if limit.expired():
                raise NotSpoken(f"{self._tts.who} did not end within {self._options.timeout_s:g} s") from exc
            raise

    def _at_one_rate(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Set those aside whose rate differs from most of the others': a voice does not change its rate."""
        rates = Counter(outcome.rate for outcome in outcomes if isinstance(outcome, Take))
        if len(rates) < 2:
            return outcomes
        usual = rates.most_common(1)[0][0]
        return [self._odd(one, usual) if isinstance(one, Take) and one.rate != usual else one for one in outcomes]

    def _odd(self, take: Take, usual: int) -> Failure:
        why = f"came at {take.rate} Hz and the others at {usual} Hz"
        self._originals.set_aside(Original(take.original, take.word_ends_ms), why)
        return self._failure(take.line, take.number, f"this recording {why}; run the command again to replace it")

    def _failure(self, line: Line, number: int, reason: str) -> Failure:
        take = f", take {number}" if self._spec.takes_of(line) > 1 else ""
        return Failure(line, number, f"{line.text!r}{take}: {reason}")

    def _stem(self, line: Line, number: int) -> str:
        return self._originals.stem(line.clip_id(number), self._tts.identity, line.spoken, number)

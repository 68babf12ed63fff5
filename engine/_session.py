"""One conversation, as the application holds it."""

import asyncio
import math
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from ..fillers import Behaviors, UsageError
from ._behaving import InForce
from ._engine import Engine
from ._line import Line
from ._listeners import Listener
from ._turn import Turn
from ._watch import ToolRun
from .mixer import TapBlock
from .outputs import Output, Source

PATIENCE_S = 1.0
"""s beyond a queued reply's length that leaving a ``with`` block waits for it."""


class Session:
    """One conversation. Made by `FillerManager.session`; use it as a (sync or async) context manager.

    Any thread may call it. Calls never wait for audio or planning, and audio trouble never raises out of them. Leaving
    its ``with`` block lets the queued reply be heard out first; `close` ends at once.
    """

    def __init__(
        self,
        engine: Engine,
        output: Output,
        *,
        id: str,
        language: str,
        voice: str | None,
        seed: int,
        listener: Listener | None = None,
    ) -> None:
        self.id = id
        self._engine = engine
        self._language = language
        self._voice = voice
        self._line = Line(engine, output, seed, listener)
        self._behaviors = Behaviors.dealt(engine.config.behaviors, id)
        self._turns = 0
        self._turn: Turn | None = None

    @property
    def rate(self) -> int:
        """Hz of the output."""
        return self._line.rate

    @property
    def output(self) -> Output:
        return self._line.output

    @property
    def source(self) -> Source:
        """What the output plays: the exact samples of this conversation."""
        return self._line.mixer

    @property
    def turn(self) -> Turn | None:
        """The newest turn."""
        return self._turn

    @property
    def closed(self) -> bool:
        return self._line.closed

    @property
    def waiting(self) -> bool:
        """Whether a reply is pending: hold timers that would ask "are you still there?" meanwhile."""
        return self._turn is not None and self._turn.waiting

    @property
    def fillers_started(self) -> int:
        """Fillers that have started in this conversation, as of the last look (`tick`)."""
        return self._line.starts

    @property
    def next_filler_at(self) -> float:
        """s on the manager's clock at which a filler is to start, as of the last plan; infinite: none.

        Who waits for fillers on a silent output need not `tick` before.
        """
        return self._line.next_start_at

    @property
    def filler_sounding(self) -> bool:
        """Whether a filler sounded at the last look (`tick`): raise a voice activity detector's threshold meanwhile."""
        return self._line.filler_sounding

    def begin(
        self,
        *,
        speech_ended_at: float | None = None,
        agent: str | None = None,
        language: str | None = None,
        voice: str | None = None,
        tentative: bool = False,
        prompt_tokens: int | None = None,
        user_said: str | None = None,
        behaviors: Behaviors | None = None,
        id: str | None = None,
    ) -> Turn:
        """Open a turn: the user has stopped speaking, a reply is pending. Fillers are armed at once.

        A turn that is still open is ended as cancelled first ("superseded").

        Args:
            speech_ended_at: s on the manager's clock (`time.monotonic` unless another was given); None: now.
            agent: Agent or model that answers; its waits are learned apart.
            language: BCP 47 tag; None: the session's.
            voice: Voice of the clips; None: the session's.
            tentative: The end of speech may be taken back: nothing spoken before `Turn.commit`.
            prompt_tokens: Size of the prompt that will be answered, if it varies much: waits grow with it. An
                estimate will do (its octave counts). None: not known.
            user_said: What the user said, if that is known already: behaviours may be triggered by it. Else see
                `Turn.user_said`.
            behaviors: Further ones, behind those of the configuration. A name and a version stand for one content
                only. A phrase that no clip has is passed over, with one logged warning. None: none.
            id: Name in the turn record; None: counted.

        Raises:
            UsageError: if the session is closed, *speech_ended_at* lies in the future or is not a number,
                *prompt_tokens* is no whole number above 0, *user_said* is no text, or one of *behaviors* cannot be.
        """
        line = self._line
        with line.lock:
            now = line.sync()
            if line.closed:
                raise UsageError("begin on a closed session; open a new one")
            at = now if speech_ended_at is None else speech_ended_at
            if not -math.inf < at <= now + 1e-6:
                raise UsageError(f"speech_ended_at={speech_ended_at!r} is not in the past: the clock reads {now!r}")
            if prompt_tokens is not None and (not isinstance(prompt_tokens, int) or prompt_tokens < 1):
                raise UsageError(
                    f"prompt_tokens={prompt_tokens!r} is no number of tokens; give 1 or more, or leave it out"
                )
            if user_said is not None and not isinstance(user_said, str):
                raise UsageError(f"user_said={user_said!r} is no text; give the transcript, or leave it out")
            rules = self._behaviors if behaviors is None else self._with(behaviors)
            if self._turn is not None and self._turn.pending:
                self._turn.cancel("superseded")
            elif line.held_since is not None:
                line.flush()
            self._turns += 1
            self._engine.count("turns")
            self._turn = Turn(
                line, self._engine, number=self._turns, id=id or f"{self.id}-{self._turns}", session=self.id,
                began_at=now, speech_ended_at=at, agent=agent, language=language or self._language,
                voice=voice or self._voice, tentative=tentative, prompt_tokens=prompt_tokens,
                behaviors=rules,
            )  # fmt: skip
            line.enter(self._turn)
            self._turn.begin_behaving(user_said)
            self._turn.plan(first=True)
            self._engine.work.submit(self._turn.predict)  # last: the thread that wakes takes the interpreter's lock
            return self._turn

    def _with(self, others: Behaviors) -> Behaviors:
        for name, rule in others.rules.items():
            try:
                self._engine.under(InForce(name, rule))
            except ValueError as exc:
                raise UsageError(f"behavior {name}: {exc}") from None
        return self._behaviors.then(others)

    def remember(self, heard: Iterable[tuple[str, float]]) -> None:
        """Take in what the conversation heard elsewhere: in another process, or before it was transferred.

        These fillers are not repeated while others are left, and count in the limits. Call it before the first turn.

        Args:
            heard: Clips' ids in the order in which they were heard, each with how many s ago it began. Ids that no
                clip has are passed by.
        """
        with self._line.lock:
            now = self._line.sync()
            clips = {clip.id: clip for clip in self._engine.bank.clips(self.rate)}
            for name, ago_s in heard:
                if (clip := clips.get(name)) is not None:
                    self._line.has_heard(clip, now - ago_s, turn=0)

    def user_speaking(self) -> None:
        """The user speaks: everything fades within 20 ms; cue sheet and reply wait for `resume` or `Turn.cancel`."""
        with self._line.lock:
            now = self._line.sync()
            if not self.closed:
                self._line.hold(now)

    def resume(self) -> None:
        """It was only an "ok": cue sheet and reply go on where they stopped."""
        with self._line.lock:
            now = self._line.sync()
            held_since = self._line.held_since
            if self._line.resume() and self._turn is not None and held_since is not None:
                self._turn.resumed(now, now - held_since)

    def tool(self, name: str | None = None) -> ToolRun:
        """Return what tells the newest turn that a tool runs, for a ``with`` or ``async with`` block; also a decorator.

        Args:
            name: The tool's; None: the decorated function's name.
        """
        return ToolRun(name, lambda: self._turn)

    def open_tap(self, seconds: float = 1.0) -> None:
        """Keep what is played from now on, up to *seconds* of it, for `read_tap`: for an echo canceller."""
        self._line.mixer.open_tap(seconds)

    def read_tap(self) -> list[TapBlock]:
        """Return the exact output since the last call, block by block, with its frames and whether a filler sounded.

        What nobody took in time is left out; a gap in the frames tells. `Output.time_of` turns frames into times.
        """
        with self._line.lock:
            return self._line.mixer.read_tap()

    def statistics(self) -> dict[str, float]:
        """Return the output's counters, and whether the C core mixes (``native_mixer``: 1, else 0)."""
        return {**self.output.statistics(), "native_mixer": float(self._line.mixer.engine == "native")}

    def tick(self) -> None:
        """Take in what was heard since the last look."""
        with self._line.lock:
            self._line.sync()

    def forget_clips(self) -> None:
        """Let go of the bank's former clips, though nothing may be said for long; what sounds or is armed stays."""
        with self._line.lock:
            self._line.selector.forget_clips()

    def keep_up(self) -> None:
        """`tick` if anything is due. The service thread calls this, again and again; so may you."""
        if self._line.due_at <= self._engine.clock.now():
            self.tick()

    def close(self) -> None:
        """End the conversation: an open turn is cancelled, sound stops. May be called twice."""
        with self._line.lock:
            if self.closed:
                return
            self._line.sync()
            if self._turn is not None and self._turn.pending:
                self._turn.cancel("session closed")
            self._line.close(self._line.sync())
        self.output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """Let the queued reply be heard out, unless an exception leaves the block, and close."""
        for pause in self._pauses() if kind is None else ():
            time.sleep(pause)
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Let the queued reply be heard out, unless an exception leaves the block, and close."""
        for pause in self._pauses() if kind is None else ():
            await asyncio.sleep(pause)
        await asyncio.to_thread(self.close)

    def _pauses(self) -> Iterator[float]:
        """Yield the s to sleep, again and again, until the queued reply was heard; not for ever where nobody pulls."""
        if self._engine.work.inline:
            return
        patience = self.reply_left_s + PATIENCE_S
        while patience > 0.0 and (left := self.reply_left_s) > 0.0:
            pause = min(left, 0.1)
            patience -= pause
            yield pause

    @property
    def reply_left_s(self) -> float:
        """s until the last queued frame of the reply is heard; 0 where none is queued, or the user speaks."""
        with self._line.lock:
            now = self._line.sync()
            if self.closed or self._line.held_since is not None or not self._line.replying:
                return 0.0
            return max(self._line.reply_ends_at(now) - now, 0.001)

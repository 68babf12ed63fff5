"""One conversation: a mixer, an output, and what was said."""

import asyncio
import itertools
import logging
import random
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from ..fillers import Samples, Selector, UsageError
from ._engine import Engine
from ._reply import ReplyInput
from ._turn import Turn
from .mixer import Arm, ArmedCue, Command, HandoffFrames, Heard, Mixer, MixerEvent, Stop, Tell, Write
from .outputs import Output, Source
from .planning import CastCue
from .turns import Conversation

logger = logging.getLogger("stopgap")

QUEUE_AHEAD_S = 2.0
"""s of queued reply above which `Turn.write_async` waits."""


class Session:
    """One conversation. Made by `FillerManager.session`; use it as a (sync or async) context manager.

    Any thread may call it. Calls never wait for audio or planning, and audio trouble never raises out of them.
    """

    def __init__(self, engine: Engine, output: Output, *, id: str, language: str, voice: str | None, seed: int) -> None:
        self.id = id
        self._engine = engine
        self._output = output
        self._language = language
        self._voice = voice
        self._mixer = Mixer(output.rate, engine.config.reply.preroll_ms)
        self._conversation = Conversation()
        self._selector = Selector(engine.config.selection.order, random.Random(seed))
        self._lock = threading.RLock()
        self._turn: Turn | None = None
        self._speaker: Turn | None = None
        self._owners: dict[int, Turn] = {}
        self._cue_ids = itertools.count(1)
        self._turns = 0
        self._held_at: float | None = None
        self._closed = False

    @property
    def rate(self) -> int:
        """Hz of the output."""
        return self._output.rate

    @property
    def output(self) -> Output:
        return self._output

    @property
    def source(self) -> Source:
        """What the output plays: the exact samples of this conversation."""
        return self._mixer

    def begin(
        self,
        *,
        speech_ended_at: float | None = None,
        agent: str | None = None,
        language: str | None = None,
        voice: str | None = None,
        tentative: bool = False,
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
            id: Name in the turn record; None: counted.

        Raises:
            UsageError: if the session is closed, or *speech_ended_at* lies in the future or is not a number.
        """
        with self._lock:
            now = self._sync()
            if self._closed:
                raise UsageError("begin on a closed session; open a new one")
            at = now if speech_ended_at is None else speech_ended_at
            if not at <= now + 1e-6:
                raise UsageError(f"speech_ended_at={speech_ended_at!r} is not in the past: the clock reads {now!r}")
            if self._turn is not None and self._turn.pending:
                self._turn.cancel("superseded")
            elif self._held_at is not None:
                self.post(Stop(flush=True))
            self._held_at = None
            self._turns += 1
            self._owners = {cue: turn for cue, turn in self._owners.items() if turn.number >= self._turns - 2}
            self._engine.count("turns")
            self._turn = Turn(
                self, self._engine, number=self._turns, id=id or f"{self.id}-{self._turns}", began_at=now,
                speech_ended_at=at, agent=agent, language=language or self._language,
                voice=voice or self._voice, tentative=tentative,
            )  # fmt: skip
            self._turn.plan(first=True)
            return self._turn

    @property
    def turn(self) -> Turn | None:
        """The newest turn."""
        return self._turn

    def user_speaking(self) -> None:
        """The user speaks: everything fades within 20 ms; cue sheet and reply wait for `resume` or `Turn.cancel`."""
        with self._lock:
            now = self._sync()
            if self._held_at is None and not self._closed:
                self._held_at = now
                self.post(Stop(flush=False))

    def resume(self) -> None:
        """It was only an "ok": cue sheet and reply go on where they stopped."""
        with self._lock:
            self._sync()
            if self._held_at is not None:
                self._held_at = None
                self.post(Tell("resume"))
                if self._turn is not None:
                    self._turn.plan()

    def release_hold(self) -> None:
        """Forget that the user spoke: the turn it interrupted is over."""
        self._held_at = None

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def held_since(self) -> float | None:
        """s on the clock since when the user speaks; None if not."""
        return self._held_at

    def statistics(self) -> dict[str, float]:
        """Return the output's counters."""
        return self._output.statistics()

    def tick(self) -> None:
        """Take in what was heard since the last look. The service thread calls this; so may you."""
        with self._lock:
            if not self._closed:
                self._sync()

    def close(self) -> None:
        """End the conversation: an open turn is cancelled, sound stops. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._sync()
            if self._turn is not None and self._turn.pending:
                self._turn.cancel("session closed")
            self._sync()
            self._closed = True
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    # What its turns need; not part of the public face ---------------------------------------------------------

    @property
    def lock(self) -> AbstractContextManager[bool]:
        return self._lock

    @property
    def conversation(self) -> Conversation:
        return self._conversation

    @property
    def selector(self) -> Selector:
        return self._selector

    def sync(self) -> float:
        """Bring the output and the turns up to now, and return it."""
        return self._sync()

    def post(self, command: Command) -> None:
        self._mixer.post(command)

    def arm(self, turn: Turn, sheet: Iterable[CastCue], origin: float, last_at: float) -> dict[int, CastCue]:
        """Arm *sheet*, whose times count from *origin*; loops end at *last_at*. Return the cues by their ids."""
        cues, by_id = [], {}
        config = self._engine.config
        for cue in sheet:
            number = next(self._cue_ids)
            kind = cue.clip.kind
            rule = HandoffFrames.at_rate(config.handoff.of(kind), self.rate)
            gain = 10.0 ** (config.kind(kind).gain_db / 20.0)
            start = self._output.frame_at(origin + cue.start_s)
            cues.append(ArmedCue(number, cue.clip, start, rule, gain, self._output.frame_at(last_at)))
            by_id[number] = cue
            self._owners[number] = turn
        self.post(Arm(tuple(cues)))
        return by_id

    def speak(self, turn: Turn, samples: Samples) -> int:
        """Hand reply audio of *turn* to the mixer; return the frames queued."""
        self._speaker = turn
        if len(samples):
            self.post(Write(samples))
        return self._mixer.reply_queued

    def reply_ends_at(self, now: float) -> float:
        """Return when the queued reply will have been heard."""
        return max(now, self._output.time_of(self._mixer.position + self._mixer.reply_queued))

    def reply_input(self) -> ReplyInput:
        return ReplyInput(self.rate)

    async def until_drained(self) -> None:
        """Wait until less than `QUEUE_AHEAD_S` of reply is queued."""
        while (ahead := self._mixer.reply_queued / self.rate - QUEUE_AHEAD_S) > 0.0 and not self._closed:
            await asyncio.sleep(min(ahead, 0.25))

    def _sync(self) -> float:
        now = self._engine.clock.now()
        if not self._closed:
            self._output.catch_up(now)
            for event in self._mixer.take_events():
                self._on_event(event)
        return now

    def _on_event(self, event: MixerEvent) -> None:
        at = self._output.time_of(event.frame)
        if event.cue is None:
            if event.what is Heard.REPLY_STARTED and self._speaker is not None:
                self._speaker.reply_heard(at, (event.frame - event.requested_frame) / self.rate)
            elif event.what is Heard.REPLY_STARVED:
                self._engine.count("reply_starved")
            return
        turn = self._owners.get(event.cue)
        if turn is None:
            return
        requested = self._output.time_of(event.requested_frame)
        clip = turn.on_sound(event, at, requested)
        if event.what is Heard.STARTED and clip is not None:
            self._engine.count("fillers")
            self._selector.heard(clip)
            if clip.kind.spoken:
                self._conversation.spoke(at, turn.number)
        elif event.what is Heard.SKIPPED:
            self._engine.count("skipped")
        if event.what is not Heard.STARTED:
            del self._owners[event.cue]

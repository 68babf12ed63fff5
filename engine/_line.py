"""The line of one conversation: its mixer and output, and what was said on it."""

import asyncio
import itertools
import random
import threading
from collections.abc import Iterable
from typing import Protocol

from ..fillers import Clip, Samples, Selector
from ._engine import Engine
from .mixer import Arm, ArmedCue, Command, HandoffFrames, Heard, Mixer, MixerEvent, Stop, Tell, Write
from .outputs import Output
from .planning import CastCue
from .turns import Conversation

QUEUE_AHEAD_S = 2.0
"""s of queued reply above which `Line.until_drained` waits."""


class Owner(Protocol):
    """A turn, as its line sees it."""

    number: int
    """Counts the conversation's turns, from 1."""

    def on_sound(self, event: MixerEvent, at: float, requested_at: float) -> Clip | None:
        """Take in what happened to one of its cues; return the clip if it started."""
        ...

    def reply_heard(self, at: float, held_back_s: float) -> None:
        """Take in that its reply began to sound."""
        ...


class Line:
    """What the turns of a conversation share.

    Whoever calls holds `lock`, except for `until_drained`. The output's thread is never behind that lock: it meets
    the callers only in the mixer's queues.

    Args:
        engine: The manager's parts.
        output: Where it sounds.
        seed: Of the clip selection.
    """

    def __init__(self, engine: Engine, output: Output, seed: int) -> None:
        self.lock = threading.RLock()
        self.output = output
        self.mixer = Mixer(output.rate, engine.config.reply.preroll_ms)
        self.conversation = Conversation()
        self.selector = Selector(engine.config.selection.order, random.Random(seed))
        self.newest: Owner | None = None
        """The turn that began last."""
        self.held_since: float | None = None
        """s on the clock since when the user speaks; None if not."""
        self.closed = False
        self._engine = engine
        self._speaker: Owner | None = None
        self._owners: dict[int, Owner] = {}
        self._cue_ids = itertools.count(1)

    @property
    def rate(self) -> int:
        """Hz."""
        return self.output.rate

    def sync(self) -> float:
        """Bring the output and the turns up to now, and return it."""
        now = self._engine.clock.now()
        if not self.closed:
            self.output.catch_up(now)
            for event in self.mixer.take_events():
                self._on_event(event)
        return now

    def post(self, command: Command) -> None:
        self.mixer.post(command)

    def enter(self, turn: Owner) -> None:
        """Make *turn* the newest one. Cues of those long past are forgotten."""
        self.newest = turn
        self._owners = {cue: owner for cue, owner in self._owners.items() if owner.number >= turn.number - 2}

    def arm(self, turn: Owner, sheet: Iterable[CastCue], origin: float, last_at: float) -> dict[int, CastCue]:
        """Arm *sheet*, whose times count from *origin*; loops end at *last_at*. Return its cues by their ids."""
        cues, by_id = [], {}
        config = self._engine.config
        for cue in sheet:
            number = next(self._cue_ids)
            kind = cue.clip.kind
            rule = HandoffFrames.at_rate(config.handoff.of(kind), self.rate)
            gain = 10.0 ** (config.kind(kind).gain_db / 20.0)
            start = self.output.frame_at(origin + cue.start_s)
            cues.append(ArmedCue(number, cue.clip, start, rule, gain, self.output.frame_at(last_at)))
            by_id[number] = cue
            self._owners[number] = turn
        self.post(Arm(tuple(cues)))
        return by_id

    def speak(self, turn: Owner, samples: Samples) -> int:
        """Hand reply audio of *turn* to the mixer; return the frames queued."""
        self._speaker = turn
        if len(samples):
            self.post(Write(samples))
        return self.mixer.reply_queued

    def reply_ends_at(self, now: float) -> float:
        """Return when the queued reply will have been heard."""
        return max(now, self.output.time_of(self.mixer.position + self.mixer.reply_queued))

    def hold(self, now: float) -> None:
        """The user speaks."""
        if self.held_since is None:
            self.held_since = now
            self.post(Stop(flush=False))

    def resume(self) -> bool:
        """Go on where `hold` stopped; return whether it was held."""
        held, self.held_since = self.held_since, None
        if held is not None:
            self.post(Tell("resume"))
        return held is not None

    def flush(self) -> None:
        """Fade everything and drop what was to come."""
        self.held_since = None
        self.post(Stop(flush=True))

    async def until_drained(self) -> None:
        """Wait until less than `QUEUE_AHEAD_S` of reply is queued."""
        while (ahead := self.mixer.reply_queued / self.rate - QUEUE_AHEAD_S) > 0.0 and not self.closed:
            await asyncio.sleep(min(ahead, 0.25))

    def _on_event(self, event: MixerEvent) -> None:
        at = self.output.time_of(event.frame)
        if event.cue is None:
            if event.what is Heard.REPLY_STARTED and self._speaker is not None:
                self._speaker.reply_heard(at, (event.frame - event.requested_frame) / self.rate)
            elif event.what is Heard.REPLY_STARVED:
                self._engine.count("reply_starved")
            return
        owner = self._owners.get(event.cue)
        if owner is None:
            return
        clip = owner.on_sound(event, at, self.output.time_of(event.requested_frame))
        if event.what is Heard.STARTED and clip is not None:
            self._engine.count("fillers")
            self.selector.heard(clip)
            if clip.kind.spoken:
                self.conversation.spoke(at, owner.number)
        elif event.what is Heard.SKIPPED:
            self._engine.count("skipped")
        if event.what is not Heard.STARTED:
            del self._owners[event.cue]

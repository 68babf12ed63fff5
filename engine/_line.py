"""The line of one conversation: its mixer and output, and what was said on it."""

import asyncio
import itertools
import logging
import math
import random
import threading
from collections.abc import Iterable
from typing import Protocol

from ..fillers import Clip, Kind, Samples, Selector, put_right_in_children
from ._engine import Engine
from ._listeners import Listener, Listeners
from .mixer import Arm, ArmedCue, Command, HandoffFrames, Heard, MixerEvent, Stop, Tell, Write, new_mixer
from .outputs import Output, SilentOutput
from .planning import CastCue
from .turns import Conversation, TurnRecord

logger = logging.getLogger("stopgap")

QUEUE_AHEAD_S = 2.0
"""s of queued reply above which `Line.until_drained` waits."""


class Owner(Protocol):
    """A turn, as its line sees it."""

    number: int
    """Counts the conversation's turns, from 1."""

    @property
    def pending(self) -> bool:
        """Whether it is still open."""
        ...

    @property
    def plans_on_at(self) -> float:
        """When to call `plan_on`; infinite: never."""
        ...

    @property
    def heard_out(self) -> bool:
        """Whether, having ended, nothing of it will sound any more."""
        ...

    @property
    def as_heard(self) -> TurnRecord:
        """The record as it stands."""
        ...

    def plan(self, first: bool = False) -> None:
        """Arm the cue sheet for what is known now."""
        ...

    def plan_on(self, at: float) -> None:
        """Go on planning where the armed sheet ends, as of *at*."""
        ...

    def line_free(self, at: float) -> None:
        """Take in that a reply has been heard out, at *at*: the line is silent."""
        ...

    def line_closed(self, now: float) -> None:
        """Take in that nothing sounds any more."""
        ...

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
        listener: Is told what is heard, beside those of the manager.
    """

    def __init__(self, engine: Engine, output: Output, seed: int, listener: Listener | None = None) -> None:
        self.lock = threading.RLock()
        self.output = output
        self._silent = isinstance(output, SilentOutput)
        replies = output.owns_reply and not self._silent
        self.mixer = new_mixer(output.rate, engine.config.reply.preroll_ms, replies=replies)
        self.conversation = Conversation()
        self.selector = Selector(engine.config.selection.order, random.Random(seed))
        self.newest: Owner | None = None
        """The turn that began last."""
        self.held_since: float | None = None
        """s on the clock since when the user speaks; None if not."""
        self.closed = False
        self.listeners: Listeners = engine.listeners.joined_by(listener)
        self._engine = engine
        self._handoff = engine.config.handoff if output.owns_reply else engine.config.handoff.beneath()
        self._manners: dict[Kind, tuple[HandoffFrames, float]] = {}
        """How each kind yields, and its gain."""
        self._owners: dict[int, Owner] = {}
        self._sounding: set[int] = set()
        self._over: list[Owner] = []
        """Turns that have ended and are not heard out."""
        self._speakers: dict[int, Owner] = {}
        self._cue_ids = itertools.count(1)
        self._reply_ids = itertools.count(1)
        self._reply_until = -math.inf
        self.starts = 0
        """Fillers that have started."""
        self._starts_at: dict[int, float] = {}
        """Of the cues that were armed last and have not started, s on the clock."""
        self.next_start_at = math.inf
        """The first of these."""
        self._broken = False
        put_right_in_children(self)

    @property
    def rate(self) -> int:
        """Hz."""
        return self.output.rate

    @property
    def replying(self) -> bool:
        """Whether reply audio is queued, or still on its way to the ear."""
        return self.mixer.reply_queued > 0 or self._reply_until > self._engine.clock.now()

    @property
    def filler_sounding(self) -> bool:
        """Whether a filler sounded at the last look."""
        return bool(self._sounding)

    @property
    def due_at(self) -> float:
        """s on the clock at which to `sync`, if nobody does before; in the past: again and again.

        Where no sample is made, the rest can be caught up with later, all at once: an idle conversation costs nothing.
        """
        told = self._over or (self._sounding and self.listeners)
        if not self._silent or told or (self.output.owns_reply and self.replying):
            return -math.inf
        return min(self.next_start_at, self._plans_on_at())

    def sync(self) -> float:
        """Bring the output and the turns up to now, and return it. Trouble with the output stays here."""
        now = self._engine.clock.now()
        while (due := self._plans_on_at()) <= now:
            at = due if self._engine.work.inline else now
            self._catch_up(at)
            if self.newest is not None and self._plans_on_at() == due:
                self.newest.plan_on(at)
        self._catch_up(now)
        if self._over:
            self._tell_heard_out()
        return now

    def _plans_on_at(self) -> float:
        newest = self.newest  # the service thread asks without the lock, and closing takes it away
        if self.closed or self.held_since is not None or newest is None:
            return math.inf
        return newest.plans_on_at

    def _catch_up(self, to: float) -> None:
        if self.closed:
            return
        try:
            self.output.catch_up(to)
        except Exception:
            self._engine.count("output_errors")
            if not self._broken:
                self._broken = True
                logger.exception("the output fails; turns go on")
        for event in self.mixer.take_events():
            self._on_event(event)

    def post(self, command: Command) -> None:
        if not self.closed:
            self.mixer.post(command)

    def enter(self, turn: Owner) -> None:
        """Make *turn* the newest one. Cues of those long past are forgotten, but for what still sounds."""
        self.newest = turn
        recent = turn.number - 2
        self._owners = {
            cue: owner for cue, owner in self._owners.items() if owner.number >= recent or cue in self._sounding
        }
        self._speakers = {reply: owner for reply, owner in self._speakers.items() if owner.number >= recent - 8}

    def arm(self, turn: Owner, sheet: Iterable[CastCue], origin: float, last_at: float) -> dict[int, CastCue]:
        """Arm *sheet*, whose times count from *origin*; loops end at *last_at*. Return its cues by their ids."""
        cues, by_id = [], {}
        config, end = self._engine.config, self.output.frame_at(last_at)
        for cue in sheet:
            number = next(self._cue_ids)
            kind = cue.clip.kind
            if kind not in self._manners:
                rule = HandoffFrames.at_rate(self._handoff.of(kind), self.rate)
                self._manners[kind] = rule, 10.0 ** (config.kind(kind).gain_db / 20.0)
            rule, gain = self._manners[kind]
            start = self.output.frame_at(origin + cue.start_s)
            cues.append(ArmedCue(number, cue.clip, start, rule, gain, end))
            by_id[number] = cue
            self._owners[number] = turn
        self.post(Arm(tuple(cues), self.starts))
        self._starts_at = {cue.id: self.output.time_of(cue.start) for cue in cues}
        self.next_start_at = min(self._starts_at.values(), default=math.inf)
        return by_id

    def new_reply(self, turn: Owner) -> int:
        """Return the number of a new reply of *turn*."""
        number = next(self._reply_ids)
        self._speakers[number] = turn
        return number

    def speak(self, reply: int, samples: Samples) -> int:
        """Hand audio of the reply number *reply* to the mixer; return the frames queued."""
        self.post(Write(samples, reply))
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

    def has_heard(self, clip: Clip, at: float, turn: int) -> None:
        """Remember that *clip* began at *at* in turn number *turn*."""
        self.selector.heard(clip)
        if clip.kind.spoken:
            self.conversation.spoke(at, turn)

    async def until_drained(self, turn: Owner) -> None:
        """Wait until less than `QUEUE_AHEAD_S` of reply is queued, or *turn* is over. Not on a virtual clock."""
        if self._engine.work.inline:
            return
        while turn.pending and not self.closed:
            ahead = self.mixer.reply_queued / self.rate - QUEUE_AHEAD_S
            if ahead <= 0.0:
                return
            await asyncio.sleep(min(ahead, 0.25))

    def over(self, turn: Owner) -> None:
        """*turn* has ended; tell the listeners once it is heard out."""
        if self.listeners:
            self._over.append(turn)

    def _tell_heard_out(self) -> None:
        heard_out = [turn for turn in self._over if self.closed or turn.heard_out]
        self._over = [turn for turn in self._over if turn not in heard_out]
        for turn in heard_out:
            self.listeners.turn(turn.as_heard)

    def close(self, now: float) -> None:
        """Nothing sounds any more."""
        self.closed = True
        for owner in {id(owner): owner for owner in self._owners.values()}.values():
            owner.line_closed(now)
        self._tell_heard_out()
        self._owners, self._speakers, self.newest, self.next_start_at = {}, {}, None, math.inf

    def after_fork(self) -> None:
        """The conversation stays with the process that this one was forked off; here it is over."""
        self.lock = threading.RLock()
        self.closed = True

    def _on_event(self, event: MixerEvent) -> None:
        at = self.output.time_of(event.frame)
        if event.cue is not None:
            self._on_cue(event, event.cue, at)
        elif event.what is Heard.REPLY_STARTED:
            speaker = self._speakers.pop(event.reply or 0, None)
            if speaker is not None:
                speaker.reply_heard(at, (event.frame - event.requested_frame) / self.rate)
        elif event.what is Heard.REPLY_STARVED:
            self._engine.count("reply_starved")
        elif event.what is Heard.REPLY_ENDED:
            self._reply_until = at
            if self.newest is not None:
                self.newest.line_free(at)
        elif event.what in (Heard.OUTDATED, Heard.UNATTENDED) and self.newest is not None and self.held_since is None:
            self.newest.plan()

    def _on_cue(self, event: MixerEvent, cue: int, at: float) -> None:
        if self._starts_at.pop(cue, None) is not None:
            self.next_start_at = min(self._starts_at.values(), default=math.inf)
        if event.what is Heard.STARTED:
            self.starts += 1
            self._sounding.add(cue)
        else:
            self._sounding.discard(cue)
        owner = self._owners.get(cue)
        if owner is None:
            return
        clip = owner.on_sound(event, at, self.output.time_of(event.requested_frame))
        if event.what is Heard.STARTED and clip is not None:
            self._engine.count("fillers")
            self.has_heard(clip, at, owner.number)
        elif event.what is Heard.SKIPPED:
            self._engine.count("skipped")
        if event.what is not Heard.STARTED:
            del self._owners[cue]

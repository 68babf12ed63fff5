"""What other policies would have cost in a turn that is over."""

import random
from dataclasses import replace

import numpy as np

from ..fillers import Config
from ._clock import VirtualClock
from ._engine import Engine
from ._listeners import Listeners
from ._session import Session
from ._work import InlineWork
from .outputs import SilentOutput
from .planning import Mixture, Policy, Sound, turn_cost
from .turns import TurnRecord

JUDGED = 0.125
"""Share of turns that are judged, drawn at random: rehearsing a turn takes as long as two turns do."""
_REPLY = np.zeros(1, np.float32)
LOOK_S, LOOKS = 2.0, 10
"""s between looks at a rehearsed turn until its last filler has ended, and how many."""


class Rehearsal:
    """Plays turns once more, without sound and on a clock of its own, under each policy of a mixture; teaches nothing.

    Each turn stands alone: what the conversation heard before it is not known.

    Args:
        engine: The manager's parts.
        rng: Draws the turns that are judged.
    """

    def __init__(self, engine: Engine, rng: random.Random) -> None:
        self._engine = engine
        self._rng = rng
        self._clock = VirtualClock()

    def draws(self) -> bool:
        """Return whether to judge the turn that is ending."""
        return self._rng.random() < JUDGED

    def judge(self, record: TurnRecord, rate: int, voice: str | None) -> None:
        """Tell the mixture what each of its policies would have cost in *record*'s turn, if that can be told."""
        if len(record.waits) == 1 and record.outcome in ("replied", "cancelled"):
            policies = self._engine.mixture.policies
            self._engine.mixture.judge([self.cost(record, policy, rate, voice) for policy in policies])

    def cost(self, record: TurnRecord, policy: Policy, rate: int, voice: str | None = None) -> float:
        """Return the cost in s of plain waiting."""
        clock, zero = self._clock, self._clock.now()
        engine = replace(
            self._engine,
            clock=clock,
            mixture=Mixture((policy,), self._rng),
            work=InlineWork(),
            listeners=Listeners(InlineWork()),
            learns=False,
            judge=None,
            counters={},
        )
        output = SilentOutput(rate, owns_reply=record.owns_reply)
        session = Session(engine, output, id="rehearsal", language=record.language, voice=voice, seed=0)
        output.start(session.source, clock)
        turn = session.begin(agent=record.agent, prompt_tokens=record.prompt_tokens)
        for news in record.milestones[1:]:
            clock.jump(max(zero + news.at_s, clock.now()))
            turn.milestone(news.name, tool=news.tool, at=zero + news.at_s)
        ready = record.waits[0].available_s
        end = ready if ready is not None else record.ended_s or 0.0
        clock.jump(max(zero + end, clock.now()))
        if ready is None:
            turn.cancel()
        else:
            turn.write(_REPLY)
            turn.finish()
        played = turn.record
        for _ in range(LOOKS):
            unheard = ready is not None and played.reply_heard_s is None
            if not unheard and all(sound.end_s is not None for sound in played.sounds):
                break
            clock.advance(LOOK_S)
            played = turn.record
        session.close()
        return _cost(played, self._engine.config, end, ready)


def _cost(played: TurnRecord, config: Config, end_s: float, ready_s: float | None) -> float:
    sounds = [Sound(s.kind, s.start_s, s.end_s or s.start_s, s.cut) for s in played.sounds]
    heard_s = max(played.reply_heard_s or end_s, end_s)
    return turn_cost(config.costs, sounds, end_s=heard_s, reply_ready_s=ready_s).total

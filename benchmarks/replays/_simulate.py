"""A trace under one configuration without sessions and mixer: what replay would find, several times as fast.

Policies, casting, limits, selection, the handoff rule and the restraint are those of production, and a turn's sheet is
armed and planned on as sessions do. Left out are

- learning: the predictor knows the whole trace beforehand and stays as it is;
- the mixture: the configured mode alone decides, no turn is rehearsed;
- what conversations that overlap do to each other's order: turns are taken in the trace's order, and each begins in
  silence;
- the mixer's bound on voices, and outputs' latency.
"""

import math
import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from stopgap.engine.mixer import HandoffFrames
from stopgap.engine.planning import (
    NEEDLESS_S,
    Ladder,
    NoFillers,
    Planner,
    Policy,
    Restraint,
    Sheet,
    Situation,
    Sound,
    playable_clips,
)
from stopgap.engine.prediction import Context, LatencyPredictor
from stopgap.engine.turns import ANNOUNCING, Conversation, TurnState
from stopgap.fillers import Clip, ClipBank, Config, Costs, Kind, Selector

from ..traces import TraceTurn
from ._heard import Heard, Outcome, heard_of
from ._replay import RATE
from ._simulated_turn import TurnOnPaper


@dataclass(frozen=True, slots=True)
class SimulatedSound:
    """A filler as it would be heard."""

    sound: Sound
    clip: str
    """The clip's id."""
    text: str | None
    """What would be heard of its text."""


@dataclass(frozen=True, slots=True)
class SimulatedTurn:
    """What a traced turn would become."""

    turn: TraceTurn
    sounds: tuple[SimulatedSound, ...]
    """In order of start."""
    reply_start_ms: float | None
    """ms from the end of the user's speech: the reply is first heard; None: cancelled before."""

    quantiles: tuple[float, ...] = (math.nan,) * 3
    """s. What the predictor, knowing all turns, says at time 0 (`LEVELS`)."""


def heard_on_paper(turns: Iterable[SimulatedTurn], costs: Costs) -> Heard:
    """Return what simulated *turns*, in the trace's order, would be to their users, judged by *costs*."""
    outcomes = (Outcome(t.turn, [s.sound for s in t.sounds], t.reply_start_ms, t.quantiles) for t in turns)
    return heard_of(outcomes, costs)


def taught(turns: Iterable[TraceTurn], config: Config) -> LatencyPredictor:
    """Return a predictor that has learned all waits of *turns*, in their order."""
    predictor = LatencyPredictor(config)
    for turn in turns:
        state = state_of(turn)
        for news in turn.news:
            state.milestone(news.name, news.at_ms / 1000.0, news.tool)
        end = turn.end_ms / 1000.0
        if turn.reply_ready_ms is not None:
            state.reply_available(end)
        predictor.learn(state.lessons(end))
    return predictor


def state_of(turn: TraceTurn) -> TurnState:
    """Return *turn* at its time 0; times count from there."""
    return TurnState(speech_ended_at=0.0, agent=turn.agent, tentative=False, prompt_tokens=turn.prompt_tokens)


class Simulation:
    """One configuration, ready to take turns in the trace's order.

    Args:
        config: Its mode decides.
        predictor: What is known of waits; it learns nothing. Plans are kept as long as the simulation.
        bank: The clips.
        policy: Decides instead of the mode.
    """

    def __init__(
        self, config: Config, predictor: LatencyPredictor, bank: ClipBank, policy: Policy | None = None
    ) -> None:
        self.config = config
        self.predictor = predictor
        self.restraint = Restraint(config.limits)
        self.policy = policy if policy is not None else _policy(config, predictor, self.restraint)
        self._clips = bank.clips(RATE)
        self._rules = {kind: HandoffFrames.at_rate(config.handoff.of(kind), RATE) for kind in Kind}
        self._playable: dict[tuple[str | None, str | None], dict[bool, tuple[Clip, ...]]] = {}
        self._conversations: dict[str, tuple[Conversation, Selector]] = {}
        self._turns = 0

    def run(self, turns: Sequence[TraceTurn]) -> Iterator[SimulatedTurn]:
        """Yield what becomes of each of *turns*, in order."""
        for turn in turns:
            yield self._simulate(turn)

    def unanswered(self, turn: TraceTurn, until_s: float) -> tuple[SimulatedSound, ...]:
        """Return what would be heard up to *until_s* if the reply of *turn* kept not arriving: its whole cue sheet.

        It is taken as its conversation's first turn, at the restraint's present prices.
        """
        paper, _ = self._wait(turn, Conversation(), self._selector(turn))
        paper.move(until_s)
        return _sounds(paper)

    def rule(self, kind: Kind) -> HandoffFrames:
        """Return how fillers of *kind* yield to the reply."""
        return self._rules[kind]

    def playable(self, context: Context, tool_runs: bool) -> tuple[Clip, ...]:
        """Return what may be played in *context*; asked again, the same tuple (plans are kept by it)."""
        found = self._playable.setdefault((context.agent, context.tool), {})
        if tool_runs not in found:
            config = self.config
            override = config.override(context.agent, context.tool)
            clips = playable_clips(
                self._clips, config, override, language=config.language, voice=config.voice, tool_runs=tool_runs
            )
            # contexts without settings of their own share their clips, so that classes of clips are made once
            known = (group for groups in self._playable.values() for group in groups.values())
            found[tool_runs] = next((group for group in known if group == clips), clips)
        return found[tool_runs]

    def _simulate(self, turn: TraceTurn) -> SimulatedTurn:
        if turn.conversation_id not in self._conversations:
            self._conversations[turn.conversation_id] = Conversation(), self._selector(turn)
        paper, quantiles = self._wait(turn, *self._conversations[turn.conversation_id])
        end = turn.end_ms / 1000.0
        paper.move(end)
        if turn.reply_ready_ms is None:
            paper.flush()
            return SimulatedTurn(turn, _sounds(paper), None, quantiles)
        held_back_s = paper.hand_over()
        sounds = _sounds(paper)
        if isinstance(self.policy, Planner):
            first = sounds[0].sound.start_s if sounds else None
            self.restraint.observe(held_back_s, needless=first is not None and first > end - NEEDLESS_S)
        return SimulatedTurn(turn, sounds, turn.reply_ready_ms + 1000.0 * held_back_s, quantiles)

    def _wait(
        self, turn: TraceTurn, conversation: Conversation, selector: Selector
    ) -> tuple[TurnOnPaper, tuple[float, ...]]:
        """Return *turn* up to its last milestone, and what was predicted at its time 0."""
        self._turns += 1
        state = state_of(turn)
        paper = TurnOnPaper(self, state, conversation, selector, started_at=turn.started_at, number=self._turns)
        quantiles = self.predictor.predict("speech_ended", state.context).quantiles
        if turn.end_ms > 0.0:  # else it is over when it becomes known, and never committed
            paper.plan(0.0, first=True)
        for news in turn.news:
            at = news.at_ms / 1000.0
            paper.move(at)
            if state.milestone(news.name, at, news.tool):
                if news.name in ANNOUNCING:
                    paper.make_way(at)
                paper.plan(at)
        return paper, quantiles

    def _selector(self, turn: TraceTurn) -> Selector:
        seed = zlib.crc32(turn.conversation_id.encode()) ^ (self.config.seed or 0)
        return Selector(self.config.selection.order, random.Random(seed))


class _Kept:
    """A ladder whose sheets are kept: most turns begin alike."""

    name = Ladder.name

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self._sheets: dict[tuple[object, ...], Sheet] = {}

    def plan(self, situation: Situation) -> Sheet:
        over = situation.override
        key = (
            situation.wait_age_s, situation.tool_age_s, situation.horizon_s, situation.first, over.after_s, over.phrases
        )  # fmt: skip
        sheet = self._sheets.get(key)
        if sheet is None:
            sheet = self._sheets[key] = self._ladder.plan(situation)
        return sheet

    def ready(self, situation: Situation) -> Sheet:
        return self.plan(situation)


def _policy(config: Config, predictor: LatencyPredictor, restraint: Restraint) -> Policy:
    match config.mode:
        case "none":
            return NoFillers()
        case "ladder":
            return _Kept(Ladder(config))
        case "predictive":
            return Planner(config, predictor, restraint)


def _sounds(paper: TurnOnPaper) -> tuple[SimulatedSound, ...]:
    return tuple(
        SimulatedSound(
            Sound(voice.clip.kind, voice.start / RATE, voice.end / RATE, voice.cut),
            voice.clip.id,
            voice.clip.heard_text(voice.end - voice.start),
        )
        for voice in paper.voices
    )

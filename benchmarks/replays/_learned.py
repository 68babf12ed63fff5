"""What a trace has taught by then: its turns learned in order of their ends."""

import heapq
from collections.abc import Sequence

from stopgap.engine.prediction import LatencyPredictor, Lesson
from stopgap.engine.turns import TurnState
from stopgap.fillers import Config

from ..traces import TraceTurn


class LearnedTrace:
    """A predictor that walks through a trace and knows at each time the turns that have ended.

    Args:
        turns: In the trace's order.
        config: How waits are learned.
    """

    def __init__(self, turns: Sequence[TraceTurn], config: Config) -> None:
        self.predictor = LatencyPredictor(config)
        self._ending = [(turn.started_at + turn.end_ms / 1000.0, place) for place, turn in enumerate(turns)]
        heapq.heapify(self._ending)
        self._turns = turns

    def at(self, now: float) -> LatencyPredictor:
        """Return the predictor with what has ended by *now*, s since the trace's beginning; it never goes back."""
        while self._ending and self._ending[0][0] <= now:
            _, place = heapq.heappop(self._ending)
            self.predictor.learn(lessons_of(self._turns[place]))
        return self.predictor


def lessons_of(turn: TraceTurn) -> list[Lesson]:
    """Return what *turn* teaches: all of it if it was answered, how long it lasted at least if it was cancelled."""
    state = TurnState(speech_ended_at=0.0, agent=turn.agent, tentative=False, prompt_tokens=turn.prompt_tokens)
    for news in turn.news:
        state.milestone(news.name, news.at_ms / 1000.0, news.tool)
    if turn.reply_ready_ms is None:
        return state.lessons(turn.end_ms / 1000.0)
    state.reply_available(turn.end_ms / 1000.0)
    return state.lessons(None)

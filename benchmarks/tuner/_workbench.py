"""What the tuner's pages ask for: a trace and its waits, policies tried on it, a turn's sound. Knows no HTTP."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stopgap.engine import FillerManager, VirtualClock
from stopgap.engine.prediction import LatencyPredictor
from stopgap.fillers import ClipBank, Config, Kind, Samples, UsageError

from ..replays import Heard, SimulatedSound, SimulatedTurn, Simulation, heard_on_paper, render_turn, score_of, taught
from ..traces import TraceTurn
from ._contexts import contexts_of
from ._script import Script
from ._settings import Tuned, shown

MOST_TURNS = 3000
"""Turns of a trace that are looked at, the last ones: settings are to be tried while one waits."""
MOST_TRIALS = 6
"""Settings whose results are kept, some 10 MB each with the planner's solutions."""
MOST_RENDERED_S = 180.0
"""s. Longer waits are not rendered."""
KINDS = tuple(kind.value for kind in Kind)
FIGURES = (
    "cost", "longest_gap_p50", "longest_gap_p95", "gap_over_1s", "reply_delay_mean", "spoken_per_waiting_minute",
    "needless", "first_sound_p50",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """Some settings and what the trace's turns become under them."""

    config: Config
    simulation: Simulation
    turns: Sequence[SimulatedTurn]
    heard: Heard


class Workbench:
    """A trace, a predictor that knows all of it, and the last settings that were tried. Any thread may call it.

    Args:
        name: The trace's, to be shown.
        turns: As `read_trace` gives them, at least one.
        tuned: The configuration that pages start from.

    Raises:
        ConfigError: if the configuration cannot be used.
        PackError: if its packs cannot.
    """

    def __init__(self, name: str, turns: Sequence[TraceTurn], tuned: Tuned) -> None:
        config = tuned.tried()
        self.tuned = tuned
        self._name = name
        self._turns = list(turns[-MOST_TURNS:])
        self._left_out = len(turns) - len(self._turns)
        self._places = {turn.turn_id: place for place, turn in enumerate(self._turns)}
        self._bank = ClipBank(config.packs)
        self._predictor = taught(self._turns, config)
        # what a manager refuses is said now
        FillerManager(config, clock=VirtualClock(), bank=self._bank, predictor=LatencyPredictor(config)).close()
        self._contexts = contexts_of(self._turns, self._predictor)
        self._trials: OrderedDict[str, Trial] = OrderedDict()
        self._busy = threading.Lock()
        """Held while something is computed: the predictor and planners keep what they found."""

    def overview(self) -> dict[str, Any]:
        """Return what does not depend on settings: turns, waits per context, where pages start."""
        start = shown(self.tuned.tried())
        return {
            "trace": self._name,
            "left_out": self._left_out,
            "kinds": [{"name": kind.value, "spoken": kind.spoken} for kind in Kind],
            "there": sorted({clip.kind.value for clip in self._bank.catalog}),
            "start": {"A": {**start, "mode": "ladder"}, "B": start},
            "contexts": [context.as_dict() for context in self._contexts],
            "turns": [_turn(turn) for turn in self._turns],
        }

    def simulate(self, settings: Any) -> dict[str, Any]:
        """Return the figures and all turns under *settings*, compactly; times are s.

        Raises:
            UsageError, ConfigError: for *settings* that are not possible.
        """
        with self._busy:
            trial = self._trial(settings)
        figures = score_of(trial.heard).as_dict()
        texts: dict[str | None, int] = {}
        return {
            "figures": {name: figures[name] for name in FIGURES},
            "cost": [round(cost, 3) for cost in trial.heard.cost.tolist()],
            "reply": [None if t.reply_start_ms is None else round(t.reply_start_ms / 1000, 3) for t in trial.turns],
            "sounds": [[_sound(sound, texts) for sound in turn.sounds] for turn in trial.turns],
            "texts": list(texts),
        }

    def sheet(self, settings: Any, context: Any) -> dict[str, Any]:
        """Return the cue sheet for the wait of number *context* of the overview; times count from its beginning, s.

        Raises:
            UsageError, ConfigError: for arguments that are not possible.
        """
        if not isinstance(context, int) or not 0 <= context < len(self._contexts):
            raise UsageError(f"context {context!r} is none of the trace's; send 0 to {len(self._contexts) - 1}")
        wait = self._contexts[context]
        with self._busy:
            sounds = self._trial(settings).simulation.unanswered(wait.typical, wait.origin_s + wait.shown_s)
        texts: dict[str | None, int] = {}
        cues = [_sound(sound, texts) for sound in sounds]
        cues = [[kind, round(start - wait.origin_s, 3), round(end - wait.origin_s, 3), cut, text]
                for kind, start, end, cut, text in cues]  # fmt: skip
        return {"cues": cues, "texts": list(texts)}

    def sound(self, settings: Any, turn_id: Any) -> tuple[Samples, float]:
        """Return a turn's sound under *settings* (at the rate of `render_turn`), and where in it, s, its time 0 is.

        Raises:
            UsageError, ConfigError: for arguments that are not possible.
        """
        place = self._places.get(turn_id) if isinstance(turn_id, str) else None
        if place is None:
            raise UsageError(f"turn {turn_id!r} is none of the trace's; send the id of one that the page shows")
        turn = self._turns[place]
        if turn.end_ms > 1000.0 * MOST_RENDERED_S:
            raise UsageError(f"turn {turn_id} waits for {turn.end_ms / 1000.0:.0f} s; choose one of at most 180 s")
        with self._busy:
            trial = self._trial(settings)
            script = Script(trial.turns[place].sounds)
            found = render_turn(turn, trial.config, bank=self._bank, predictor=self._predictor, policy=script)
        return found.samples, found.zero_s

    def _trial(self, settings: Any) -> Trial:
        config = self.tuned.tried(settings)
        key = config.model_dump_json()
        trial = self._trials.get(key)
        if trial is None:
            simulation = Simulation(config, self._predictor, self._bank)
            turns = list(simulation.run(self._turns))
            trial = self._trials[key] = Trial(config, simulation, turns, heard_on_paper(turns, config.costs))
            if len(self._trials) > MOST_TRIALS:
                self._trials.popitem(last=False)
        self._trials.move_to_end(key)
        return trial


def plain_json(data: Mapping[str, Any]) -> bytes:
    """Return *data* as JSON; what is not a number becomes null."""
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        return plain_json(_finite(data))


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if abs(data) < float("inf") else None
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list | tuple) else data


def _turn(turn: TraceTurn) -> dict[str, Any]:
    return {
        "id": turn.turn_id,
        "agent": turn.agent,
        "tool": next((news.tool for news in turn.news if news.name == "tool_started"), None),
        "ready": None if turn.reply_ready_ms is None else round(turn.reply_ready_ms / 1000.0, 3),
        "end": round(turn.end_ms / 1000.0, 3),
        "news": [[news.name, round(news.at_ms / 1000.0, 3), news.tool] for news in turn.news],
    }


def _sound(item: SimulatedSound, texts: dict[str | None, int]) -> list[Any]:
    """Return kind, start, end, whether it was cut, and text, kind and text as places in their lists."""
    text = texts.setdefault(item.text if item.sound.kind.spoken else item.clip, len(texts))
    sound = item.sound
    return [_KIND_PLACES[sound.kind], round(sound.start_s, 3), round(sound.end_s, 3), int(sound.cut), text]


_KIND_PLACES = {kind: place for place, kind in enumerate(Kind)}

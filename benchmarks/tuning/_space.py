"""What tuning searches: settings of a ladder or of the planner, as a TOML file would have them."""

from collections.abc import Mapping
from typing import Any, Protocol

from stopgap.fillers import Config, Kind

MODES = ("ladder", "predictive")
FIRST_KINDS = ("hesitation", "backchannel", "phrase")
THEN_KINDS = ("nothing", "hesitation", "phrase", "progress", "ambience", "hold")
OPTIONAL_KINDS = (Kind.BACKCHANNEL, Kind.PHRASE, Kind.PROGRESS, Kind.AMBIENCE, Kind.HOLD)
"""Kinds that the planner may be better off without. Hesitations stay: they cost least."""

Settings = dict[str, Any]
"""Nested as in a TOML file; only what is to differ."""


class Trial(Protocol):
    """What an Optuna trial offers, as far as it is used here."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


def suggested(trial: Trial, mode: str, base: Config) -> Settings:
    """Return the settings that *trial* draws for *mode*; kinds that *base* disables stay so."""
    settings: Settings = {"mode": mode, "limits": _limits(trial), "handoff": _handoff(trial)}
    if mode == "ladder":
        settings["ladder"] = _ladder(trial, base)
        return settings
    settings["limits"] |= {
        "reply_delay_ms": round(trial.suggest_float("limits.reply_delay_ms", 3.0, 20.0, log=True), 1),
        "needless": round(trial.suggest_float("limits.needless", 0.005, 0.05, log=True), 4),
    }
    settings["prediction"] = {
        "half_life": trial.suggest_int("prediction.half_life", 100, 1600, log=True),
        "pseudo_count": round(trial.suggest_float("prediction.pseudo_count", 2.0, 64.0, log=True), 1),
    }
    kinds = [kind for kind in OPTIONAL_KINDS if base.kind(kind).enabled]
    settings["kinds"] = {
        kind.value: {"enabled": trial.suggest_categorical(f"kinds.{kind.value}", [True, False])} for kind in kinds
    }
    return settings


def starting_points(mode: str, base: Config) -> list[dict[str, Any]]:
    """Return parameters that a search begins with: what *base* has, as far as the space holds it, and for ladders a
    first sound soon with a line again and again, which most traffic likes."""
    limits, handoff = base.limits, base.handoff
    common: dict[str, Any] = {
        "limits.per_turn": 5 if limits.per_turn == "unlimited" else min(max(limits.per_turn, 1), 6),
        "limits.min_gap_ms": _stepped(limits.min_gap_ms, 200, 1500, 50),
        "handoff.max_finish_ms": _stepped(handoff.phrase.max_finish_ms, 0, 1200, 50),
        "handoff.min_play_ms": _stepped(handoff.hesitation.min_play_ms, 120, 400, 20),
    }
    if mode == "predictive":
        delay, needless = limits.reply_delay_ms, limits.needless
        return [
            {
                **common,
                "limits.reply_delay_ms": 20.0 if delay == "unlimited" else min(max(delay, 3.0), 20.0),
                "limits.needless": 0.05 if needless == "unlimited" else min(max(needless, 0.005), 0.05),
                "prediction.half_life": min(max(base.prediction.half_life, 100), 1600),
                "prediction.pseudo_count": min(max(base.prediction.pseudo_count, 2.0), 64.0),
                **{f"kinds.{kind.value}": True for kind in OPTIONAL_KINDS if base.kind(kind).enabled},
            }
        ]
    again = {"ladder.again": True, "ladder.bed": "nothing", "ladder.tool": False, "ladder.first": "hesitation"}
    return [
        {
            **common,
            **again,
            "ladder.first_ms": 600,
            "ladder.then": "progress",
            "ladder.then_ms": 1200,
            "ladder.repeat_ms": 1200,
        },
        {
            **common,
            **again,
            "ladder.first_ms": 700,
            "ladder.then": "phrase",
            "ladder.then_ms": 1500,
            "ladder.repeat_ms": 6000,
        },
    ]


def _stepped(value: float, low: int, high: int, step: int) -> int:
    return low + step * round((min(max(value, low), high) - low) / step)


def differing(settings: Mapping[str, Any], base: Config) -> dict[tuple[str, ...], Any]:
    """Return the values of *settings* that are not *base*'s, by their path; a ladder counts as one value."""
    return dict(_leaves(settings, base.model_dump(mode="json"), ()))


def nested(values: Mapping[tuple[str, ...], Any]) -> Settings:
    """Return *values* by path as nested tables."""
    settings: Settings = {}
    for path, value in values.items():
        table = settings
        for part in path[:-1]:
            table = table.setdefault(part, {})
        table[path[-1]] = value
    return settings


def _leaves(settings: Mapping[str, Any], base: Any, path: tuple[str, ...]) -> Any:
    for key, value in settings.items():
        standing = base.get(key) if isinstance(base, Mapping) else None
        if isinstance(value, Mapping):
            yield from _leaves(value, _with_defaults(path, key, standing), (*path, key))
        elif _plain(value) != _plain(standing):
            yield (*path, key), value


def _with_defaults(path: tuple[str, ...], key: str, standing: Any) -> Any:
    """A kind that is not named is enabled."""
    return standing if standing is not None or path != ("kinds",) else {"enabled": True}


def _plain(value: Any) -> Any:
    """Return *value* comparable: a ladder's steps without what they leave at its default."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None and item != "speech_ended"}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _limits(trial: Trial) -> Settings:
    return {
        "per_turn": trial.suggest_int("limits.per_turn", 1, 6),
        "min_gap_ms": float(trial.suggest_int("limits.min_gap_ms", 200, 1500, step=50)),
    }


def _handoff(trial: Trial) -> Settings:
    """Return how lines and hesitations yield. An "um" of less than 120 ms is a click, which no figure would show."""
    finish = float(trial.suggest_int("handoff.max_finish_ms", 0, 1200, step=50))
    least = float(trial.suggest_int("handoff.min_play_ms", 120, 400, step=20))
    return {
        "hesitation": {"min_play_ms": least},
        "phrase": {"max_finish_ms": finish},
        "progress": {"max_finish_ms": finish},
    }


def _ladder(trial: Trial, base: Config) -> list[Settings]:
    """Return a ladder: a first filler, what follows it (again and again, or once), a bed, a line once a tool runs."""
    first_ms = trial.suggest_int("ladder.first_ms", 150, 3000, step=10)
    steps: list[Settings] = [
        {"after_ms": float(first_ms), "kind": trial.suggest_categorical("ladder.first", FIRST_KINDS)}
    ]
    then = trial.suggest_categorical("ladder.then", THEN_KINDS)
    if then != "nothing":
        then_ms = trial.suggest_int("ladder.then_ms", 600, 6000, step=50)
        step: Settings = {"after_ms": float(first_ms + then_ms), "kind": then}
        if not Kind(then).loops and trial.suggest_categorical("ladder.again", [True, False]):
            step["repeat_ms"] = float(trial.suggest_int("ladder.repeat_ms", 600, 6000, step=50))
        steps.append(step)
    bed = trial.suggest_categorical("ladder.bed", ("nothing", "ambience", "hold"))
    if bed != "nothing":
        steps.append({"after_ms": float(trial.suggest_int("ladder.bed_ms", 0, 6000, step=50)), "kind": bed})
    if trial.suggest_categorical("ladder.tool", [False, True]):
        tool_ms = trial.suggest_int("ladder.tool_ms", 0, 3000, step=50)
        steps.append({"after_ms": float(tool_ms), "kind": "phrase", "since": "tool_started"})
    return [step for step in steps if base.kind(Kind(step["kind"])).enabled]

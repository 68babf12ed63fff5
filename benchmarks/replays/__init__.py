"""Traces through the real engine, or through a quicker likeness of it, and what a turn then was to its user."""

from ._heard import LEVELS, PARTS, Heard, heard, pinball, sounds_of, within
from ._learned import LearnedTrace, lessons_of
from ._render import LEVEL, RATE, REPLY_S, USER_S, placeholder, render_turn
from ._replay import POLICIES, ReplayedTurn, benchmark_base, benchmark_config, replay, write_jsonl
from ._score import Score, score, score_of
from ._simulate import SimulatedSound, SimulatedTurn, Simulation, heard_on_paper, taught
from ._workers import Grounds, crew, working

__all__ = [
    "LEVEL",
    "LEVELS",
    "PARTS",
    "POLICIES",
    "RATE",
    "REPLY_S",
    "USER_S",
    "Grounds",
    "Heard",
    "LearnedTrace",
    "ReplayedTurn",
    "Score",
    "SimulatedSound",
    "SimulatedTurn",
    "Simulation",
    "benchmark_base",
    "benchmark_config",
    "crew",
    "heard",
    "heard_on_paper",
    "lessons_of",
    "pinball",
    "placeholder",
    "render_turn",
    "replay",
    "score",
    "score_of",
    "sounds_of",
    "taught",
    "within",
    "working",
    "write_jsonl",
]

"""Conversations of two versions of a behaviour, really run: on a virtual clock, with real fillers into nothing."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import stopgap
from stopgap import ClipBank, FillerManager, SilentOutput, TurnRecord, VirtualClock
from stopgap.fillers import dealt

SHARES = {1: 0.5, 2: 0.5}
LADDER: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "ladder": [{"after_ms": 700, "kind": "hesitation"}, {"after_ms": 2000, "kind": "phrase"}],
}
SPEECH = np.full(24_000, 0.1, dtype=np.float32)
"""A reply of 1 s."""
VERSIONS: dict[int, Mapping[str, Any]] = {1: {"silent": True}, 2: {}}
"""What version 1 and 2 do about fillers: nothing at all, and what the ladder says."""


def records(
    bank: ClipBank, conversations: int, *, assigned: bool = True, triggered: float = 0.8, seed: int = 7
) -> list[TurnRecord]:
    """Return the records of *conversations* with two turns each.

    Args:
        bank: Clips.
        conversations: How many.
        assigned: Whether the records tell what was dealt.
        triggered: Share of turns in which the user says "refund", which triggers the behaviour.
        seed: Of waits and of what is said.
    """
    rng = np.random.default_rng(seed)
    clock = VirtualClock(100.0)
    managers = {}
    for version, fillers in VERSIONS.items():
        rule = {"version": version, "triggers": ["refund"], "fillers": dict(fillers)}
        config = stopgap.load_config({**LADDER, "behaviors": {"refund": rule}})
        managers[version] = FillerManager(config, clock=clock, bank=bank)
    found = []
    for number in range(conversations):
        name = f"call-{number}"
        version = dealt(SHARES, name, salt="refund")
        with managers[version].session(SilentOutput(24_000), id=name) as session:
            for _ in range(2):
                turn = session.begin(user_said="a refund" if rng.random() < triggered else "hello")
                clock.advance(float(rng.lognormal(0.6, 0.5)))
                turn.write(SPEECH)
                turn.finish()
                clock.advance(8.0)
                dealing = (("refund", version),) if assigned else ()
                found.append(dataclasses.replace(turn.record, assigned=dealing))
    for manager in managers.values():
        manager.close()
    return found


def write(path: Path, turns: list[TurnRecord]) -> Path:
    """Write *turns* one a line, as users do."""
    path.write_text("".join(json.dumps(turn.as_dict()) + "\n" for turn in turns), encoding="utf-8")
    return path

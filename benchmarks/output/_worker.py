"""One engine beside one load, in a process of its own: ``python -m stopgap.benchmarks.output._worker`` prints JSON.

What is asked for: starts that are armed 0.25 s ahead and triggers, by turns. A trigger's delay runs from its
publication (the C core stamps that itself, once the command is in its ring; for the other engines it is the clock as
read just before the call) to the return of the callback that holds its first sample. An armed start is off by the
difference between the time that was asked for and the device's own clock at its first sample, see `device_times`.
"""

import argparse
import json
import math
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from stopgap.engine.outputs._portaudio import load_sounddevice
from stopgap.fillers import OutputError, StopgapError

from .._spread import Spread
from ._engines import Engine, new_engine
from ._jack import HOST_API
from ._loads import Load
from ._measure import Calls, callback_figures, match, onsets
from ._probing import Probe
from ._sounds import LEVELS, RATE, code_of

CALIBRATION_S = 1.0
"""s at the beginning that are not measured; the load joins in half-way."""
TEND_S = 0.02
"""s between two looks after the output, as the service thread takes them."""
ARMED = 6
TRIGGERS = 4
"""Armed starts, then triggers, by turns: sounds of the two never overlap, unless something is late."""
APART_S = (0.06, 0.1)
"""s between two sounds, drawn evenly, so that they fall anywhere in a block."""
AHEAD_S = 0.25
"""s by which starts are armed ahead."""
TOO_LATE_S = 0.05
"""s before its time below which a start was not armed ahead: it was the caller who was late."""
EARLY_S = 0.02
"""s by which an armed sound may come early and still be taken for the one that was asked for."""
DRAIN_S = 0.4
"""s after the end in which what was asked for may still begin to sound."""


def measure(
    engine_name: str, load_name: str, device: int | str | None, block_frames: int, seconds: float, seed: int,
    jack: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Play through *engine_name* beside *load_name* and return what a `Row` holds."""
    load = Load(load_name, seed)
    sd = load_sounddevice()
    run_s = CALIBRATION_S + seconds + 60.0
    probe = Probe(run_s, sd)
    engine = new_engine(engine_name, sd, _jack_device(sd) if jack else device, block_frames, run_s)
    play = _wait if engine_name == "nothing" else _play
    with _tended(engine):
        first = time.monotonic() + CALIBRATION_S
        last = first + seconds
        time.sleep(CALIBRATION_S / 2)
        realtime = _realtime()
        load.start(last)
        time.sleep(max(0.0, first - time.monotonic()))
        asked = play(engine, last, random.Random(seed))
        load.join()
        time.sleep(DRAIN_S)
        calls = probe.calls()
    entries = calls["entry_ns"] / 1e9
    measured = calls[(entries >= first) & (entries < last)]
    return {
        "engine": engine_name, "load": load_name, "first_s": first, "last_s": last, "realtime": realtime,
        "longest_call_ms": load.longest_s * 1e3, "callbacks": asdict(callback_figures(measured, seconds, RATE)),
        **_answers(calls, asked),
    }  # fmt: skip


@dataclass(slots=True)
class Asked:
    """What was asked for; the place in a list, modulo the number of levels, is what the sound is known by."""

    triggers: list[float] = field(default_factory=list)
    """s. When each was published."""
    armed: list[float] = field(default_factory=list)
    """s. When each is to be heard."""
    too_late: list[bool] = field(default_factory=list)
    """Whether each of the armed was armed too late."""


def _play(engine: Engine, until: float, chance: random.Random) -> Asked:
    asked = Asked()
    while time.monotonic() < until:
        at, starts = time.monotonic() + AHEAD_S, []
        for number in range(len(asked.armed), len(asked.armed) + ARMED):
            starts.append((at, number % len(LEVELS)))
            at += chance.uniform(*APART_S)
        told_ns = engine.arm(starts)
        asked.armed += [at for at, _ in starts]
        asked.too_late += [told_ns is not None and at - told_ns / 1e9 < TOO_LATE_S for at, _ in starts]
        time.sleep(max(0.0, at - time.monotonic()))
        for _ in range(TRIGGERS):
            time.sleep(chance.uniform(*APART_S))
            if time.monotonic() < until:
                asked.triggers.append(engine.trigger(len(asked.triggers) % len(LEVELS)) / 1e9)
        time.sleep(APART_S[1])
    return asked


def _wait(engine: Engine, until: float, chance: random.Random) -> Asked:
    time.sleep(until - time.monotonic())
    return Asked()


def _answers(calls: Calls, asked: Asked) -> dict[str, Any]:
    """Return what became of the triggers and the armed starts."""
    sounds = onsets(calls, RATE)
    positive = [sound for sound in sounds if sound.level > 0.0]
    negative = [sound for sound in sounds if sound.level < 0.0 and not math.isnan(sound.heard_s)]
    handed = match(asked.triggers, [(sound.handed_s, code_of(sound.level)) for sound in positive])
    heard = match(asked.armed, [(sound.heard_s, code_of(sound.level)) for sound in negative], EARLY_S)
    handed_ms = [delay * 1e3 for _, delay in handed]
    late_ms = [delay * 1e3 for number, delay in heard if not asked.too_late[number]]
    return {
        "handed": asdict(Spread.of(handed_ms)), "handed_ms": handed_ms, "triggers": len(asked.triggers),
        "lateness": asdict(Spread.of(np.abs(late_ms))), "lateness_ms": late_ms,
        "armed": len(asked.armed) - sum(asked.too_late), "armed_too_late": sum(asked.too_late),
    }  # fmt: skip


@contextmanager
def _tended(engine: Engine) -> Iterator[None]:
    """Let *engine* play, looked after by a thread."""
    stopping = threading.Event()

    def tend() -> None:
        while not stopping.wait(TEND_S):
            engine.tend()

    thread = threading.Thread(target=tend, name="service", daemon=True)
    try:
        engine.start()
        thread.start()
        yield
        stopping.set()
        thread.join()
    finally:
        engine.close()


def _jack_device(sd: Any) -> int:
    """Return the index of the JACK server's own output."""
    apis = sd.query_hostapis()
    for index, device in enumerate(sd.query_devices()):
        if apis[device["hostapi"]]["name"] == HOST_API and device["max_output_channels"] > 0:
            return index
    raise OutputError("this PortAudio does not know JACK; name one of the devices that `stopgap devices` lists")


def _realtime() -> bool | None:
    """Return whether a thread of this process has real-time priority, which only PortAudio's asks for."""
    if sys.platform != "linux":
        return None
    policies = {os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")}
    return bool(policies & {os.SCHED_FIFO, os.SCHED_RR})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--device")
    parser.add_argument("--jack", action="store_true", help="play to the JACK server's own device")
    parser.add_argument("--block", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    device = int(options.device) if options.device and options.device.isdigit() else options.device
    try:
        row = measure(options.engine, options.load, device, options.block, options.seconds, options.seed, options.jack)
    except StopgapError as exc:
        row = {"error": str(exc)}
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

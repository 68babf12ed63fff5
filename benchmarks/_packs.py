"""How soon a large pack can be played, and what it takes to keep it: each run in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from stopgap.fillers import ClipBank, Samples

CLIP_S = 2.0
FILE_RATE, RATE = 24_000, 48_000
"""Hz of the files, and of the device."""


@dataclass(frozen=True, slots=True)
class PackFigure:
    """One thing that was measured, over all runs."""

    what: str
    median: float
    worst: float
    limit: float | None
    """What the worst run is to stay within; None: no target."""

    @property
    def met(self) -> bool | None:
        return None if self.limit is None else self.worst <= self.limit


@dataclass(frozen=True, slots=True)
class PacksReport:
    """What ``stopgap bench packs`` prints."""

    clips: int
    clip_s: float
    runs: int
    figures: tuple[PackFigure, ...]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "figures": [{**asdict(figure), "met": figure.met} for figure in self.figures]}


def measure_packs(
    clips: int = 200, *, runs: int = 5, advance: Callable[[int], None] = lambda steps: None
) -> PacksReport:
    """Measure on this machine.

    Args:
        clips: Clips of 2 s in the pack.
        runs: New processes that load it, one after the other.
        advance: Called with 1 after each run.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_pack(Path(folder), clips)
        found = []
        for _ in range(runs):
            command = [sys.executable, "-m", "stopgap.benchmarks._packs", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout))
            advance(1)
    limits = {
        "s from files to played (cold process, one core)": 1.0,
        "memory kept, times the float32 size": 1.1,
        "what a second manager adds, times the float32 size": 0.05,
    }
    figures = tuple(
        PackFigure(what, statistics.median(values), max(values), limits.get(what))
        for what in found[0]
        for values in [[run[what] for run in found]]
    )
    return PacksReport(clips, CLIP_S, runs, figures)


def write_pack(folder: Path, clips: int) -> None:
    """Write a pack of speech: the bundled clips, one after the other, cut every 2 s."""
    speech = np.concatenate([clip.samples for clip in ClipBank().clips(FILE_RATE) if clip.kind.spoken])
    frames = round(CLIP_S * FILE_RATE)
    head = ['format = 1\nname = "bench"\nlanguage = "en-US"\nlicence = "of the bundled clips"\n']
    for number in range(clips):
        piece: Samples = np.roll(speech, -number * frames // 2)[:frames]
        soundfile.write(folder / f"{number}.flac", piece, FILE_RATE, format="FLAC", subtype="PCM_16")
        head.append(f'[[clips]]\nid = "c{number}"\nfile = "{number}.flac"\nkind = "phrase"\ntext = "number {number}"\n')
    (folder / "pack.toml").write_text("\n".join(head), encoding="utf-8")


def _measure(folder: str) -> dict[str, float]:
    """Load the pack in *folder*, in this process, on one core."""
    import gc
    import time

    from stopgap.engine import FillerManager, VirtualClock
    from stopgap.fillers import Config

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    def manager() -> FillerManager:
        made = FillerManager(Config(packs=(folder,)), clock=VirtualClock())
        made.bank.clips(RATE)
        return made

    gc.collect()
    before_mb, began = _memory_mb(), time.perf_counter()
    first = manager()
    ready_s = time.perf_counter() - began
    gc.collect()
    kept_mb, began = _memory_mb(), time.perf_counter()
    second = manager()
    again_s = time.perf_counter() - began
    both_mb = _memory_mb()
    size_mb = sum(4 * clip.frames for clip in first.bank.clips(RATE)) / 1e6
    assert second.bank.clips(RATE)[0].samples is first.bank.clips(RATE)[0].samples
    return {
        "s from files to played (cold process, one core)": ready_s,
        "memory kept, times the float32 size": (kept_mb - before_mb) / size_mb,
        "the most memory on the way, times the float32 size": (_peak_mb() - before_mb) / size_mb,
        "what a second manager adds, times the float32 size": (both_mb - kept_mb) / size_mb,
        "s for a second manager": again_s,
        "float32 size, MB": size_mb,
    }


def _memory_mb() -> float:
    """MB that belong to this process: resident, without files that are merely mapped."""
    return _status("RssAnon")


def _peak_mb() -> float:
    return _status("VmHWM") - _status("RssFile") - _status("RssShmem")


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e6


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1])))

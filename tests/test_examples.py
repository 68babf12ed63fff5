"""The examples run as written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

EXAMPLES = Path(__file__).parent.parent / "examples"


def run_example(name: str, *arguments: object) -> str:
    """Run an example in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_asyncio_agent_is_heard(tmp_path: Path) -> None:
    """Both answers are heard, with fillers before them, and the file holds the sound."""
    out = run_example("asyncio_fake.py", "--out", tmp_path / "heard.wav")
    assert out.count("the answer") == 2
    assert "hesitation" in out
    samples, rate = soundfile.read(tmp_path / "heard.wav")
    blocks = samples[: len(samples) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    assert (np.sqrt((blocks**2).mean(axis=1)) > 0.01).sum() > 40  # of some 130: two answers of 2.7 s and fillers


def test_telemetry_prints_spans_and_metrics() -> None:
    """Spans and both times arrive at the exporters."""
    out = run_example("telemetry.py")
    assert out.count('"name": "stopgap.turn"') == 3
    assert "stopgap.time_to_first_sound" in out
    assert "stopgap.time_to_answer" in out


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_examples_say_how_to_run_them(name: str) -> None:
    """Each begins with what it shows and the command that runs it."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert text.startswith('"""')
    assert f"examples/{name}" in text.split('"""')[1]

"""A traced turn as sound."""

import numpy as np
import pytest
from stopgap.benchmarks import TraceTurn, benchmark_config
from stopgap.benchmarks.replays import LEVEL, RATE, REPLY_S, USER_S, placeholder, render_turn
from stopgap.fillers import ClipBank, Samples


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


def test_a_turn_is_heard_as_it_was_replayed(bank: ClipBank) -> None:
    """The user up to time 0, silence up to the filler, the filler, and the reply when it comes."""
    turn = TraceTurn("t", "c", 0.0, "a", 3000.0, None)
    config = benchmark_config("ladder", {"ladder": [{"after_ms": 700, "kind": "hesitation"}]})
    found = render_turn(turn, config, bank=bank)
    at = {name: round((found.zero_s + s) * RATE) for name, s in (("um", 0.7), ("reply", 3.0), ("zero", 0.0))}
    (sound,) = found.replayed.record.sounds
    assert found.zero_s == USER_S
    assert rms(found.samples[: at["zero"]]) == pytest.approx(LEVEL, rel=0.01)
    assert np.abs(found.samples[at["zero"] : at["um"]]).max() == 0.0
    assert rms(found.samples[at["um"] : at["um"] + 4800]) > 0.01
    assert np.abs(found.samples[round((found.zero_s + (sound.end_s or 0.0)) * RATE) + 1 : at["reply"]]).max() == 0.0
    assert rms(found.samples[at["reply"] : at["reply"] + round(REPLY_S * RATE)]) == pytest.approx(LEVEL, rel=0.05)
    assert np.abs(found.samples).max() < 1.0


def test_a_cancelled_turn_ends_in_silence(bank: ClipBank) -> None:
    """The user barges in: no reply is heard, and what sounded has faded."""
    turn = TraceTurn("t", "c", 0.0, "a", None, 900.0)
    config = benchmark_config("ladder", {"ladder": [{"after_ms": 700, "kind": "phrase"}]})
    found = render_turn(turn, config, bank=bank)
    assert found.replayed.reply_start_ms is None
    assert np.abs(found.samples[round((found.zero_s + 0.93) * RATE) :]).max() == 0.0


@pytest.mark.parametrize("seconds", [0.0, 0.01, 1.0])
def test_placeholders_start_and_end_softly(seconds: float) -> None:
    """A placeholder is as long as asked for, as loud as said, and without a click."""
    samples = placeholder(130.0, seconds)
    assert samples.dtype == np.dtype(np.float32)
    assert len(samples) == round(seconds * RATE)
    if seconds:
        assert rms(samples) == pytest.approx(LEVEL, rel=1e-3)
        assert abs(samples[0]) < 1e-3
        assert abs(samples[-1]) < 1e-3

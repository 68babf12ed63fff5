"""Telemetry, read back from OpenTelemetry's own in-memory exporters."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import stopgap
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from stopgap import ClipBank, FillerManager, SilentOutput, VirtualClock
from stopgap.otel import Telemetry

RATE = 24_000
CONFIG: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "ladder": [{"after_ms": 500, "kind": "hesitation"}, {"after_ms": 2000, "kind": "phrase"}],
}


class Rig(NamedTuple):
    """A manager that is measured, and what was exported."""

    clock: VirtualClock
    manager: FillerManager
    reader: InMemoryMetricReader
    spans: InMemorySpanExporter

    def points(self, name: str) -> list[Any]:
        """Return the data points of the metric *name*."""
        data = self.reader.get_metrics_data()
        assert data is not None
        (scope,) = data.resource_metrics[0].scope_metrics
        return [p for metric in scope.metrics if metric.name == name for p in metric.data.data_points]

    def counts(self, name: str) -> dict[tuple[Any, ...], float]:
        """Return the sums of the counter *name* by its sorted attributes' values."""
        return {tuple(v for _, v in sorted(p.attributes.items())): p.value for p in self.points(name)}


@pytest.fixture
def rig(bank: ClipBank) -> Iterator[Rig]:
    reader, exporter, clock = InMemoryMetricReader(), InMemorySpanExporter(), VirtualClock(50.0)
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    with FillerManager(stopgap.load_config(CONFIG), clock=clock, bank=bank) as manager:
        meter_provider = MeterProvider([reader], shutdown_on_exit=False)
        Telemetry(manager, meter_provider=meter_provider, tracer_provider=tracer_provider)
        yield Rig(clock, manager, reader, exporter)


def turn_of(rig: Rig, wait_s: float | None, agent: str | None = "a") -> stopgap.TurnRecord:
    """Play a turn whose reply comes after *wait_s* (None: it is cancelled after 1 s) and is heard out."""
    session = rig.manager.session(SilentOutput(RATE))
    turn = session.begin(agent=agent)
    rig.clock.advance(wait_s if wait_s is not None else 1.0)
    if wait_s is None:
        turn.cancel("hang-up")
    else:
        turn.write(np.zeros(RATE // 2, np.float32))
        turn.finish()
    rig.clock.advance(5.0)
    session.close()
    return turn.record


def test_first_sound_and_answer_are_two_figures(rig: Rig) -> None:
    """A filler does not make the answer look quick: both times are there, each in its own histogram."""
    record = turn_of(rig, 1.5)
    (first,) = rig.points("stopgap.time_to_first_sound")
    (answer,) = rig.points("stopgap.time_to_answer")
    assert first.sum == pytest.approx(0.5)
    assert answer.sum == pytest.approx(record.reply_heard_s)
    assert answer.sum >= 1.5
    assert first.attributes == {"agent": "a"}


def test_dead_air_is_what_no_sound_covers(rig: Rig) -> None:
    """Silence before the filler and behind it is summed; the longest stretch stands beside the sum."""
    record = turn_of(rig, 1.5)
    (sound,) = record.sounds
    assert sound.end_s is not None
    (dead,) = rig.points("stopgap.dead_air")
    (longest,) = rig.points("stopgap.longest_silence")
    assert dead.sum == pytest.approx(0.5 + 1.5 - sound.end_s)
    assert longest.sum == pytest.approx(max(0.5, 1.5 - sound.end_s))


def test_a_preamble_is_no_answer(rig: Rig) -> None:
    """ "Let me look." closes no turn on a dashboard: the answer is what no further wait followed."""
    session = rig.manager.session(SilentOutput(RATE))
    turn = session.begin(agent="a")
    rig.clock.advance(0.2)
    turn.write(np.zeros(RATE // 4, np.float32))
    turn.wait_again()
    rig.clock.advance(6.0)
    turn.write(np.zeros(RATE // 4, np.float32))
    turn.finish()
    rig.clock.advance(2.0)
    session.close()
    (answer,) = rig.points("stopgap.time_to_answer")
    assert answer.sum == pytest.approx(turn.record.answer_heard_s)
    assert answer.sum >= 6.2


def test_what_the_user_says_is_no_dead_air(rig: Rig) -> None:
    """Neither an "ok" that the turn survives, nor what was said before a barge-in was taken for one, is silence."""
    session = rig.manager.session(SilentOutput(RATE))
    turn = session.begin(agent="ok")
    rig.clock.advance(0.2)
    session.user_speaking()
    rig.clock.advance(2.0)
    session.resume()
    rig.clock.advance(0.1)
    turn.write(np.zeros(100, np.float32))
    turn.finish()
    rig.clock.advance(1.0)
    turn = session.begin(agent="barge-in")
    rig.clock.advance(0.2)
    session.user_speaking()
    rig.clock.advance(5.0)
    turn.cancel("barge-in")
    session.close()
    dead = {p.attributes["agent"]: p.sum for p in rig.points("stopgap.dead_air")}
    assert dead == {"ok": pytest.approx(0.3, abs=1e-6), "barge-in": pytest.approx(0.2, abs=1e-6)}


def test_what_is_counted(rig: Rig) -> None:
    """Turns by outcome, fillers by kind and cut, predictions by quantile; a turn without a reply has no answer time."""
    turn_of(rig, 0.2)
    turn_of(rig, 60.0, agent=None)
    turn_of(rig, None)
    retracted = rig.manager.session(SilentOutput(RATE)).begin(tentative=True, agent="a")
    retracted.retract()
    assert rig.counts("stopgap.turns") == {
        ("a", "replied"): 1, ("replied",): 1, ("a", "cancelled"): 1, ("a", "retracted"): 1,
    }  # fmt: skip
    fillers = rig.counts("stopgap.fillers")
    assert fillers["a", False, "hesitation"] == 1
    assert fillers[False, "phrase"] == 1
    assert rig.counts("stopgap.predictions") == {("a", "q50"): 1, ("beyond",): 1}
    assert sum(point.count for point in rig.points("stopgap.time_to_answer")) == 2
    assert sum(point.count for point in rig.points("stopgap.dead_air")) == 3
    (xruns,) = rig.points("stopgap.xruns")
    assert xruns.value == 0


def test_prediction_error_is_the_distance_from_the_median(rig: Rig) -> None:
    """What is recorded is by how much the median missed, whichever side the wait fell on."""
    record = turn_of(rig, 0.2)
    (error,) = rig.points("stopgap.prediction_error")
    assert error.sum == pytest.approx(record.prediction.q50_s - 0.2)


def test_a_turn_is_a_span(rig: Rig) -> None:
    """It begins when the user's speech ended, on the wall clock, and has milestones, fillers and answer as events."""
    session = rig.manager.session(SilentOutput(RATE), id="call-7")
    turn = session.begin(id="t1", agent="a")
    rig.clock.advance(0.3)
    with turn.tool("lookup"):
        rig.clock.advance(1.0)
    turn.write(np.zeros(2400, np.float32))
    turn.finish()
    rig.clock.advance(3.0)
    session.tick()
    span: ReadableSpan
    (span,) = rig.spans.get_finished_spans()
    assert span.name == "stopgap.turn"
    assert span.attributes is not None
    assert span.attributes["stopgap.turn_id"] == "t1"
    assert span.attributes["stopgap.session"] == "call-7"
    assert span.attributes["stopgap.outcome"] == "replied"
    assert span.attributes["stopgap.time_to_first_sound"] == pytest.approx(0.5)
    assert span.start_time is not None
    assert span.end_time is not None
    at = {event.name: (event.timestamp - span.start_time) / 1e9 for event in span.events}
    assert at["stopgap.tool_started"] == pytest.approx(0.3, abs=1e-6)
    assert at["stopgap.filler"] == pytest.approx(0.5, abs=1e-6)
    assert at["stopgap.answer"] == pytest.approx(turn.record.reply_heard_s, abs=1e-6)
    assert (span.end_time - span.start_time) / 1e9 >= at["stopgap.answer"] - 1e-6
    ago_s = rig.clock.now() - turn.record.speech_ended_at
    assert abs(span.start_time / 1e9 + ago_s - time.time()) < 60.0


def test_a_missing_package_names_the_extra() -> None:
    """Without OpenTelemetry the import says what to install."""
    code = "import sys; sys.modules['opentelemetry'] = None; import stopgap.otel"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    wanted = "stopgap.otel needs opentelemetry, which is not installed: pip install 'stopgap[otel]'"
    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: {wanted}"

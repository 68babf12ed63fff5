"""OpenTelemetry: metrics of what users hear, and one span a turn."""

import time
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import SpanKind, TracerProvider

from ...fillers import Kind
from .._manager import FillerManager
from ..planning import Sound, silent_gaps
from ..turns import SoundRecord, TurnRecord

SCOPE = "stopgap"
BOUNDARIES_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 60.0)
"""s. Bucket boundaries that are advised for durations: fine where people notice a pause."""


class Telemetry:
    """A listener that measures every turn: ``Telemetry(manager)`` is all there is to do.

    - Histograms in s: ``stopgap.time_to_first_sound`` (filler or answer, whichever comes first) and
      ``stopgap.time_to_answer`` (a spoken preamble is none), which are two figures, always; ``stopgap.dead_air`` (all
      silence of a turn until its answer, or until the user cut it off; beds and what the user says are sound),
      ``stopgap.longest_silence``, ``stopgap.reply_delay``, ``stopgap.prediction_error`` (by how much the predicted
      median missed the answer's availability).
    - Counters: ``stopgap.turns`` by outcome, ``stopgap.fillers`` by kind and whether they were cut,
      ``stopgap.predictions`` by the smallest predicted quantile that the wait stayed within, ``stopgap.xruns``.
    - A span ``stopgap.turn`` from the end of the user's speech to the last start or end of a sound, with the turn's
      milestones and fillers as events.

    Attributes hold the agent's name. Retracted turns are counted, and not measured.

    Args:
        manager: Whose sessions are measured: those that are opened from now on.
        meter_provider: Where metrics go; None: the global one.
        tracer_provider: Where spans go; None: the global one.
    """

    def __init__(
        self,
        manager: FillerManager,
        *,
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        self._manager = manager
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)

        def seconds(name: str, description: str) -> Any:
            return meter.create_histogram(
                f"stopgap.{name}", "s", description, explicit_bucket_boundaries_advisory=BOUNDARIES_S
            )

        self._first_sound = seconds("time_to_first_sound", "End of the user's speech to any sound")
        self._answer = seconds("time_to_answer", "End of the user's speech to the answer's first sound")
        self._dead_air = seconds("dead_air", "Silence of a turn until its answer or its end")
        self._longest = seconds("longest_silence", "Longest silence of a turn until its answer or its end")
        self._delay = seconds("reply_delay", "Time by which fillers held the answer back")
        self._error = seconds("prediction_error", "Distance of the wait from its predicted median")
        self._turns = meter.create_counter("stopgap.turns", "{turn}", "Turns by outcome")
        self._fillers = meter.create_counter("stopgap.fillers", "{filler}", "Fillers that were heard, by kind")
        self._predictions = meter.create_counter("stopgap.predictions", "{turn}", "Waits by predicted quantile")
        meter.create_observable_counter("stopgap.xruns", [self._xruns], "{xrun}", "Under- and overruns of devices")
        manager.add_listener(self)

    def on_filler(self, turn_id: str, sound: SoundRecord) -> None:
        """Do nothing: a turn's fillers are counted at its end."""

    def on_turn(self, record: TurnRecord) -> None:
        """Measure a turn that is over."""
        agent = {"agent": record.agent} if record.agent is not None else {}
        self._turns.add(1, {**agent, "outcome": record.outcome})
        if record.outcome != "retracted":
            self._measure(record, agent)
            self._trace(record)

    def _measure(self, record: TurnRecord, agent: dict[str, str]) -> None:
        gaps = _silences(record)
        self._dead_air.record(sum(gaps), agent)
        self._longest.record(max(gaps, default=0.0), agent)
        for histogram, seconds in (
            (self._first_sound, record.first_sound_s),
            (self._answer, record.answer_heard_s),
            (self._delay, record.reply_delay_s),
        ):
            if seconds is not None:
                histogram.record(max(0.0, seconds), agent)
        for sound in record.sounds:
            self._fillers.add(1, {**agent, "kind": sound.kind.value, "cut": sound.cut})
        available_s = record.waits[0].available_s
        if available_s is not None:
            self._error.record(abs(available_s - record.prediction.q50_s), agent)
            self._predictions.add(1, {**agent, "within": _within(record, available_s)})

    def _trace(self, record: TurnRecord) -> None:
        clock_now, wall_now_ns = self._manager.clock.now(), time.time_ns()

        def wall_ns(at_s: float) -> int:
            return wall_now_ns - round((clock_now - record.speech_ended_at - at_s) * 1e9)

        ends = [record.ended_s or 0.0, *(s.end_s for s in record.sounds if s.end_s is not None)]
        span = self._tracer.start_span(
            "stopgap.turn", kind=SpanKind.INTERNAL, start_time=wall_ns(0.0), attributes=_attributes(record)
        )
        for news in record.milestones:
            tool = {"tool": news.tool} if news.tool is not None else {}
            span.add_event(f"stopgap.{news.name}", tool, wall_ns(news.at_s))
        for sound in record.sounds:
            heard: dict[str, str | float | bool] = {"kind": sound.kind.value, "clip": sound.clip, "cut": sound.cut}
            span.add_event("stopgap.filler", heard, wall_ns(sound.start_s))
        for wait in record.waits:
            if wait.heard_s is not None:
                span.add_event("stopgap.answer", timestamp=wall_ns(wait.heard_s))
                ends.append(wait.heard_s)
        span.end(wall_ns(max(ends)))

    def _xruns(self, _: CallbackOptions) -> list[Observation]:
        return [Observation(int(self._manager.statistics()["xruns"]))]


def _silences(record: TurnRecord) -> list[float]:
    """Return the silences in s of all waits of a turn; beds, and what the user says, are sound."""
    sounds = [Sound(s.kind, s.start_s, s.end_s if s.end_s is not None else s.start_s, s.cut) for s in record.sounds]
    sounds += [Sound(Kind.BACKCHANNEL, start, end) for start, end in record.user_spoke]
    gaps: list[float] = []
    for wait in record.waits:
        ends = (wait.heard_s, record.cut_off_s, record.ended_s)
        end_s = next((end for end in ends if end is not None), None)
        if end_s is not None and end_s > wait.began_s:
            within = [
                Sound(s.kind, s.start_s - wait.began_s, s.end_s - wait.began_s, s.cut)
                for s in sounds
                if wait.began_s < s.end_s and s.start_s < end_s
            ]
            gaps += silent_gaps(within, end_s=end_s - wait.began_s)
    return gaps


def _within(record: TurnRecord, available_s: float) -> str:
    predicted = record.prediction
    for name, quantile_s in (("q50", predicted.q50_s), ("q80", predicted.q80_s), ("q95", predicted.q95_s)):
        if available_s <= quantile_s:
            return name
    return "beyond"


def _attributes(record: TurnRecord) -> dict[str, str | float | int]:
    attributes: dict[str, str | float | int | None] = {
        "stopgap.turn_id": record.id,
        "stopgap.session": record.session,
        "stopgap.agent": record.agent,
        "stopgap.language": record.language,
        "stopgap.outcome": record.outcome,
        "stopgap.cancel_reason": record.cancel_reason,
        "stopgap.policy": record.policy,
        "stopgap.time_to_first_sound": record.first_sound_s,
        "stopgap.time_to_answer": record.answer_heard_s,
        "stopgap.reply_delay": record.reply_delay_s,
        "stopgap.fillers": len(record.sounds),
        "stopgap.predicted_q50": record.prediction.q50_s,
        "stopgap.predicted_q80": record.prediction.q80_s,
        "stopgap.predicted_q95": record.prediction.q95_s,
    }
    return {name: value for name, value in attributes.items() if value is not None}

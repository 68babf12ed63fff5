"""What OpenTelemetry is told: metrics and one span a turn, printed to the console. No keys.

    pip install 'stopgap[otel]' opentelemetry-sdk
    python examples/telemetry.py

In production leave the exporters to your OpenTelemetry set-up, and write just ``Telemetry(manager)``.
"""

import numpy as np
import stopgap
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from stopgap.otel import Telemetry


def main() -> None:
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    meter_provider = MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter())])

    clock = stopgap.VirtualClock()  # so that the example need not wait
    with stopgap.FillerManager(clock=clock) as manager:
        Telemetry(manager, meter_provider=meter_provider, tracer_provider=tracer_provider)
        with manager.session(stopgap.SilentOutput()) as session:
            for wait_s in (0.8, 1.9, 4.2):
                turn = session.begin(agent="gpt-x")
                clock.advance(wait_s)
                turn.write(np.zeros(12_000, np.float32))
                turn.finish()
                clock.advance(5.0)
    meter_provider.shutdown()


if __name__ == "__main__":
    main()

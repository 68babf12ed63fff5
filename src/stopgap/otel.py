"""Telemetry: ``pip install 'stopgap[otel]'``, then ``Telemetry(manager)``."""

from stopgap.engine.integrations._extras import needs_extra

with needs_extra("otel", "opentelemetry"):
    from stopgap.engine.integrations._otel import Telemetry

__all__ = ["Telemetry"]

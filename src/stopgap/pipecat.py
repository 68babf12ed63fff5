"""Pipecat: ``pip install 'stopgap[pipecat]'``, then ``PipecatFillers(manager)``."""

from stopgap.engine.integrations._extras import needs_extra

with needs_extra("pipecat", "pipecat"):
    from stopgap.engine.integrations.pipecat import PipecatFillers

__all__ = ["PipecatFillers"]

"""Fillers for pipelines of Pipecat."""

from ._fillers import PipecatFillers

__all__ = ["PipecatFillers"]

"""What an author gives, checked and read."""

import math

from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.processors.frame_processor import FrameProcessor

from ....fillers import Kind, UsageError
from ..._manager import FillerManager

MARGIN_S = 0.6
"""s that a handoff may take beyond its rule: fillers are mixed in whole chunks, and a line that stands still takes
half a second to be noticed."""


def longest_handoff_s(manager: FillerManager) -> float:
    """Return for how many s the reply may be held, by the configuration's ``[handoff]``."""
    rules = [manager.config.handoff.of(kind) for kind in Kind]
    longest_ms = max(r.min_play_ms + r.max_finish_ms + r.fade_ms + max(0.0, r.gap_ms) for r in rules)
    return longest_ms / 1000.0 + MARGIN_S


def check(manager: object, mixer: object, llm: object, latency_ms: float, channels: int) -> None:
    """Raise `UsageError` if an argument is not what it should be."""
    if not isinstance(manager, FillerManager):
        raise UsageError(f"PipecatFillers needs a FillerManager, not {type(manager).__name__}")
    if mixer is not None and not isinstance(mixer, BaseAudioMixer):
        raise UsageError(f"mixer={mixer!r} is no mixer of Pipecat; give the one that the transport had, or None")
    if llm is not None and not isinstance(llm, FrameProcessor):
        raise UsageError(f"llm={llm!r} is no processor of the pipeline; give the service that answers, or None")
    if not (isinstance(latency_ms, int | float) and 0.0 <= latency_ms < math.inf):
        raise UsageError(f"latency_ms={latency_ms!r} must be 0 or more")
    if not isinstance(channels, int) or channels < 1:
        raise UsageError(f"channels={channels!r} must be the transport's audio_out_channels: 1 or more")

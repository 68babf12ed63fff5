"""The mixer: armed cues, voices, the handoff rule and the reply, to the frame."""

from ._commands import Arm, Command, Stop, Tell, Write
from ._contract import Mixer, new_mixer
from ._core import native_available
from ._handoff import Ending, HandoffFrames, clip_length, ending, mark_frames, release
from ._native_batch import NativeBatch
from ._native_mixer import NativeMixer
from ._port import NativePort, PortStatistics
from ._reference import ReferenceMixer
from ._schedule import MAX_CUES, MAX_REPLIES, MAX_VOICES, ArmedCue, Heard, MixerEvent, Schedule, Voice
from ._tap import TapBlock

__all__ = [
    "MAX_CUES",
    "MAX_REPLIES",
    "MAX_VOICES",
    "Arm",
    "ArmedCue",
    "Command",
    "Ending",
    "HandoffFrames",
    "Heard",
    "Mixer",
    "MixerEvent",
    "NativeBatch",
    "NativeMixer",
    "NativePort",
    "PortStatistics",
    "ReferenceMixer",
    "Schedule",
    "Stop",
    "TapBlock",
    "Tell",
    "Voice",
    "Write",
    "clip_length",
    "ending",
    "mark_frames",
    "native_available",
    "new_mixer",
    "release",
]

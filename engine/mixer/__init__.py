"""The mixer: armed cues, voices, the handoff rule and the reply, to the frame."""

from ._handoff import Ending, HandoffFrames, clip_length, ending, mark_frames
from ._mixer import Arm, Command, Mixer, Stop, Tell, Write
from ._schedule import MAX_VOICES, ArmedCue, Heard, MixerEvent, Schedule, Voice

__all__ = [
    "MAX_VOICES",
    "Arm",
    "ArmedCue",
    "Command",
    "Ending",
    "HandoffFrames",
    "Heard",
    "Mixer",
    "MixerEvent",
    "Schedule",
    "Stop",
    "Tell",
    "Voice",
    "Write",
    "clip_length",
    "ending",
    "mark_frames",
]

"""Where the sound goes."""

from ._ahead import LEAD_LONGEST_MS, AheadFrames, AheadTransport, send_ahead
from ._batch import FrameBatch
from ._contract import FrameClock, Output, Source
from ._device import DeviceOutput
from ._file import FileOutput
from ._frames import FrameOutput, as_pcm16
from ._memory import MemoryOutput
from ._portaudio import find_device, load_sounddevice
from ._silent import SilentOutput

__all__ = [
    "LEAD_LONGEST_MS",
    "AheadFrames",
    "AheadTransport",
    "DeviceOutput",
    "FileOutput",
    "FrameBatch",
    "FrameClock",
    "FrameOutput",
    "MemoryOutput",
    "Output",
    "SilentOutput",
    "Source",
    "as_pcm16",
    "find_device",
    "load_sounddevice",
    "send_ahead",
]

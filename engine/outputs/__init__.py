"""Where the sound goes."""

from ._ahead import AheadFrames, AheadTransport, send_ahead
from ._batch import FrameBatch
from ._contract import FrameClock, Output, Source
from ._device import DeviceOutput
from ._file import FileOutput
from ._frames import FrameOutput
from ._memory import MemoryOutput
from ._portaudio import find_device, load_sounddevice
from ._silent import SilentOutput

__all__ = [
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
    "find_device",
    "load_sounddevice",
    "send_ahead",
]

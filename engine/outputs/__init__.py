"""Where the sound goes."""

from ._contract import FrameClock, Output, Source
from ._device import DeviceOutput, find_device, load_sounddevice
from ._file import FileOutput
from ._frames import FrameOutput
from ._memory import MemoryOutput
from ._silent import SilentOutput

__all__ = [
    "DeviceOutput",
    "FileOutput",
    "FrameClock",
    "FrameOutput",
    "MemoryOutput",
    "Output",
    "SilentOutput",
    "Source",
    "find_device",
    "load_sounddevice",
]

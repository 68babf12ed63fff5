"""When to play, and the runtime that applications use."""

from ._clock import Clock, MonotonicClock, VirtualClock
from ._manager import FillerManager
from ._session import Session
from ._turn import Turn
from .outputs import DeviceOutput, FileOutput, FrameOutput, MemoryOutput, Output, SilentOutput
from .turns import TurnRecord

__all__ = [
    "Clock",
    "DeviceOutput",
    "FileOutput",
    "FillerManager",
    "FrameOutput",
    "MemoryOutput",
    "MonotonicClock",
    "Output",
    "Session",
    "SilentOutput",
    "Turn",
    "TurnRecord",
    "VirtualClock",
]

"""When to play, and the runtime that applications use."""

from ._behaving import InForce
from ._clock import Clock, MonotonicClock, VirtualClock
from ._listeners import Listener
from ._manager import FillerManager
from ._session import Session
from ._turn import Turn
from .outputs import (
    AheadTransport,
    DeviceOutput,
    FileOutput,
    FrameBatch,
    FrameOutput,
    MemoryOutput,
    Output,
    SilentOutput,
    send_ahead,
)
from .turns import SoundRecord, TurnRecord

__all__ = [
    "AheadTransport",
    "Clock",
    "DeviceOutput",
    "FileOutput",
    "FillerManager",
    "FrameBatch",
    "FrameOutput",
    "InForce",
    "Listener",
    "MemoryOutput",
    "MonotonicClock",
    "Output",
    "Session",
    "SilentOutput",
    "SoundRecord",
    "Turn",
    "TurnRecord",
    "VirtualClock",
    "send_ahead",
]

"""stopgap: the filler layer for voice agents.

Names are loaded when first used, so that ``import stopgap`` stays quick; no audio device is touched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stopgap.engine import (
        AheadTransport,
        Clock,
        DeviceOutput,
        FileOutput,
        FillerManager,
        FrameBatch,
        FrameOutput,
        Listener,
        MemoryOutput,
        MonotonicClock,
        Output,
        Session,
        SilentOutput,
        SoundRecord,
        Turn,
        TurnRecord,
        VirtualClock,
        send_ahead,
    )
    from stopgap.fillers import (
        ClipBank,
        Config,
        ConfigError,
        Kind,
        OutputError,
        PackError,
        StopgapError,
        TraceError,
        UsageError,
        load_config,
    )

__version__ = "0.1.0"

__all__ = [
    "AheadTransport",
    "ClipBank",
    "Clock",
    "Config",
    "ConfigError",
    "DeviceOutput",
    "FileOutput",
    "FillerManager",
    "FrameBatch",
    "FrameOutput",
    "Kind",
    "Listener",
    "MemoryOutput",
    "MonotonicClock",
    "Output",
    "OutputError",
    "PackError",
    "Session",
    "SilentOutput",
    "SoundRecord",
    "StopgapError",
    "TraceError",
    "Turn",
    "TurnRecord",
    "UsageError",
    "VirtualClock",
    "load_config",
    "send_ahead",
]

_FILLERS = {
    "ClipBank", "Config", "ConfigError", "Kind", "OutputError", "PackError", "StopgapError", "TraceError",
    "UsageError", "load_config",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'stopgap' has no attribute {name!r}")
    value = getattr(import_module("stopgap.fillers" if name in _FILLERS else "stopgap.engine"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

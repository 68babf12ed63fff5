"""Errors, named by whose fault they are.

StopgapError
├── UsageError         the caller's code: a wrong argument (also a ValueError)
├── ConfigError        a file the user wrote: configuration
│   ├── PackError      ... a clip pack
│   └── TraceError     ... a latency trace
└── OutputError        the outside world: an audio device that cannot be opened

Only wrong arguments and wrong files raise, and before anything plays. Audio trouble later on never reaches
the agent as an exception: it is logged once and counted.
"""


class StopgapError(Exception):
    """Root of everything stopgap raises on purpose."""


class UsageError(StopgapError, ValueError):
    """A call with an argument that cannot be right."""


class ConfigError(StopgapError):
    """A configuration that cannot be used; the message names the key's path and what to write instead."""


class PackError(ConfigError):
    """A clip pack that cannot be used; the message names the file and the clip."""


class TraceError(ConfigError):
    """A latency trace that cannot be read; the message names the line."""


class OutputError(StopgapError):
    """An audio output that cannot be opened; raised only where the caller asked for that very output."""

"""Recordings of any format, as mono samples: what is recorded and what is imported is read in one way."""

from ._conversions import kept_conversions
from ._opened import OpenRecording, Recording, TooLongError, opened_recording, read_recording, recording_rate

__all__ = [
    "OpenRecording",
    "Recording",
    "TooLongError",
    "kept_conversions",
    "opened_recording",
    "read_recording",
    "recording_rate",
]

"""Fillers for agents built with LiveKit Agents."""

from ._context import MARK
from ._fillers import LiveKitFillers
from ._output import FillerAudioOutput
from ._tap import PlayedFrame

__all__ = ["MARK", "FillerAudioOutput", "LiveKitFillers", "PlayedFrame"]

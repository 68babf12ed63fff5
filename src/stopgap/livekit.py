"""Fillers for agents built with LiveKit Agents: ``pip install 'stopgap[livekit]'``."""

from stopgap.engine.integrations._extras import needs_extra

with needs_extra("livekit", "livekit"):
    from stopgap.engine.integrations.livekit import MARK, FillerAudioOutput, LiveKitFillers, PlayedFrame

__all__ = ["MARK", "FillerAudioOutput", "LiveKitFillers", "PlayedFrame"]

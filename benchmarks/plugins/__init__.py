"""``stopgap bench plugins``: fillers in Pipecat and LiveKit."""

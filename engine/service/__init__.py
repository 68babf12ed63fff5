"""The conversation service: an agent behind an HTTP API whose event stream carries fillers."""

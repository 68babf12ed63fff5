"""Conversations over HTTP: storage, identity, rate limits, and what answers the requests."""

"""Metrics of stored conversations: evaluated, listed, compared; turns from elsewhere."""

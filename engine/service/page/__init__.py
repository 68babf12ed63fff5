"""Conversations for people to look at: a page, and what it asks for."""

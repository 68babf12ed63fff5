"""The conversation service: an agent behind an HTTP API whose event stream carries fillers.

Nothing is imported here: each part needs packages of the extra ``service``.
"""

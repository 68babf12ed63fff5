"""Behaviour sets: what requests and answers hold, what is in force."""

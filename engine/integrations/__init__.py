"""Plug-ins for the frameworks that voice agents are built with. Each imports its framework only in its own module."""

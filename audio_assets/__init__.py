"""Bundled clips: the `en-us` filler pack, a set of lines for the demo, and the tool that makes both."""

"""The compiled core, if it was built."""

from typing import Any

ffi: Any = None
lib: Any = None
native_available = True
"""Whether the C core was built."""
try:
    from . import _native
except ImportError:
    native_available = False
else:
    ffi, lib = _native.ffi, _native.lib

"""Objects of the SDK as plain data, without importing the SDK."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

DEEPEST = 64
"""Nested levels of an object that are looked at."""


def plain(value: Any, depth: int = 0) -> Any:
    """Return *value* with the SDK's wrappers (models with a ``root``, some nested five deep) and models taken off.

    ``model_dump`` would do the same and print a serializer's warning for each event.
    """
    if depth > DEEPEST:
        return None
    model = type(value)
    if hasattr(model, "model_fields"):
        fields = vars(value)
        if "root" in fields:
            return plain(fields["root"], depth + 1)
        return {name: plain(inner, depth + 1) for name, inner in fields.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, depth + 1) for inner in value]
    return value

"""Fields of an event, whatever their JSON holds: what is missing or of another type is empty."""

import math
from collections.abc import Mapping
from typing import Any

from ._events import VersionInfo

Fields = Mapping[str, Any]


def text(fields: Fields, *names: str) -> str:
    """Return the first of *names* that is text."""
    return next((fields[name] for name in names if isinstance(fields.get(name), str)), "")


def whole(fields: Fields, name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def seconds(fields: Fields, name: str) -> float | None:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) and value >= 0 else None
    except OverflowError:  # a whole number of hundreds of digits
        return None


def table(fields: Fields, *names: str) -> dict[str, Any]:
    """Return the first of *names* that is an object."""
    return next((dict(fields[name]) for name in names if isinstance(fields.get(name), Mapping)), {})


def version_info(fields: Fields, name: str) -> VersionInfo | None:
    match fields.get(name):
        case [str(id), int(version)]:
            return id, version
    return None


def alignment(fields: Fields) -> tuple[tuple[int, str], ...] | None:
    """Return the ms and character of each entry; the documentation has them the other way round than the server."""
    entries = fields.get("transcript_alignment")
    if not isinstance(entries, list | tuple):
        return None
    found = []
    for entry in entries:
        match entry:
            case [int(at_ms), str(character)] | [str(character), int(at_ms)]:
                found.append((at_ms, character))
    return tuple(found)

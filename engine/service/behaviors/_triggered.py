"""Which behaviours an interaction triggered, and which versions its conversation was dealt."""

from collections.abc import Iterable, Mapping
from typing import Any

from .._settings import behavior_id
from ..storage import Triggered

SELECTED = "select-dynamic-behavior-completed"


def triggered(actions: Iterable[Mapping[str, Any]], record: Mapping[str, Any] | None) -> tuple[Triggered, ...]:
    """Return id and version of each behaviour that was selected in an interaction, in order.

    Args:
        actions: As they are stored. They are bounded, so that of very many some may be missing.
        record: The turn's, as it is stored: which behaviour was in force at the end is in it as well.
    """
    found: dict[Triggered, None] = {}
    for action in actions:
        if action.get("type") == SELECTED and (selected := action.get("selected_dynamic_behavior_set_version_info")):
            id, version = selected
            found[id, version] = None
    at_the_end = None if record is None else record.get("behavior")
    if at_the_end is not None:
        name, version = at_the_end
        found[behavior_id(name), version] = None
    return tuple(found)


def assigned(record: Mapping[str, Any] | None) -> tuple[Triggered, ...]:
    """Return id and version of each behaviour of which the conversation was dealt one of several versions.

    Args:
        record: The turn's, as it is stored.
    """
    found = () if record is None else record.get("assigned") or ()
    return tuple((behavior_id(name), version) for name, version in found)

"""Records of turns, read back from plain data."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...fillers import UsageError
from ..turns import TurnRecord

REMEDY = "write a turn as TurnRecord.as_dict gives it"


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[TurnRecord]:
    return TypeAdapter(TurnRecord)


def record_of(data: Mapping[str, Any]) -> TurnRecord:
    """Return the record that `TurnRecord.as_dict` has made *data* of; keys that it does not know are ignored.

    Raises:
        UsageError: naming the first field that is missing or no such thing.
    """
    try:
        text = json.dumps(data, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise UsageError(f"it holds what JSON cannot, such as a number without bounds; {REMEDY}") from None
    try:
        # as JSON: there a list may be a tuple and a text a kind, and else nothing is taken for anything else
        return _adapter().validate_json(text, strict=True)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        said = first["msg"][:1].lower() + first["msg"][1:]
        raise UsageError(f"{place}: {said}; {REMEDY}") from None

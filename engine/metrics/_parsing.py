"""Records of turns, read back from plain data."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...fillers import UsageError
from ..turns import TurnRecord

MAX_NUMBER = 1e15
"""No time or frame is beyond; what is could not be added up."""
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
        json.loads(text, parse_float=_bounded, parse_int=_bounded)
    except (TypeError, ValueError, RecursionError):
        raise UsageError(f"it holds what no record does, such as a number beyond {MAX_NUMBER:g}; {REMEDY}") from None
    return record_of_json(text)


def record_of_json(text: str) -> TurnRecord:
    """Like `record_of`, of JSON whose numbers are known to be within bounds: half as much work, where there are many.

    Raises:
        UsageError: naming the first field that is missing or no such thing.
    """
    try:
        # as JSON: there a list may be a tuple and a text a kind, and else nothing is taken for anything else
        return _adapter().validate_json(text, strict=True)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        said = first["msg"][:1].lower() + first["msg"][1:]
        raise UsageError(f"{place}: {said}; {REMEDY}") from None


def _bounded(text: str) -> float:
    """Return the number that *text* says.

    Raises:
        ValueError: if it is too large.
    """
    number = float(text)
    if abs(number) > MAX_NUMBER:
        raise ValueError(text)
    return number

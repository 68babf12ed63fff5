"""Everything that is wrong with a table of a TOML file, where an error tells the first."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from ._validation import Section, _causes, _path, _place, _sentence


def problems(model: type[Section], data: Mapping[str, Any]) -> list[str]:
    """Return every reason why *model* cannot be built of *data*, a sentence each, where an error tells the first."""
    try:
        model.model_validate(data)
    except ValidationError as exc:
        by_key: dict[str, list[InitErrorDetails]] = {}
        for found in _causes(exc):
            one = InitErrorDetails(type=found["type"], loc=found["loc"], input=found["input"], ctx=found.get("ctx", {}))
            by_key.setdefault(_path(_place(found, data)), []).append(one)
        apart = (ValidationError.from_exception_data(exc.title, several) for several in by_key.values())
        return [_sentence(one, model, data) for one in apart]
    return []

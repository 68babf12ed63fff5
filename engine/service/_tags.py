"""Tags as requests have them."""

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

MOST_TAGS = 20
Tag = Annotated[str, StringConstraints(pattern=r"^[\w\s_]+$", max_length=100)]
TagValue = Annotated[str, StringConstraints(max_length=100)]


def _few(tags: object) -> object:
    """Check how many there are before anything else, lest each of a million be told that it is wrong."""
    if isinstance(tags, dict) and len(tags) > MOST_TAGS:
        raise PydanticCustomError("too_long", "there are more than {most} tags", {"most": MOST_TAGS})
    return tags


Tags = Annotated[
    dict[Tag, TagValue | None],
    Field(max_length=MOST_TAGS, json_schema_extra={"additionalProperties": False}),
    BeforeValidator(_few),
]

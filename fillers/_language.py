"""What a language is called."""

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


def _one_tag(value: str) -> str:
    if _TAG.fullmatch(value):
        return value
    parts = [part for part in re.split(r"[\s,;/+|&]+", value) if part]
    if len(parts) > 1 and all(_TAG.fullmatch(part) for part in parts):
        raise ValueError(f"{value!r} names {len(parts)} languages; a clip is in one: split it, or write 'zxx' if it "
                         "has no words")  # fmt: skip
    raise ValueError(f"{value!r} is no language tag; write one like 'es' or 'es-MX' (BCP 47)")


LanguageTag = Annotated[str, StringConstraints(min_length=2, max_length=35), AfterValidator(_one_tag)]
"""A BCP 47 tag: ``es``, ``es-MX``; ``zxx`` for what has no words."""


def primary_language(tag: str) -> str:
    """Return the language of *tag* without region and script: ``es`` for ``es-MX``."""
    return tag.lower().replace("_", "-").split("-")[0]

"""Ids, and what text and data may be stored."""

import json
import re
import secrets
from typing import Any

from ....fillers import UsageError

ID_DIGITS = 24
MOST_ORGANIZATION = 64
"""Characters of an organization's id."""
MOST_TEXT = 200_000
"""Characters of a message."""
MOST_JSON = 1 << 20
"""Bytes of an interaction's actions, or of its turn's record, as JSON."""

_ID = re.compile(rf"[0-9a-f]{{{ID_DIGITS}}}")
_ORGANIZATION = re.compile(rf"[A-Za-z0-9_-]{{1,{MOST_ORGANIZATION}}}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def new_id() -> str:
    """Return 24 hexadecimal digits that no one can guess."""
    return secrets.token_hex(ID_DIGITS // 2)


def is_id(value: str) -> bool:
    """Return whether *value* is 24 lower-case hexadecimal digits."""
    return _ID.fullmatch(value) is not None


def is_organization(value: str) -> bool:
    """Return whether *value* may be an organization's id."""
    return _ORGANIZATION.fullmatch(value) is not None


def well_formed(organization: str, *ids: str | None) -> bool:
    """Return whether *organization* may be an organization's id, and each of *ids* that is not None an id.

    What is not is in no database, and not every database can be asked for it: NUL, for example.
    """
    return is_organization(organization) and all(value is None or is_id(value) for value in ids)


def checked_organization(value: str) -> str:
    """Return *value*.

    Raises:
        UsageError: if it may not be an organization's id.
    """
    if not is_organization(value):
        raise UsageError(
            f"organization {value[: MOST_ORGANIZATION + 1]!r}: write 1 to {MOST_ORGANIZATION} letters, digits, _ or -"
        )
    return value


def checked_id(value: str, what: str) -> str:
    """Return *value*.

    Raises:
        UsageError: if it is no id.
    """
    if not is_id(value):
        raise UsageError(f"{what} {value[:40]!r}: an id is {ID_DIGITS} hexadecimal digits, lower case")
    return value


def storable(text: str, what: str) -> str:
    """Return *text* with U+FFFD for what not every database takes: NUL, and halves of surrogate pairs.

    Raises:
        UsageError: if it is longer than `MOST_TEXT`.
    """
    if len(text) > MOST_TEXT:
        raise UsageError(f"{what} has {len(text)} characters; at most {MOST_TEXT} are stored")
    return _UNSTORABLE.sub("\ufffd", text)


def check_json(data: Any, what: str) -> None:
    """Check that *data* is JSON, and not too much of it.

    Raises:
        UsageError: if it is not.
    """
    try:
        size = len(json.dumps(data, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as exc:
        raise UsageError(f"{what} cannot be written as JSON: {exc}") from exc
    if size > MOST_JSON:
        raise UsageError(f"{what} take {size} bytes as JSON; at most {MOST_JSON} are stored")

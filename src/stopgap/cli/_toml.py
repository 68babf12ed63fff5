"""Plain data as TOML, as far as a configuration needs it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any


def as_toml(data: Mapping[str, Any]) -> str:
    """Return *data* (texts, numbers, booleans, lists, tables) as TOML; what is None becomes a comment."""
    return "\n".join(_table(data, ())).strip() + "\n"


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table: its own values first, since a key after a header belongs to that header."""
    later: list[tuple[str, Any]] = []
    for key, value in data.items():
        if isinstance(value, Mapping) or _is_table_list(value):
            later.append((key, value))
        elif value is None:
            yield f"# {_key(key)} is not set"
        else:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in later:
        name = ".".join(map(_key, (*path, key)))
        for table in [value] if isinstance(value, Mapping) else value:
            yield ""
            yield f"[{name}]" if isinstance(value, Mapping) else f"[[{name}]]"
            yield from _table(table, (*path, key))


def _is_table_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):  # a JSON text is a TOML text, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)

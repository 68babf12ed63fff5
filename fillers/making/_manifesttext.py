"""The text of a manifest: what is there already stays as its owner wrote it, comments included."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import tomlkit
from tomlkit.items import AoT, Array, InlineTable, Table

from .._errors import PackError
from .._manifest import ClipEntry, Manifest
from .._validation import validated

_INHERITED = ("language", "voice", "licence")
"""What a clip has from its pack unless it says otherwise itself."""


def manifest_text(
    before: str | None, head: Mapping[str, Any], clips: Iterable[ClipEntry], *, where: str
) -> tuple[str, Manifest]:
    """Return the new text of ``pack.toml``, and what it says.

    Args:
        before: The present text; None: there is none.
        head: Keys of the manifest besides ``clips``; None: the present value stays, or none is written. Clips that
            stay keep the language, voice and licence that they had from it.
        clips: New ones; one whose id is there already replaces that.
        where: The file's name, for messages.

    Raises:
        PackError: if that makes no manifest.
    """
    document = tomlkit.document() if before is None else tomlkit.parse(before)
    changed = [key for key in _INHERITED if key in document and head.get(key) not in (None, document[key])]
    had = {key: document[key] for key in changed}
    for key, value in head.items():
        if value is not None and document.get(key) != value:
            document[key] = _spaced(value) if isinstance(value, Mapping) else value
    tables = document.setdefault("clips", tomlkit.aot())
    if not isinstance(tables, AoT):
        raise PackError(f"{where}: clips is not written as [[clips]] tables; write them so")
    places = {table.get("id"): place for place, table in enumerate(tables)}
    new = list(clips)
    for place in places.keys() - {entry.id for entry in new}:
        stays = tables[places[place]]
        stays.update({key: value for key, value in had.items() if key not in stays})
    for entry in new:
        table = _table(entry)
        if entry.id in places:
            tables[places[entry.id]] = table
        else:
            places[entry.id] = len(tables)
            tables.append(table)
    text = re.sub(r"\n{3,}(?=\[)", "\n\n", tomlkit.dumps(document).rstrip("\n")) + "\n"  # tables replaced leave gaps
    return text, validated(Manifest, tomlkit.parse(text).unwrap(), where=where, error=PackError)


def _spaced(values: Mapping[str, Any]) -> Table:
    """Return a table with an empty line after it."""
    table = tomlkit.table()
    table.update(values)
    table.add(tomlkit.nl())
    return table


def _table(entry: ClipEntry) -> Table:
    values = entry.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return _spaced({key: _listed(value) if isinstance(value, list) else value for key, value in values.items()})


def _listed(values: list[Any]) -> Array:
    array = tomlkit.array()
    for value in values:
        array.append(_inline(value) if isinstance(value, Mapping) else value)
    return array.multiline(any("step" in value for value in values if isinstance(value, Mapping)))


def _inline(facts: Mapping[str, Any]) -> InlineTable:
    table = tomlkit.inline_table()
    table.update(facts)
    return table

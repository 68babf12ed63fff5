"""Pydantic's complaints as one sentence: what is wrong, where, and what to write instead."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from ._errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Section(BaseModel):
    """A frozen table of a TOML file; unknown keys, NaN, and values of another type are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_type(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what pydantic would convert: a number in quotes, true for 1, "yes" or 1 for true."""
        allowed = set(_scalars(cls.model_fields[info.field_name or ""].annotation))
        number = float if float in allowed else int if int in allowed else None
        if isinstance(value, bool):
            if number and bool not in allowed:
                raise PydanticKnownError("float_type" if number is float else "int_type")
        elif bool in allowed and isinstance(value, str | int | float):
            raise PydanticKnownError("bool_type")
        elif number and isinstance(value, str) and str not in allowed:
            raise PydanticKnownError("float_type" if number is float else "int_type")
        return value


def _scalars(annotation: Any) -> Iterator[type]:
    """Yield the plain types that *annotation* allows."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _scalars(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from _scalars(member)
    elif origin is Literal:
        yield from {type(value) for value in get_args(annotation)}
    elif isinstance(annotation, type):
        yield annotation


Model = TypeVar("Model", bound=Section)


def read_toml(path: Path, error: type[ConfigError] = ConfigError, *, what: str = "configuration") -> dict[str, Any]:
    """Read a TOML file of at most 4 MiB.

    Raises:
        ConfigError: (or *error*) if the file is missing, too large, not UTF-8 or not TOML.
    """
    try:
        if path.stat().st_size > 4 << 20:
            raise error(f"{path} is larger than 4 MiB; a {what} file is a few kilobytes")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin with a mark
    except FileNotFoundError:
        raise error(f"{path} does not exist; give the path of a {what} file") from None
    except OSError as exc:
        raise error(f"{path} cannot be read ({exc.strerror}); give the path of a {what} file") from exc
    except UnicodeDecodeError as exc:
        raise error(f"{path} is not UTF-8 text; save it as UTF-8") from exc
    except tomllib.TOMLDecodeError as exc:
        raise error(f"{path} is not valid TOML: {exc}") from exc


def validated(model: type[Model], data: dict[str, Any], *, where: str, error: type[ConfigError] = ConfigError) -> Model:
    """Build *model* from *data*.

    Raises:
        ConfigError: (or *error*) with one sentence on the first problem, its key's path after *where*.
    """
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        raise error(f"{where}: {_sentence(exc, model, data)}") from exc


def _sentence(exc: ValidationError, model: type[BaseModel], data: Any) -> str:
    problems = [(_place(p, data), p) for p in _causes(exc)]
    # An unknown key first: it often explains why another one is missing.
    loc, first = next((p for p in problems if p[1]["type"] == "extra_forbidden"), problems[0])
    path, kind = _path(loc), first["type"]
    if kind == "extra_forbidden" or (kind == "enum" and first["loc"][-1] == "[key]"):
        text = f"{path} is not a known key{_suggestion(str(loc[-1]), _keys_at(loc[:-1], model))}"
    elif kind == "missing":
        text = f"{path} is missing; write it"
    elif kind == "value_error":
        told = first["msg"].removeprefix("Value error, ")
        text = f"{path}: {told}" if path else told
    else:
        # the members of a union complain one by one about the same value
        remedies = dict.fromkeys(_remedy(p) for place, p in problems if place == loc)
        text = f"{path or 'it'} = {_shown(first['input'])} is not possible; write {' or '.join(remedies)}"
    more = len({_path(place) for place, _ in problems} - {path})
    return text + (f" (and {more} more problem{'s' if more > 1 else ''})" if more else "")


def _causes(exc: ValidationError) -> "list[ErrorDetails]":
    """Return what is wrong, without lists that are too short only since none of their items can be used."""
    found = exc.errors(include_url=False)
    inside = {p["loc"][:depth] for p in found for depth in range(len(p["loc"]))}
    return [p for p in found if p["type"] != "too_short" or p["loc"] not in inside]


def _place(problem: "ErrorDetails", data: Any) -> tuple[int | str, ...]:
    """Return where in *data* the problem is: pydantic's location without the names it gives to a union's members."""
    loc: list[int | str] = []
    for part in problem["loc"]:
        known = part in data if isinstance(data, Mapping) else isinstance(data, list | tuple) and isinstance(part, int)
        if not known:
            break
        data = data[part]
        loc.append(part)
    return (*loc, problem["loc"][-1]) if problem["type"] == "missing" else tuple(loc)


def _remedy(problem: "ErrorDetails") -> str:
    """Return what to write instead."""
    kind, limits = problem["type"], problem.get("ctx", {})
    if kind in ("literal_error", "enum"):
        return str(limits["expected"])
    if kind in _BOUNDS:
        word, limit = _BOUNDS[kind]
        return f"a number {word} {limits[limit]:g}"
    if kind in _LENGTHS:
        word, limit = _LENGTHS[kind]
        unit = ("character" if kind.startswith("string") else "item") + ("s" if limits[limit] != 1 else "")
        return f"{word} {limits[limit]} {unit}"
    if kind == "string_pattern_mismatch":
        return f"a text that matches {limits['pattern']}"
    for prefix, remedy in _TYPES.items():
        if kind.startswith(prefix):
            return remedy
    return f"something else: {problem['msg'][:1].lower()}{problem['msg'][1:]}"


_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("not below", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("not above", "le"),
}
_LENGTHS = {
    "string_too_short": ("at least", "min_length"),
    "string_too_long": ("at most", "max_length"),
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
}
_TYPES = {
    "finite_number": "a finite number",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "string": 'a text in quotes ("...")',
    "tuple": "a list ([...])",
    "model": "a table of keys",
    "dict": "a table of keys",
}


def _shown(value: object) -> str:
    """Return *value* as the file has it, shortened."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _path(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _suggestion(key: str, known: list[str]) -> str:
    """Return what the unknown *key* may have meant, out of the keys of its own table."""
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known keys here: {', '.join(sorted(known))}" if known else ""


def _keys_at(loc: tuple[int | str, ...], model: Any) -> list[str]:
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = next((f for name, f in model.model_fields.items() if part in (name, f.alias)), None)
            model = field.annotation if field else None
        else:  # a list's or mapping's item: the last type argument
            model = next((arg for arg in reversed(get_args(model)) if arg is not Ellipsis), None)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [field.alias or name for name, field in model.model_fields.items()]
    names = next(iter(get_args(model)), None)
    if get_origin(model) is dict and isinstance(names, type) and issubclass(names, Enum):
        return [str(member.value) for member in names]
    return []

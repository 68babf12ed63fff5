"""Pydantic's complaints as one sentence: what is wrong, where, and what to write instead."""

import difflib
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from ._errors import ConfigError


class Section(BaseModel):
    """A frozen table of a TOML file; unknown keys and NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


Model = TypeVar("Model", bound=Section)


def read_toml(path: Path, error: type[ConfigError] = ConfigError, *, what: str = "configuration") -> dict[str, Any]:
    """Read a TOML file of at most 4 MiB.

    Raises:
        ConfigError: (or *error*) if the file is missing, too large, not UTF-8 or not TOML.
    """
    try:
        if path.stat().st_size > 4 << 20:
            raise error(f"{path} is larger than 4 MiB; a {what} file is a few kilobytes")
        return tomllib.loads(path.read_text(encoding="utf-8"))
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
        raise error(f"{where}: {_sentence(exc, model)}") from exc


def _sentence(exc: ValidationError, model: type[BaseModel]) -> str:
    problems = exc.errors(include_url=False)
    first = problems[0]
    path = _path(first["loc"])
    if first["type"] == "extra_forbidden":
        text = f"{path} is not a known key{_suggestion(first['loc'], model)}"
    elif first["type"] == "missing":
        text = f"{path} is missing; write it"
    elif first["type"] == "value_error":
        text = (
            f"{path}: {first['msg'].removeprefix('Value error, ')}"
            if path
            else first["msg"].removeprefix("Value error, ")
        )
    else:
        text = f"{path} = {first['input']!r} is not possible: {first['msg'][:1].lower()}{first['msg'][1:]}"
    more = len(problems) - 1
    return text + (f" (and {more} more problem{'s' if more > 1 else ''})" if more else "")


def _path(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _suggestion(loc: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Return what the unknown key at *loc* may have meant, out of the keys of its own table."""
    known = _keys_at(loc[:-1], model)
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known keys here: {', '.join(sorted(known))}" if known else ""


def _keys_at(loc: tuple[int | str, ...], model: Any) -> list[str]:
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = next((f for name, f in model.model_fields.items() if part in (name, f.alias)), None)
            model = field.annotation if field else None
        else:  # a list's or mapping's item: the last type argument
            model = next((arg for arg in reversed(get_args(model))), None)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [field.alias or name for name, field in model.model_fields.items()]
    return []

"""What the page may change of a configuration, and what of it is worth writing down."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stopgap.fillers import Config, Kind, UsageError, load_config, overlaid, read_toml

from ..replays import benchmark_base

CHANGEABLE: Mapping[str, Any] = {
    "mode": None,
    "ladder": None,
    "costs": dict.fromkeys(("ambience_credit", "reply_delay")),
    "limits": dict.fromkeys(("per_turn", "min_gap_ms", "reply_delay_ms", "needless")),
    "kinds": {kind.value: {"enabled": None} for kind in Kind},
}
"""Keys that a page may send; None: any value, which the configuration's own rules then judge."""


@dataclass(frozen=True)
class Tuned:
    """A configuration that pages start from.

    Args:
        written: What the user's file says; empty without one.
    """

    written: Mapping[str, Any]

    @classmethod
    def from_file(cls, path: Path | None) -> "Tuned":
        """Read the file, if there is one.

        Raises:
            ConfigError: with the key's path, for what cannot be used.
        """
        if path is None:
            return cls({})
        config = load_config(path)
        return cls({**read_toml(path), **({"packs": list(config.packs)} if "packs" in config.model_fields_set else {})})

    def tried(self, settings: Any = None) -> Config:
        """Return what is simulated: like `stopgap replay`, no limits per minute and conversation unless configured.

        Raises:
            UsageError: for what a page may not change.
            ConfigError: for values that are not possible.
        """
        return load_config(_checked(settings), base=overlaid(benchmark_base(), self.written))

    def worth_saving(self, settings: Any) -> dict[str, Any]:
        """Return what of the file and the page's *settings* differs from the defaults, as plain data.

        Raises:
            UsageError: for what a page may not change.
            ConfigError: for values that are not possible.
        """
        return _beyond_defaults(load_config(_checked(settings), base=self.written))


def shown(config: Config) -> dict[str, Any]:
    """Return all that a page may change of *config*, as `Tuned.tried` takes it."""
    data = config.model_dump(mode="json")
    ladder = [{key: value for key, value in step.items() if value is not None} for step in data["ladder"]]
    kinds = {kind.value: {"enabled": config.kind(kind).enabled} for kind in Kind}
    numbers = {table: {key: data[table][key] for key in CHANGEABLE[table]} for table in ("costs", "limits")}
    return {"mode": data["mode"], **numbers, "kinds": kinds, "ladder": ladder}


def _checked(settings: Any) -> dict[str, Any]:
    """Return *settings* if they concern only what is changeable."""
    if settings is None:
        return {}
    _check(settings, CHANGEABLE, "settings")
    return dict(settings)


def _check(data: Any, allowed: Mapping[str, Any], where: str) -> None:
    if not isinstance(data, Mapping):
        raise UsageError(f"{where} is not an object; send one with keys of {', '.join(allowed)}")
    for key, value in data.items():
        if key not in allowed:
            raise UsageError(f"{where}.{key} cannot be changed here; change {', '.join(allowed)}")
        if allowed[key] is not None:
            _check(value, allowed[key], f"{where}.{key}")


def _beyond_defaults(config: Config) -> dict[str, Any]:
    """Return the values of *config* that are not the defaults, tables without any left out."""
    usual = Config()
    found = _difference(config.model_dump(mode="json"), usual.model_dump(mode="json"))
    # tables by name: what a name is left out of is its default, which differs between kinds
    found["kinds"] = {
        kind.value: _difference(config.kind(kind).model_dump(), usual.kind(kind).model_dump())
        for kind in Kind
        if config.kind(kind) != usual.kind(kind)
    }
    for name in ("agents", "tools"):
        found[name] = config.model_dump(mode="json", exclude_unset=True).get(name)
    if Kind.TONE.value in found["kinds"]:  # to name tones is to enable them
        found["kinds"][Kind.TONE.value]["enabled"] = config.kind(Kind.TONE).enabled
    # the file may be written elsewhere than the one that named the folder
    found["packs"] = None if config.packs == usual.packs else [_anywhere(pack) for pack in config.packs]
    return {key: value for key, value in found.items() if value not in (None, {})}


def _difference(data: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        below = usual.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            inner = _difference(value, below)
            if inner:
                found[key] = inner
        elif value != below:
            found[key] = _without_none(value)
    return found


def _without_none(value: Any) -> Any:
    """Return *value* without keys that are not set: TOML has no word for them."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def _anywhere(pack: str) -> str:
    return str(Path(pack).resolve()) if (Path(pack) / "pack.toml").is_file() else pack

"""A configuration with all that it refers to, looked at beyond the first problem."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stopgap.fillers import ClipBank, Config


@dataclass(frozen=True, slots=True)
class ConfigReport:
    """What a look at a configuration found."""

    problems: tuple[str, ...]
    """Why a `FillerManager` refuses it, a sentence each; empty if it takes it."""
    warnings: tuple[str, ...] = ()
    """What is possible and hardly meant."""


def check_config(file: Path | None) -> ConfigReport:
    """Look at *file*; None: the defaults.

    Raises:
        ConfigError: if there is no such file.
    """
    from stopgap.fillers import ClipBank, Config, ConfigError, load_config, problems, read_toml

    try:
        wrong = problems(Config, read_toml(file)) if file is not None else []
    except ConfigError as exc:
        if file is None or not file.is_file():
            raise
        wrong = [str(exc)]
    if not wrong:
        config = load_config(file)
        wrong = [refusal for pack in config.packs if (refusal := _refusal(pack))]
    if wrong:
        return ConfigReport(tuple(wrong))
    try:
        bank = ClipBank(config.packs)
        _try_manager(config, bank)
    except ConfigError as exc:
        return ConfigReport((str(exc),))
    return ConfigReport((), tuple(_doubts(config, bank)))


def _refusal(pack: str) -> str:
    from stopgap.fillers import ClipBank, PackError

    try:
        ClipBank((pack,))
    except PackError as exc:
        return str(exc)
    return ""


def _try_manager(config: "Config", bank: "ClipBank") -> None:
    """Raise `ConfigError` for what only a manager sees: phrases that no clip has."""
    from stopgap.engine import FillerManager, VirtualClock
    from stopgap.engine.prediction import LatencyPredictor

    FillerManager(config, clock=VirtualClock(), bank=bank, predictor=LatencyPredictor(config)).close()


def _doubts(config: "Config", bank: "ClipBank") -> Iterator[str]:
    from stopgap.fillers import SPOKEN_KINDS, usable_clips

    packs = ", ".join(config.packs)
    usable = usable_clips(bank.catalog, language=config.language, voice=config.voice)
    kinds = {clip.kind for clip in usable if config.kind(clip.kind).enabled}
    if not kinds.intersection(SPOKEN_KINDS):
        voice = f" and voice {config.voice!r}" if config.voice else ""
        yield f"no spoken clip of {packs} fits language {config.language!r}{voice}: nothing will be said"
    if config.turn_log is not None and not Path(config.turn_log).absolute().parent.is_dir():
        yield f"turn_log = {config.turn_log!r}: there is no such folder: no turn will be logged"
    for place, step in enumerate(config.ladder if config.mode == "ladder" else ()):
        if step.kind not in kinds:
            yield f"ladder[{place}].kind = {step.kind.value!r}: {packs} has no clip of it to play: it is skipped"

"""How clips are to be prepared, as the command line tells it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stopgap.fillers import PreparationSettings


def asked_settings(before: Mapping[str, Any], *, loudness: str | None, **given: float | None) -> "PreparationSettings":
    """Return the settings *before*, but for what is given.

    Args:
        before: Keys of `PreparationSettings`.
        loudness: A number (LUFS) or ``own``; None: as before.
        given: Others of its keys; None: as before.

    Raises:
        UsageError: if *loudness* is neither.
        PackError: if another one cannot be.
    """
    from stopgap.fillers import PackError, PreparationSettings, UsageError, validated

    settings = {**before, **{key: value for key, value in given.items() if value is not None}}
    if loudness is not None:
        try:
            settings["loudness"] = "own" if loudness == "own" else float(loudness)
        except ValueError:
            raise UsageError(f"--loudness {loudness!r} is no number; write LUFS like -20, or own") from None
    return validated(PreparationSettings, settings, where="preparation", error=PackError)

"""One thing that a check found."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a pack, or could sound better."""

    severity: Severity
    """``error``: a `ClipBank` refuses the pack; ``warning``: it will not sound well."""
    check: str
    """Which check found it, for example ``clipped``."""
    clip: str | None
    """The clip's id; None: the pack as a whole."""
    message: str
    """One sentence: what is wrong, and what to do; of a clip without its id."""

    def __str__(self) -> str:
        return self.message if self.clip is None else f"{self.clip}: {self.message}"


def warning(check: str, message: str, clip: str | None = None) -> Finding:
    return Finding("warning", check, clip, message)

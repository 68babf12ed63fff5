"""How a TTS is asked, and how a run goes."""

from dataclasses import dataclass
from typing import Literal

from .._errors import UsageError

TtsFormat = Literal["wav", "flac", "mp3", "ogg", "opus", "aac", "m4a", "pcm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsOptions:
    """What an endpoint is told; commands and callables take no more than the format."""

    model: str | None = None
    voice: str | None = None
    instructions: str | None = None
    speed: float | None = None
    """1 is normal."""
    format: TtsFormat = "wav"
    rate: int | None = None
    """Hz. Of raw ``pcm``, which does not say."""
    key_env: str | None = None
    """Environment variable with the key; None: OPENAI_API_KEY for api.openai.com, no key for any other host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions:
    """How a run goes; None: what suits the TTS."""

    again: bool = False
    """Record what is there, too. What was there stays."""
    parallel: int | None = None
    """Lines at a time."""
    per_minute: float | None = None
    """Texts a minute; 0: as fast as can be."""
    timeout_s: float = 60.0
    """s. For one text."""
    retries: int = 4
    """More tries after one that may succeed later."""

    def __post_init__(self) -> None:
        if not self.timeout_s > 0:
            raise UsageError(f"timeout {self.timeout_s} is no number above 0; give seconds")
        if self.per_minute is not None and not self.per_minute >= 0:
            raise UsageError(f"per_minute {self.per_minute} is no number from 0 on; give texts a minute")

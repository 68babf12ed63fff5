"""What every TTS can do, whatever it is."""

from pathlib import Path
from typing import Protocol

from ._speech import Spoken


class Tts(Protocol):
    """Something that speaks."""

    @property
    def identity(self) -> str:
        """All that its voice depends on; part of the names under which recordings are found again. Not for display."""
        ...

    @property
    def label(self) -> str:
        """What it is, as anyone may read it: no key, no path."""
        ...

    @property
    def who(self) -> str:
        """What sentences call it: "the endpoint"."""
        ...

    @property
    def parallel(self) -> int:
        """Texts that it can be given at a time, if nobody says otherwise."""
        ...

    @property
    def per_minute(self) -> float | None:
        """Texts that it can be given in a minute, if nobody says otherwise; None: any number."""
        ...

    async def speak(self, text: str, take: int, folder: Path) -> Spoken:
        """Speak *text*. When this is cancelled, nothing goes on.

        Args:
            text: What to say.
            take: Which recording of it this is, from 1.
            folder: Empty, for files that are needed meanwhile.

        Raises:
            NotSpoken: if nothing came that can be used.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...

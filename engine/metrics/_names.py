"""The names that an expression may use: what a turn says."""

from collections.abc import Iterator, Mapping

from ._facts import TurnFacts

TEXTS = ("agent", "tool", "outcome")
"""Empty where a turn has no such thing."""
LOGGED = ("wait_s", "end_s", "waits", "prompt_tokens", "replied", "cancelled")
"""Numbers and conditions that a log of turns tells, too."""
HEARD = (
    "first_sound_s", "reply_heard_s", "answer_heard_s", "dead_air_s", "longest_dead_air_s", "reply_delay_s", "needless",
    "fillers", "spoken", "cuts",
)  # fmt: skip
"""Those that only a record of what was heard tells."""
NAMES = (*TEXTS, *LOGGED, *HEARD)


class NotToldError(Exception):
    """The turn does not say what an expression asks for."""


class Names(Mapping[str, float | bool | str]):
    """What *turn* says, by name.

    Raises:
        NotToldError: for a number that the turn does not have.
    """

    def __init__(self, turn: TurnFacts) -> None:
        self._turn = turn

    def __getitem__(self, name: str) -> float | bool | str:
        match name:
            case "replied" | "cancelled":
                return self._turn.outcome == name
            case _ if name in TEXTS:
                return str(getattr(self._turn, name) or "")
            case _ if name in NAMES:
                value: float | bool | None = getattr(self._turn, name)
                if value is None:
                    raise NotToldError(name)
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)

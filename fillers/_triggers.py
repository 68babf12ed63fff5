"""What a behaviour is triggered by: the user's words, a tool, the predicted wait, the turn's number, a label."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import regex

MOST_WORDS = 4000
"""Characters of what the user said that are looked at."""
MOST_PATTERN = 1000
"""Characters of a pattern: to prepare 100,000 takes half a second."""
PATTERN_S = 0.02
"""s that a pattern may take; one that takes longer does not match."""
PATTERNS_S = 0.1
"""s that all patterns may take that are asked for one choice; those that come later do not match."""
FORMS = '"a phrase", "/a pattern/", "tool:NAME", "label:NAME", "label:NAME=VALUE", "wait>SECONDS", "turn=N" or "turn>N"'


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of a turn."""

    words: str = ""
    """What the user said."""
    tools: frozenset[str] = frozenset()
    """Names of the tools that were started in it."""
    wait_s: float = 0.0
    """s. Median of the wait, as predicted at its beginning."""
    turn: int = 1
    """Its number in the conversation, from 1."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the agent attached, such as ``sentiment``: ``negative``."""


class Patience:
    """The time that is left for patterns: one choice asks hundreds, and everybody else waits meanwhile."""

    def __init__(self, seconds: float = PATTERNS_S) -> None:
        self._left_s = seconds

    def matches(self, pattern: "regex.Pattern[str]", text: str) -> bool:
        """Return whether *pattern* is found in *text* in the time that there is."""
        if self._left_s <= 0.0:
            return False
        began_at = time.perf_counter()
        try:
            return pattern.search(text, timeout=min(PATTERN_S, self._left_s)) is not None
        except TimeoutError:
            return False
        finally:
            self._left_s -= time.perf_counter() - began_at


class Trigger(Protocol):
    """A condition on a turn."""

    @property
    def needs_wait(self) -> bool:
        """Whether it asks for the predicted wait."""
        ...

    def fires(self, signals: Signals, patience: Patience) -> bool: ...


def parsed_trigger(text: str) -> Trigger:
    """Return the trigger that *text* names.

    Raises:
        ValueError: if it names none, saying what to write instead.
    """
    text = text.strip()
    if len(text) > 1 and text.startswith("/") and text.endswith("/"):
        return _Pattern.of(text[1:-1])
    for head, parse in (("tool:", _Tool), ("label:", _Label.of), ("wait", _Wait.of), ("turn", _Turn.of)):
        rest = text[len(head) :].strip()
        if text.startswith(head) and (head.endswith(":") or rest[:1] in ("=", ">", "<")):
            if not rest:
                break
            return parse(rest)
    else:
        if words := plain(text):
            return _Phrase(words)
    raise ValueError(f"{text!r} triggers nothing; write {FORMS}")


def plain(text: str) -> str:
    """Return *text* in lower case, with single spaces for all that is no letter or digit."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


@lru_cache(maxsize=8)
def _said(words: str) -> str:
    """Return what phrases are looked for in: the same for all of them."""
    return f" {plain(words[:MOST_WORDS])} "


@dataclass(frozen=True, slots=True)
class _Phrase:
    words: str
    needs_wait = False

    def fires(self, signals: Signals, patience: Patience) -> bool:
        return f" {self.words} " in _said(signals.words)


@dataclass(frozen=True, slots=True)
class _Pattern:
    pattern: "regex.Pattern[str]"
    needs_wait = False

    @classmethod
    def of(cls, expression: str) -> "_Pattern":
        if len(expression) > MOST_PATTERN:
            raise ValueError(f"a pattern has {len(expression)} characters; write at most {MOST_PATTERN}, or several")
        try:
            return cls(regex.compile(expression, regex.IGNORECASE))
        except regex.error as exc:
            raise ValueError(f"/{expression}/ is no regular expression: {exc}") from None
        except RecursionError:
            raise ValueError(f"/{expression[:20]}.../ is nested too deep; write fewer brackets") from None

    def fires(self, signals: Signals, patience: Patience) -> bool:
        return patience.matches(self.pattern, signals.words[:MOST_WORDS])


@dataclass(frozen=True, slots=True)
class _Tool:
    name: str
    needs_wait = False

    def fires(self, signals: Signals, patience: Patience) -> bool:
        return self.name in signals.tools


@dataclass(frozen=True, slots=True)
class _Label:
    name: str
    value: str | None
    needs_wait = False

    @classmethod
    def of(cls, text: str) -> "_Label":
        name, given, value = text.partition("=")
        return cls(name.strip(), value.strip() if given else None)

    def fires(self, signals: Signals, patience: Patience) -> bool:
        found = signals.labels.get(self.name)
        return found is not None and self.value in (None, found)


@dataclass(frozen=True, slots=True)
class _Wait:
    above_s: float
    needs_wait = True

    @classmethod
    def of(cls, text: str) -> "_Wait":
        if text.startswith(">"):
            try:
                return cls(float(text[1:]))
            except ValueError:
                pass
        raise ValueError(f'"wait{text}" is no number of seconds; write "wait>2.5"')

    def fires(self, signals: Signals, patience: Patience) -> bool:
        return signals.wait_s > self.above_s


@dataclass(frozen=True, slots=True)
class _Turn:
    number: int
    or_later: bool
    needs_wait = False

    @classmethod
    def of(cls, text: str) -> "_Turn":
        if text[:1] in ("=", ">") and text[1:].strip().isdecimal():
            number, later = int(text[1:]), text[0] == ">"
            return cls(number + later, later)
        raise ValueError(f'"turn{text}" names no turn; write "turn=1" or "turn>3"')

    def fires(self, signals: Signals, patience: Patience) -> bool:
        return signals.turn >= self.number if self.or_later else signals.turn == self.number

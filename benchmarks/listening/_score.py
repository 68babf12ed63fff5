"""What listeners preferred, and what may be concluded from it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stopgap.fillers import UsageError

from ._binomial import even_odds_p, share_interval
from ._set import FORMAT, ListeningKey, read_object

CHOICES = ("1", "2", "same")
"""What an answer may be: the first recording, the second, no difference."""
SIGNIFICANT = 0.05
FEW = 20
"""Decided answers below which the interval is at best about as wide as 0.45."""
_REMEDY = "ask the listener to save the answers again, or leave the file out"


@dataclass(frozen=True, slots=True)
class Answers:
    """One listener's."""

    listener: str
    choices: dict[str, str]
    """For each answered pair's name one of `CHOICES`."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """How often which configuration was preferred."""

    listener: str
    a: int
    b: int
    same: int
    """Said to make no difference: reported, and split between nobody."""
    unanswered: int

    @property
    def decided(self) -> int:
        return self.a + self.b


@dataclass(frozen=True, slots=True)
class ListeningScore:
    """All answers of a set."""

    key: ListeningKey
    listeners: tuple[Preferences, ...]

    @property
    def all(self) -> Preferences:
        counts = ("a", "b", "same", "unanswered")
        return Preferences("all", **{name: sum(getattr(one, name) for one in self.listeners) for name in counts})

    @property
    def share(self) -> float:
        """Of A among the decided answers; NaN without any."""
        return self.all.a / self.all.decided if self.all.decided else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share of A, 95 %."""
        return share_interval(self.all.a, self.all.decided)

    @property
    def p_value(self) -> float:
        """Two-sided, of both being preferred equally often."""
        return even_odds_p(self.all.a, self.all.decided)

    def as_dict(self) -> dict[str, Any]:
        low, high = self.interval
        both = {"decided": self.all.decided, "share_a": self.share, "low": low, "high": high, "p_value": self.p_value}
        return {
            "trace": self.key.trace,
            "set": self.key.digest,
            "a": self.key.a.name,
            "b": self.key.b.name,
            "listeners": [asdict(one) for one in self.listeners],
            "all": {**asdict(self.all), **both},
            "sentences": list(self.sentences()),
        }

    def sentences(self) -> Iterator[str]:
        """Yield what may be concluded, and what may not."""
        total, (low, high) = self.all, self.interval
        if not total.decided:
            yield "No answer prefers one of both, so nothing can be concluded about which is better."
        else:
            figures = (
                f"A was preferred in {total.a} of {total.decided} decided answers ({self.share:.0%}, "
                f"95 % interval {low:.0%} to {high:.0%}, exact p = {self.p_value:.2g})"
            )
            if self.p_value < SIGNIFICANT:
                better = "A" if total.a > total.b else "B"
                yield (
                    f"{figures}: {better} was preferred more often than chance explains if the answers "
                    "are independent, on the turns of this set."
                )
            else:
                yield (
                    f"{figures}: chance may explain that, so neither may be called better; nor is it shown that both "
                    "are equally good, since any share in the interval remains possible."
                )
        if total.same:
            yield f"Answers that saw no difference: {total.same}; they are in neither count."
        if len(self.listeners) == 1:
            name = self.listeners[0].listener
            yield f"All answers are one listener's: they tell what {name} prefers, not what others do."
        else:
            yield (
                f"Answers of one listener are not independent: with {len(self.listeners)} listeners the interval is "
                "too narrow and p too small to speak of listeners in general; look whether the listeners agree."
            )
        if 0 < total.decided < FEW:
            yield f"{total.decided} decided answers are few: only a strong preference can show; ask for {FEW} or more."


def read_answers(file: Path, key: ListeningKey) -> Answers:
    """Read what the answer sheet saved.

    Raises:
        UsageError: if the file is damaged, or belongs to another set than *key*.
    """
    data = read_object(file, _REMEDY)
    listener, items = data.get("listener"), data.get("answers")
    if data.get("format") != FORMAT or not isinstance(listener, str) or not isinstance(items, list):
        raise UsageError(f"{file} holds no answers of a listening test; {_REMEDY}")
    if data.get("set") != key.digest:
        raise UsageError(f"{file} answers another set than this folder's; score it in the folder that it was made for")
    name = " ".join("".join(c if c.isprintable() else " " for c in listener).split())  # it goes to a terminal
    if not name:
        raise UsageError(f"{file} names no listener; {_REMEDY}")
    choices: dict[str, str] = {}
    for place, item in enumerate(items):
        pair, choice = (item.get("pair"), item.get("choice")) if isinstance(item, dict) else (None, None)
        if not isinstance(pair, str) or pair not in key.a_is or choice not in CHOICES:
            raise UsageError(
                f"{file}: answers[{place}] must hold a pair of the set and a choice of {', '.join(CHOICES)}; {_REMEDY}"
            )
        if pair in choices:
            raise UsageError(f"{file}: {pair} is answered twice; {_REMEDY}")
        choices[pair] = choice
    return Answers(name, choices)


def score_answers(key: ListeningKey, files: Sequence[Path]) -> ListeningScore:
    """Score the answers in *files*.

    Raises:
        UsageError: without files, for a bad one, or if two are the same listener's.
    """
    if not files:
        raise UsageError("there are no answers; put the answers-*.json that listeners saved into the set's folder")
    by_listener: dict[str, Path] = {}
    scored = []
    for file in files:
        answers = read_answers(file, key)
        other = by_listener.setdefault(answers.listener.casefold(), file)
        if other is not file:
            raise UsageError(f"{other} and {file} are both answers of {answers.listener}; give one of them")
        scored.append(_preferences(answers, key))
    return ListeningScore(key, tuple(scored))


def _preferences(answers: Answers, key: ListeningKey) -> Preferences:
    counts = Counter(
        "same" if choice == "same" else "a" if choice == key.a_is[pair] else "b"
        for pair, choice in answers.choices.items()
    )
    unanswered = len(key.a_is) - len(answers.choices)
    return Preferences(answers.listener, counts["a"], counts["b"], counts["same"], unanswered)

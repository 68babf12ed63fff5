"""Whether there is enough to say, in each language."""

from collections.abc import Iterator, Sequence

from .._clip import Clip
from .._kinds import SPOKEN_KINDS, Kind
from .._selection import NO_LANGUAGE
from ._coverage import by_language
from ._finding import Finding, warning
from ._loading import Loaded

FEW = 3
"""Clips of a spoken kind below which users hear the same words again soon."""


def check_variety(loaded: Sequence[Loaded]) -> Iterator[Finding]:
    """Find kinds of which a language has too few clips, or not those that it needs."""
    languages = by_language(one.clip for one in loaded)
    anywhere = [clip for clip in languages.pop(NO_LANGUAGE, []) if clip.kind.spoken]
    spoken = {tag: [clip for clip in clips if clip.kind.spoken] for tag, clips in languages.items()}
    if anywhere and not any(spoken.values()):
        spoken = {NO_LANGUAGE: []}
    for language, clips in spoken.items():
        if clips or language == NO_LANGUAGE:
            yield from _in_language(language, [*clips, *anywhere])


def _in_language(language: str, clips: list[Clip]) -> Iterator[Finding]:
    kinds = {kind: [clip for clip in clips if clip.kind is kind] for kind in SPOKEN_KINDS}
    for kind, members in kinds.items():
        if len(members) < FEW:
            text = f"{kind} ({language}): {_count(len(members))}; at least {FEW} keep users from noticing"
            yield warning("few", text)
    honest = [clip for clip in kinds[Kind.PHRASE] if not clip.claims_work]
    if len(honest) < FEW <= len(kinds[Kind.PHRASE]):
        claim = "claims" if len(honest) == 1 else "claim"
        yield warning(
            "no-work",
            f"phrase ({language}): {_count(len(honest))} that {claim} no work, of which users hear the same again soon "
            f'while no tool runs; add some like "One moment" until there are {FEW}',
        )
    orders = {clip.order for clip in kinds[Kind.PROGRESS]}
    missing = [order for order in (1, 2) if order not in orders]
    if kinds[Kind.PROGRESS] and missing:
        lacking = " or ".join(map(str, missing))
        yield warning(
            "order",
            f"progress ({language}): no line has order = {lacking}, so {_WRONG[missing[0]]}; give the lines to say "
            "first order = 1, the next ones order = 2",
        )


_WRONG = {1: "a later line may be said first", 2: "the first line may be said twice"}


def _count(number: int) -> str:
    return f"{number or 'no'} clip{'' if number == 1 else 's'}"

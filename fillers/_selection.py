"""Which clip of a kind is played: variety, language, voice, honesty, order."""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ._clip import Clip
from ._kinds import Kind
from ._language import primary_language

NO_LANGUAGE = "zxx"
REMEMBERED = 512
"""Clips of a kind that a conversation remembers at least."""


def usable_clips(clips: Iterable[Clip], *, language: str, voice: str | None) -> tuple[Clip, ...]:
    """Return the clips that fit *language* and *voice*, the nearest step of the fallback chain first to match.

    1. the exact language tag (``en-GB``), 2. any tag of the same language (``en``, ``en-US``); of these only
    clips of *voice*, if one is asked for. Clips without words (``zxx``) always fit. Where nothing spoken
    matches, only those remain: silence or typing is better than the wrong language or somebody else's voice.
    """
    clips = tuple(clips)
    wordless = tuple(clip for clip in clips if clip.language == NO_LANGUAGE)
    spoken = [clip for clip in clips if clip.language != NO_LANGUAGE and voice in (None, clip.voice)]
    exact = [clip for clip in spoken if clip.language.lower() == language.lower()]
    near = [clip for clip in spoken if primary_language(clip.language) == primary_language(language)]
    return (*(exact or near), *wordless)


def matching_phrases(clips: Iterable[Clip], phrases: Collection[str] | None) -> tuple[Clip, ...]:
    """Return the clips whose id or text is among *phrases*; all if that is None. Case and punctuation don't count."""
    clips = tuple(clips)
    if phrases is None:
        return clips
    wanted = {_plain(phrase) for phrase in phrases} - {""}  # "..." must not match what has no text
    return tuple(clip for clip in clips if _plain(clip.id) in wanted or _plain(clip.text or "") in wanted)


def absent_phrases(clips: Iterable[Clip], phrases: Collection[str]) -> tuple[str, ...]:
    """Return those of *phrases* that are the text or id of none of *clips*; compared as `matching_phrases` does."""
    if not phrases:
        return ()
    present = {_plain(name) for clip in clips for name in (clip.id, clip.text or "")} - {""}
    return tuple(phrase for phrase in phrases if _plain(phrase) not in present)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a cue asks for."""

    kind: Kind
    duration_s: float | None = None
    """s. Preferred length; the nearest clip that may be played is taken. None: any."""
    tolerance_s: float = 0.0
    """s. Clips this near to *duration_s* count as equal."""
    place: int = 1
    """Which progress line of the turn this is, from 1."""


class Selector:
    """One conversation's choice of clips, and its memory of those that were heard.

    Args:
        order: ``shuffle``, ``round_robin`` or ``random``; see `Selection`.
        rng: Source of randomness; the same seed and the same calls give the same clips.
    """

    def __init__(self, order: Literal["shuffle", "round_robin", "random"], rng: random.Random) -> None:
        self._order = order
        self._rng = rng
        self._heard: dict[Kind, list[str]] = {}
        self._clips: Sequence[Clip] = ()
        self._by_kind: dict[Kind, list[Clip]] = {}
        """Of the clips that were last chosen from: most often they are the same."""

    def heard(self, clip: Clip) -> None:
        """Note that *clip* was heard: it is not chosen again until its kind's others were."""
        heard = self._heard.setdefault(clip.kind, [])
        heard.append(clip.id)
        if len(heard) > 2 * REMEMBERED:
            del heard[:REMEMBERED]

    def forget_clips(self) -> None:
        """Let go of the clips that were last chosen from; what was heard is known still."""
        self._clips, self._by_kind = (), {}

    def choose(self, wanted: Wanted, clips: Sequence[Clip], planned: Collection[Clip] = ()) -> Clip | None:
        """Return a clip of *clips* for *wanted*, or None if there is none of its kind.

        Args:
            wanted: The kind, the preferred length and the place in the turn.
            clips: What may be played now.
            planned: Clips already on the same cue sheet; they count as heard.
        """
        if clips is not self._clips:
            self._clips, self._by_kind = clips, _by_kind(clips)
        pool = self._by_kind.get(wanted.kind, [])
        if wanted.kind is Kind.PROGRESS:
            pool = _of_order(pool, wanted.place)
        if not pool:
            return None
        if self._order != "random":
            pool = self._unheard(pool, planned)
        if wanted.duration_s is not None:
            pool = _nearest(pool, wanted.duration_s, wanted.tolerance_s)
        if self._order == "round_robin":
            return pool[0]
        return self._rng.choices(pool, [clip.weight for clip in pool])[0]

    def _unheard(self, pool: list[Clip], planned: Collection[Clip]) -> list[Clip]:
        """Return the clips of *pool* not heard in the present round; a round ends when all of *pool* were heard.

        Rounds, not counts: a clip that may be played only now and then has nothing to catch up with.
        """
        ids = {clip.id for clip in pool}
        past = [name for name in self._heard.get(pool[0].kind, []) if name in ids]
        past += [clip.id for clip in planned if clip.id in ids]
        present: set[str] = set()
        for name in past:
            present.add(name)
            if present == ids:
                present = set()
        fresh = [clip for clip in pool if clip.id not in present]
        if past and len(fresh) > 1:  # the end of one round and the start of the next must not say the same twice
            fresh = [clip for clip in fresh if clip.id != past[-1]] or fresh
        return fresh


def _by_kind(clips: Iterable[Clip]) -> dict[Kind, list[Clip]]:
    pools: dict[Kind, list[Clip]] = {}
    for clip in clips:
        pools.setdefault(clip.kind, []).append(clip)
    return pools


def _of_order(pool: list[Clip], place: int) -> list[Clip]:
    """Return the progress lines for the *place*-th of the turn: that order, else the highest one below it, else all."""
    orders = {clip.order for clip in pool if clip.order is not None}
    reached = [order for order in orders if order <= place]
    if not reached:
        return pool
    return [clip for clip in pool if clip.order == max(reached)]


def _nearest(pool: list[Clip], duration_s: float, tolerance_s: float) -> list[Clip]:
    far = [max(0.0, abs(clip.duration_s - duration_s) - tolerance_s) for clip in pool]
    near = min(far) + 1e-9
    return [clip for clip, distance in zip(pool, far, strict=True) if distance <= near]


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())

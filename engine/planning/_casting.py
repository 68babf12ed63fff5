"""From a planned cue sheet to clips: the limits that hold for every policy, and selection."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ...fillers import Clip, Config, Kind, Override, Selector, Wanted, matching_phrases, usable_clips
from ._situation import PlannedCue, Situation


@dataclass(frozen=True, slots=True)
class CastCue:
    """A cue with its clip."""

    start_s: float
    """s from now."""
    clip: Clip
    reason: str


def playable_clips(
    clips: Iterable[Clip],
    config: Config,
    override: Override,
    *,
    language: str,
    voice: str | None,
    tool_runs: bool,
) -> tuple[Clip, ...]:
    """Return the clips that a turn may use now.

    They fit its language and voice, their kind is enabled, ``phrases`` names them if it is given or if that is what
    they wait for (phrases and progress lines only), and those that claim work are among them only while a tool runs.
    """
    if override.silent:
        return ()
    kinds = override.kinds
    fitting = [
        clip
        for clip in usable_clips(clips, language=language, voice=voice)
        if (clip.kind in kinds if kinds is not None else config.kind(clip.kind).enabled)
        and (tool_runs or not clip.claims_work)
    ]
    named = override.phrases is not None
    lines = {clip.id for clip in matching_phrases(fitting, override.phrases) if named or not clip.only_named}
    return tuple(c for c in fitting if c.kind not in (Kind.PHRASE, Kind.PROGRESS) or c.id in lines)


def cast(
    planned: Iterable[PlannedCue], situation: Situation, selector: Selector, config: Config, *, age_s: float = 0.0
) -> Iterator[CastCue]:
    """Give every planned cue its clip, in order, within the limits: one whenever one is asked for.

    Spoken fillers never overlap and keep ``min_gap_ms``: one that is due too early is put off. What exceeds a
    limit, or finds no clip of its kind, is left out.

    Args:
        planned: A sheet's cues, in order of start.
        situation: What it was planned for.
        selector: The conversation's selection.
        config: Its limits hold.
        age_s: s that have passed since the moment from which the cues' times count.
    """
    min_gap_s = config.limits.min_gap_ms / 1000.0
    free_s = situation.sounding_s + min_gap_s if situation.sounding_s else min_gap_s - situation.since_spoken_s
    left, bed = situation.spoken_left, situation.bed
    said = {Kind.PHRASE: situation.phrases_said, Kind.PROGRESS: situation.progress_said}
    chosen: list[Clip] = []
    for cue in planned:
        kind = _fitting(cue.kind, said, situation.clips) if cue.swap else cue.kind
        start = max(cue.start_s - age_s, free_s if kind.spoken else 0.0, 0.0)
        if start > situation.horizon_s or (left <= 0 if kind.spoken else bed and kind.loops):
            continue
        wanted = Wanted(kind, cue.duration_s, cue.tolerance_s, said[Kind.PROGRESS] + 1)
        pool = matching_phrases(situation.clips, cue.phrases) if cue.phrases is not None else situation.clips
        clip = selector.choose(wanted, pool, chosen)
        if clip is None:
            continue
        yield CastCue(start, clip, cue.reason)
        chosen.append(clip)
        said[kind] = said.get(kind, 0) + 1
        if kind.spoken:
            left -= 1
            free_s = start + clip.duration_s + min_gap_s
        else:
            bed = bed or kind.loops


def _fitting(kind: Kind, said: Mapping[Kind, int], clips: Iterable[Clip]) -> Kind:
    """Return what a line should be after what was said: the first one a phrase, and none after a progress line."""
    fitting = kind
    if kind is Kind.PHRASE and said[Kind.PROGRESS]:
        fitting = Kind.PROGRESS
    elif kind is Kind.PROGRESS and not said[Kind.PHRASE] and not said[Kind.PROGRESS]:
        fitting = Kind.PHRASE
    return fitting if fitting is kind or any(clip.kind is fitting for clip in clips) else kind

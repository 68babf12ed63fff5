"""One clip on the preview's page."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from stopgap.engine.mixer._handoff import DECLICK_S
from stopgap.fillers import NO_LANGUAGE, loudness_dbfs

from .._console import count
from ._previewsound import COLUMNS, HEIGHT, Sound

if TYPE_CHECKING:
    from stopgap.fillers import Clip, ClipEntry, StepEntry
    from stopgap.fillers.checking import Finding

    from ._previewsound import Previewed

TICKS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""s between the lines of a wave's time scale."""


def article(one: "Previewed", findings: "Sequence[Finding]", scale: float) -> Iterator[str]:
    """Yield the lines of a clip that loads.

    Args:
        one: The clip.
        findings: The check's, of this clip.
        scale: What reaches a wave's border, as a share of full scale.
    """
    clip = one.clip
    label = escape(clip.text or clip.id)
    yield (
        f'<article class="clip panel" tabindex="0" aria-label="{label}" data-id="{escape(clip.id)}" '
        f'data-kind="{clip.kind}" data-language="{escape(clip.language)}" data-fade="{DECLICK_S:g}"'
        f"{' data-loops' if clip.loops else ''}{' data-found' if findings else ''}>"
    )
    yield f'<div class="top"><button type="button" class="play" aria-label="Play {label}">&#9654;</button>'
    yield f"<h3>{label}</h3>{''.join(_tags(one))}{_switch(one)}</div>"
    yield from _player("prepared", one.sound, scale, _marks(clip))
    if one.original is not None:
        yield from _player("original", one.original, max(one.original.peak, 1e-3), [])
    yield f'<p class="facts">{" · ".join(map(escape, _facts(one)))}</p>'
    yield from finding_items(findings)
    if one.original_trouble:
        yield f'<p class="note">Its original cannot be played: {escape(one.original_trouble)}</p>'
    yield from _steps(one.entry.steps)
    yield "</article>"


def broken(entry: "ClipEntry", language: str, findings: "Sequence[Finding]") -> Iterator[str]:
    """Yield the lines of a clip that does not load."""
    yield (
        f'<article class="clip panel broken" tabindex="0" data-id="{escape(entry.id)}" data-kind="{entry.kind}" '
        f'data-language="{escape(language)}" data-found>'
    )
    yield f'<div class="top"><h3>{escape(entry.text or entry.id)}</h3><code>{escape(entry.id)}</code></div>'
    yield from finding_items(findings)
    yield "</article>"


def finding_items(findings: "Sequence[Finding]") -> Iterator[str]:
    """Yield *findings* as a list."""
    if findings:
        yield '<ul class="findings">'
        for one in findings:
            yield f'<li class="{one.severity}"><b>{one.severity}</b> {escape(one.message)}</li>'
        yield "</ul>"


def _tags(one: "Previewed") -> Iterator[str]:
    clip = one.clip
    if clip.text:
        yield f"<code>{escape(clip.id)}</code>"
    if clip.claims_work:
        yield '<span class="tag claims" title="Played only while a tool runs">claims work</span>'
    if clip.order is not None:
        yield f'<span class="tag" title="Its place among progress lines">order {clip.order}</span>'
    if clip.loops:
        yield '<span class="tag">loops</span>'


def _switch(one: "Previewed") -> str:
    if one.original is None:
        return ""
    return (
        '<span class="switch" role="group" aria-label="Which to hear">'
        '<button type="button" data-which="prepared" aria-pressed="true">prepared</button>'
        '<button type="button" data-which="original" aria-pressed="false">original</button></span>'
    )


def _facts(one: "Previewed") -> Iterator[str]:
    clip = one.clip
    yield f"{clip.duration_s:.2f} s"
    yield f"{loudness_dbfs(clip.samples, clip.rate):.1f} dBFS"
    yield f"{clip.rate / 1000:g} kHz"
    yield "no language" if clip.language.lower() == NO_LANGUAGE else clip.language
    if clip.voice and clip.kind.spoken:
        yield f"voice {clip.voice}"
    if clip.weight != 1.0:
        yield f"weight {clip.weight:g}"
    yield f"licence: {clip.licence}"


def _player(which: str, sound: Sound, scale: float, marks: Sequence[str]) -> Iterator[str]:
    """Yield a wave to click into, and the sound, which plays without a script, too."""
    yield f'<div class="sound" data-which="{which}" data-duration="{sound.duration_s:.6f}" data-rate="{sound.rate}">'
    yield '<svg class="wave" role="img" aria-hidden="true">'
    yield from _ticks(sound.duration_s)
    yield f'<svg class="shape" viewBox="0 0 {COLUMNS} {HEIGHT}" preserveAspectRatio="none">'
    yield f'<path d="{sound.wave(scale)}"/></svg>'
    yield from marks
    yield '<line class="playhead" x1="0" x2="0" y1="0" y2="100%"/></svg>'
    yield f'<audio controls preload="none" src="{sound.address()}"></audio></div>'


def _ticks(duration_s: float) -> Iterator[str]:
    every = next((tick for tick in TICKS_S if duration_s / tick <= 8.0), TICKS_S[-1])
    for number in range(1, int(duration_s / every) + 1):
        x = f"{100 * number * every / duration_s:.2f}%"
        yield f'<line class="tick" x1="{x}" x2="{x}" y1="0" y2="100%"/>'
        yield f'<text class="time" x="{x}" y="100%">{number * every:g} s</text>'


def _marks(clip: "Clip") -> list[str]:
    """Return the cut marks before the end, each with the words heard since the one before."""
    words, found, said = (clip.text or "").split(), [], 0
    for number, mark in enumerate(clip.cut_marks):
        at_s, place = mark.frame / clip.rate, 100 * mark.frame / clip.frames
        heard = " ".join(words[: mark.words])
        label = escape(" ".join(words[said : mark.words]))
        said = max(said, mark.words)
        end = mark.frame >= clip.frames
        if end and (number == 0 or not label):
            continue
        told = escape(f"Play to {at_s:.2f} s: {heard or 'no whole word'}")
        text = f'<text class="words row{number % 2}" x="{place:.2f}%">{label}</text>'
        if end:
            found.append(text)
            continue
        found.append(
            f'<g class="mark" role="button" tabindex="0" aria-label="{told}" data-at="{at_s:.6f}" '
            f'data-heard="{escape(heard)}"><title>{told}</title><rect x="{place:.2f}%" y="0" width="18" height="100%"/>'
            f'<line x1="{place:.2f}%" x2="{place:.2f}%" y1="0" y2="100%"/>{text}</g>'
        )
    return found


def _steps(steps: "Sequence[StepEntry]") -> Iterator[str]:
    if not steps:
        return
    yield f"<details><summary>Preparation, {count(len(steps), 'step')}</summary><ol>"
    for step in steps:
        facts = ", ".join(f"{key} = {value}" for key, value in step.facts.items())
        yield f"<li><b>{escape(step.step)}</b> {escape(facts)}</li>"
    yield "</ol></details>"

"""The preview of a pack as one page: what it holds, what the check found, then every clip by its kind."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

import stopgap
from stopgap.fillers import NO_LANGUAGE, Kind

from .._console import count
from .._page import as_html
from ._check import coverage_table
from ._previewclip import article, broken, finding_items

if TYPE_CHECKING:
    from stopgap.fillers import Manifest
    from stopgap.fillers.checking import PackReport

    from ._previewsound import Previewed


def page(manifest: "Manifest", report: "PackReport", clips: "Sequence[Previewed]") -> str:
    """Return the page. Whatever a manifest says is escaped, and the browser is told to run and fetch nothing else.

    Args:
        manifest: The pack's.
        report: What the check found.
        clips: Those that load, in the manifest's order.
    """
    static = files(__package__) / "static"
    style, script = ((static / name).read_text(encoding="utf-8") for name in ("preview.css", "preview.js"))
    name = escape(manifest.name)
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; media-src data:; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    lines = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{name}: stopgap pack preview</title>\n<style>{style}</style>\n</head>\n<body>",
        *_head(manifest),
        "<main>", *_summary(manifest, report), *_filters(manifest), *_kinds(manifest, report, clips), "</main>",
        '<footer class="player"><button type="button" id="stop" disabled>Stop</button>'
        '<p id="status" role="status">Space plays the chosen clip, arrows go to the next; a click into a wave plays '
        "from there, one on a cut mark up to it.</p></footer>",
        f"<script>{script}</script>\n</body>\n</html>\n",
    ]  # fmt: skip
    return "\n".join(lines)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _head(manifest: "Manifest") -> Iterator[str]:
    facts = [manifest.language, f"voice {manifest.voice}" if manifest.voice else "", f"licence: {manifest.licence}"]
    yield f"<header><h1>{escape(manifest.name)} <span>filler pack</span></h1>"
    yield f"<p>{escape(' · '.join(filter(None, facts)))}</p></header>"


def _summary(manifest: "Manifest", report: "PackReport") -> Iterator[str]:
    clips = count(len(manifest.clips), "clip")
    if len(report.clips) < len(manifest.clips):
        clips = f"{len(report.clips)} of {clips}"
    seconds = sum(clip.duration_s for clip in report.clips)
    wrong = ", ".join((count(len(report.errors), "error"), count(len(report.warnings), "warning")))
    state = "cannot be used" if report.errors else "can be used"
    colour = "bad" if report.errors else "warn" if report.warnings else "good"
    yield '<section class="panel summary" aria-label="Summary"><div>'
    yield f"<h2>{clips}, {seconds:.1f} s</h2>"
    yield f'<p class="{colour}">The pack {state}: {wrong}.</p>'
    whole = [finding for finding in report.findings if finding.clip is None]
    yield from finding_items(whole)
    yield f'<p class="note">Checked by stopgap {escape(stopgap.__version__)}. Waves of a kind share one scale.</p>'
    yield "</div>"
    if report.clips:
        yield as_html(coverage_table(report, title="What there is to play"))
    yield "</section>"


def _filters(manifest: "Manifest") -> Iterator[str]:
    languages = dict.fromkeys(entry.language or manifest.language for entry in manifest.clips)
    kinds = [kind.value for kind in Kind if any(entry.kind is kind for entry in manifest.clips)]
    yield '<form class="filters" aria-label="Which clips to show">'
    yield from _choice("kind", "Kind", ((kind, kind) for kind in kinds))
    named = ((tag, "no language" if tag.lower() == NO_LANGUAGE else tag) for tag in languages)
    yield from _choice("language", "Language", named)
    yield '<label><input type="checkbox" id="found"> only clips with findings</label>'
    yield '<output id="shown"></output></form>'


def _choice(id: str, label: str, options: Iterable[tuple[str, str]]) -> Iterator[str]:
    named = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options)
    yield f'<label>{label} <select id="{id}"><option value="">all</option>{named}</select></label>'


def _kinds(manifest: "Manifest", report: "PackReport", clips: "Sequence[Previewed]") -> Iterator[str]:
    loaded = {one.entry.id: one for one in clips}
    for kind in Kind:
        members = [entry for entry in manifest.clips if entry.kind is kind]
        if not members:
            continue
        scale = max((one.sound.peak for one in clips if one.clip.kind is kind), default=1.0)
        yield f'<section class="kind k-{kind}"><h2>{kind} <span>{count(len(members), "clip")}</span></h2>'
        for entry in members:
            findings = [finding for finding in report.findings if finding.clip == entry.id]
            if entry.id in loaded:
                yield from article(loaded[entry.id], findings, scale)
            else:
                yield from broken(entry, entry.language or manifest.language, findings)
        yield "</section>"

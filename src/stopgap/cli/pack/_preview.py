"""``stopgap pack preview``: a pack to look at and listen to, as one page."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from .._files import written_whole


def preview(
    pack: Annotated[str, typer.Argument(metavar="PACK", help="A bundled pack or a folder with a pack.toml.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write the page.")] = Path(
        "preview.html"
    ),
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write a page to hear every clip, see its cut marks and what the check finds; it needs no other file."""
    from stopgap.fillers import read_manifest
    from stopgap.fillers.checking import check_pack

    from .._console import count, progress
    from ._previewpage import page
    from ._previewsound import Previewed

    report = check_pack(pack)
    manifest = report.manifest or read_manifest(report.folder)
    entries = {entry.id: entry for entry in manifest.clips}
    with progress("clips", len(report.clips)) as step:
        clips = []
        for clip in report.clips:
            clips.append(Previewed.of(report.folder, entries[clip.id], clip))
            step(1)
    text = page(manifest, report, clips)
    with written_whole(out) as file:
        file.write(text)
    typer.echo(f"wrote {out}: {count(len(clips), 'clip')}, {len(text.encode()) / 1e6:.1f} MB")
    if report.errors:
        typer.echo(f"{count(len(report.errors), 'error')} in {pack}; see `stopgap pack check {pack}`", err=True)
    if open_it:
        webbrowser.open(out.resolve().as_uri())

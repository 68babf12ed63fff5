"""``stopgap demo``: hear and see fillers over real waits."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    policy: Annotated[str, typer.Option(help="none, ladder or predictive.")] = "predictive",
    turns: Annotated[int, typer.Option(min=1, max=40, help="Turns to play.")] = 6,
    out: Annotated[Path | None, typer.Option(help="Write this WAV or FLAC file instead of playing.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw the timeline into this PNG, SVG or PDF.")] = None,
    device: Annotated[str | None, typer.Option(help="Output device, by name or index (see `stopgap devices`).")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the turns and the clips.")] = 3,
    language: Annotated[
        str | None,
        typer.Option(help="en, es or de, also with a region (es-MX). Spanish and German are robotic. Default: en."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the turns and totals as JSON.")] = False,
) -> None:
    """Play turns of a real trace: a question, the measured wait with fillers in it, the answer.

    Plays in real time through the default audio device; without one, or with --out, a file is written instead.
    """
    from ._show import Show

    Show(policy, turns=turns, seed=seed, config=config, as_json=as_json, plot=plot, language=language).run(
        out=out, device=device
    )

"""``stopgap bench packs``: how soon clips can be played, and what they take."""

from typing import Annotated

import typer

from .._console import new_table, print_json, print_table, progress
from .._options import JsonOption


def packs(
    clips: Annotated[int, typer.Option(min=10, max=5000, help="Clips of 2 s in the pack.")] = 200,
    runs: Annotated[int, typer.Option(min=1, max=100, help="New processes that load it.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure how long a large pack takes to load on one core, and its memory, with one manager and with two.

    The files are FLAC at 24 kHz, the device's rate is 48 kHz. Each run is a new process; the files are in the system's
    cache. Targets hold for the worst run. Linux only, which tells what memory a process has.
    """
    from stopgap.benchmarks._packs import measure_packs

    with progress("measuring", runs) as advance:
        report = measure_packs(clips, runs=runs, advance=advance)
    if as_json:
        print_json(report.as_dict())
        return
    right = ("median", "worst", "target")
    title = f"a pack of {report.clips} clips of {report.clip_s:g} s, {report.runs} runs"
    table = new_table("", *right, "", title=title, right=right)
    for figure in report.figures:
        verdict = "" if figure.met is None else "met" if figure.met else "MISSED"
        limit = "" if figure.limit is None else f"{figure.limit:g}"
        table.add_row(figure.what, f"{figure.median:.3f}", f"{figure.worst:.3f}", limit, verdict)
    print_table(table)

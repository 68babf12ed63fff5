"""``stopgap bench marks``: where clips may end, found from the sound, beside the truth."""

from typing import Annotated

import typer

from .._console import new_table, print_json, print_table, progress
from .._options import JsonOption


def marks(
    language: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="de, en, es, fr, pt or ru; may be repeated. Default: all."),
    ] = None,
    development: Annotated[
        bool, typer.Option("--development", help="Have the sentences said by which the method may be changed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure cut marks that are found from the sound and the text alone, where a synthesiser tells the words' ends.

    Festival's two voices speak the bundled English texts; the method's constants were measured on the first one, with
    other texts. espeak-ng speaks those in German, English, Spanish, French and Portuguese, and Russian sentences, in
    three voices at two paces each. The method is judged by these sentences and not to be changed by them: --development
    has others for that. Festival, its voices and espeak-ng must be installed.
    """
    from stopgap.benchmarks.marks._lines import find_speakers
    from stopgap.benchmarks.marks._marks import NEAR_MS, measure_marks

    speakers = find_speakers(language or (), development=development)
    with progress("measuring", sum(len(speaker.voices) for speaker in speakers)) as advance:
        rows = measure_marks(speakers, advance)
    if as_json:
        print_json([row.as_dict() for row in rows])
        return
    right = ("lines", "word ends", "marks", f"within {NEAR_MS:.0f} ms", "a word too many", "too few")
    title = f"cut marks from the sound alone{', development sentences' if development else ''}"
    table = new_table("voice", *right, title=title, right=right)
    for row in rows:
        shares = (f"{number / max(row.marks, 1):.1%}" for number in (row.near, row.over, row.under))
        table.add_row(row.voice, str(row.lines), str(row.word_ends), str(row.marks), *shares)
    print_table(table)

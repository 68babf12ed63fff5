"""``stopgap bench marks``: where clips may end, found from the sound, beside the truth."""

from .._console import new_table, print_json, print_table, progress
from .._options import JsonOption


def marks(as_json: JsonOption = False) -> None:
    """Measure cut marks that are found from the sound and the text alone.

    Festival's two voices (which must be installed) speak the bundled English texts and tell where each word ends. The
    method's constants were measured on the first voice, with other texts; the second one is held out.
    """
    from stopgap.benchmarks._marks import NEAR_MS, measure_marks

    with progress("measuring", 2) as advance:
        rows = measure_marks(advance)
    if as_json:
        print_json([row.as_dict() for row in rows])
        return
    right = ("lines", "word ends", "marks", f"within {NEAR_MS:.0f} ms", "a word too many", "too few")
    table = new_table("voice", *right, title="cut marks from the sound alone", right=right)
    for row in rows:
        shares = (f"{number / max(row.marks, 1):.1%}" for number in (row.near, row.over, row.under))
        table.add_row(row.voice, str(row.lines), str(row.word_ends), str(row.marks), *shares)
    print_table(table)

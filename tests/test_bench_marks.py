"""The benchmark of cut marks: it measures what it says it measures."""

from speech_rig import need
from stopgap.benchmarks._marks import measure_marks


def test_every_mark_is_judged() -> None:
    """Both voices speak the same lines; shares are of the marks that were made, which most often are right."""
    need("festival")
    done: list[int] = []
    rows = measure_marks(done.append)
    assert done == [1, 1]
    assert rows[0].lines == rows[1].lines > 30
    for row in rows:
        assert 0 < row.marks <= row.word_ends
        assert row.near + row.over + row.under <= 2 * row.marks
        assert row.near >= 0.8 * row.marks

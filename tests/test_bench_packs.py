"""The pack benchmark: it measures what it says it measures."""

import sys

import pytest
from stopgap.benchmarks._packs import PackFigure, measure_packs


@pytest.mark.skipif(sys.platform != "linux", reason="what memory a process has is told by Linux alone")
def test_figures_are_of_the_pack_that_was_written() -> None:
    """The size is that of the clips at the device's rate; each run counts; memory is at least what is kept."""
    done: list[int] = []
    report = measure_packs(20, runs=2, advance=done.append)
    found = {figure.what: figure for figure in report.figures}
    assert done == [1, 1]
    assert found["float32 size, MB"].median == pytest.approx(20 * 2 * 48_000 * 4 / 1e6)
    assert found["s from files to played (cold process, one core)"].worst > 0.0
    assert found["memory kept, times the float32 size"].median > 0.9


def test_the_worst_run_is_judged() -> None:
    """A target is met only if every run met it; what has no target is neither met nor missed."""
    assert PackFigure("a", 0.5, 1.1, 1.0).met is False
    assert PackFigure("a", 0.5, 1.0, 1.0).met is True
    assert PackFigure("a", 0.5, 1.0, None).met is None

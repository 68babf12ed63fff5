"""The planning benchmark: it measures what it says it measures."""

from stopgap.benchmarks._planning import PlanningReport, Timed, measure_planning


def test_every_part_is_measured() -> None:
    """Each figure comes from as many timings as asked for, and every part is told of."""
    done: list[int] = []
    report = measure_planning("web_search_dev", repeat=10, advance=done.append)
    assert done == [1, 1, 1, 1]
    assert [timed.count for timed in report.timings] == [100, 10, 6]
    assert all(0.0 < timed.p50_us <= timed.p99_us for timed in report.timings)
    assert report.turns_per_second > 0.0


def test_what_misses_its_target_is_said_to() -> None:
    """A figure above its limit is not met, and one without a limit is neither."""
    slow, free = Timed("slow", 1, 101.0, 200.0, 100.0), Timed("free", 1, 1.0, 1.0)
    report = PlanningReport("t", (slow, free), 749.0)
    found = report.as_dict()
    assert [timed["met"] for timed in found["timings"]] == [False, None]
    assert found["replay"]["met"] is False

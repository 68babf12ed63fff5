"""``stopgap bench plugins``: what its figures are compared with, and one short real run."""

import json
import subprocess
import sys

import pytest
from stopgap.benchmarks._spread import Spread
from stopgap.benchmarks.plugins._plugins import PluginReport, PluginRow


def row(p99: float, limit: float | None = 40.0, other: float | None = None, *, added: bool = False) -> PluginRow:
    spread = Spread(10, p99 / 2, p99, p99)
    beside = None if other is None else Spread(10, other / 2, other, other)
    return PluginRow("x", "what", "ms", spread, "plain", beside, limit, added)


@pytest.mark.parametrize(
    ("found", "met"),
    [
        (row(40.0), True),
        (row(40.1), False),
        (row(40.1, None), None),
        (row(90.0, 40.0, 60.0), False),
        (row(90.0, 40.0, 60.0, added=True), True),
        (row(110.0, 40.0, 60.0, added=True), False),
    ],
)
def test_a_figure_is_judged_by_itself_or_by_what_it_adds(found: PluginRow, met: bool | None) -> None:
    """The 99th percentile decides; where a target is on what is added, the framework's own share is taken off."""
    assert found.met is met
    data = PluginReport("m", {}, (found,), ("y",)).as_dict()
    assert data["rows"][0]["met"] is met
    assert data["missing"] == ["y"]


def test_a_short_run_finds_the_order_of_things() -> None:
    """Both frameworks are measured, and what is queued in front of a reply delays it more than what is mixed in."""
    done = subprocess.run(
        [sys.executable, "-m", "stopgap", "bench", "plugins", "--trials", "5", "--frames", "100", "--json"],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert set(report["versions"]) == {"pipecat-ai", "livekit-agents"}
    assert not report["missing"]
    rows = {(row["framework"], row["what"]): row for row in report["rows"]}
    mixed, queued = (
        next(row for (_, what), row in rows.items() if what.startswith(beginning))["found"]["p50"]
        for beginning in ("reply, a filler sounding", "reply behind a filler queued")
    )
    assert mixed < queued
    assert {framework for framework, _ in rows} == {"pipecat", "livekit"}

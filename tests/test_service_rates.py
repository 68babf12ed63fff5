"""Rate limits: per endpoint, organization and user, in one process or counted together in Redis."""

import logging
import time

import pytest
from service_helpers import Worker, together
from stopgap.engine.service._perminute import PER_MINUTE
from stopgap.engine.service._rates import RateLimits
from stopgap.fillers import UsageError

pytest_plugins = ("service_databases",)


class Hands:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def time(self) -> float:
        return self.at


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """The clock by which requests are counted in memory, moved by the test."""
    clock = Hands()
    monkeypatch.setattr(time, "time", clock.time)
    return clock


def test_a_moving_minute(hands: Hands) -> None:
    """Fifteen requests in any minute; the sixteenth waits until the first one is a minute ago."""
    limits = RateLimits()
    for number in range(15):
        allowance = limits.hit("interact", "org", "user")
        assert allowance.allowed
        assert allowance.remaining == 14 - number
        assert allowance.headers == {
            "X-RateLimit-Limit": "15", "X-RateLimit-Remaining": str(14 - number), "X-RateLimit-Reset": "1000060"
        }  # fmt: skip
        hands.at += 1.0
    refused = limits.hit("interact", "org", "user")
    assert (refused.allowed, refused.remaining, refused.resets_at) == (False, 0, 1_000_060.0)
    assert refused.headers["Retry-After"] == "45"
    hands.at = 1_000_059.9
    assert limits.hit("interact", "org", "user").headers["Retry-After"] == "1"
    hands.at = 1_000_060.1
    assert limits.hit("interact", "org", "user").allowed
    assert not limits.hit("interact", "org", "user").allowed


def test_everybody_has_their_own() -> None:
    """Another user, organization or endpoint is not concerned; nor one whose names only look alike put together."""
    limits = RateLimits(per_minute={"finish": 1, "create": 1})
    names = [("a", "b"), ("a", "c"), ("b", "b"), ("a/b", "c"), ("a", "b/c"), ("a", "x" * 1000), ("a", "x" * 1001)]
    for organization, user in names:
        assert limits.hit("finish", organization, user).allowed
        assert not limits.hit("finish", organization, user).allowed
        assert limits.hit("create", organization, user).allowed


def test_the_defaults_are_the_protocols() -> None:
    """Each can be changed, none can be left out or made no limit at all."""
    assert PER_MINUTE == {
        "sign_in": 5, "sign_in_origin": 60, "create": 5, "interact": 15, "finish": 5, "insights": 20,
        "metric_evaluate": 20, "metric_results": 10, "behavior_versions": 1000, "behavior_create": 200,
        "metric_create": 60, "metric_list": 60, "turns": 60,
        "rule_change": 200, "rule_read": 1000,
        "conversations_read": 60,
    }  # fmt: skip
    limits = RateLimits(per_minute={"read": 3})
    assert limits.hit("read", "org", "user").limit == 3
    assert limits.hit("create", "org", "user").limit == 5
    for number in (0, -1, 1.5, True, 100_001):
        with pytest.raises(UsageError, match="write a whole number from 1 to 100000"):
            RateLimits(per_minute={"read": number})  # type: ignore[dict-item]
    with pytest.raises(UsageError, match="there is no endpoint 'reed'"):
        limits.hit("reed", "org", "user")
    with pytest.raises(UsageError, match="memory:// or redis://"):
        RateLimits("memcached://x")


def test_processes_count_together(redis_url: str, worker: Worker) -> None:
    """Two that send twelve requests each of one user at once: fifteen are allowed in all."""
    said = together([worker("hits", redis_url, 12) for _ in range(2)])
    assert sum(map(int, said)) == 15
    limits = RateLimits(redis_url)
    assert limits.shared
    refused = limits.hit("interact", "org", "user")
    assert not refused.allowed
    assert 1 <= refused.retry_after_s <= 60
    assert limits.hit("interact", "org", "somebody").remaining == 14


def test_without_redis_each_counts_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    """A server that is not there holds nobody up for long: one warning, and limits go on in this process."""
    with caplog.at_level(logging.WARNING, "stopgap"):
        limits = RateLimits("redis://:hunter2@127.0.0.1:1")
        began = time.monotonic()
        allowed = [limits.hit("create", "org", "user").allowed for _ in range(7)]
    assert allowed == [True] * 5 + [False] * 2
    assert caplog.text.count("rate limits are counted per process") == 1
    assert "hunter2" not in caplog.text
    assert time.monotonic() - began < 30.0

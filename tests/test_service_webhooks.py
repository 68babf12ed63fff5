"""Webhooks by themselves: how they are signed, which URLs may be called, when they are tried again."""

import hashlib
import hmac
import random
import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stopgap.engine.service._settings import load_service_config
from stopgap.engine.service.rules._retrying import Retrying, asked_s
from stopgap.engine.service.rules._signing import rule_secret, signed
from stopgap.engine.service.rules._webhooks import Webhooks
from stopgap.fillers import ConfigError, UsageError
from stopgap.service import verified

NOW = 1_700_000_000.25
BODIES = st.binary(max_size=200)

# Signatures --------------------------------------------------------------------------------------------------------


@given(body=BODIES, late=st.floats(-300.0, 300.0))
def test_what_was_signed_is_verified(body: bytes, late: float) -> None:
    """For five minutes either way, whatever the case of the headers' names."""
    headers = signed("secret", body, NOW)
    assert verified("secret", headers, body, NOW + 0.999 * late)
    assert verified("secret", {name.title(): value for name, value in headers.items()}, body, NOW)
    assert not verified("secret", headers, body, NOW + 301.0)
    assert not verified("secret", headers, body, NOW - 301.0)


def test_the_signature_is_the_protocols() -> None:
    """HMAC-SHA256 over ``v1:{ms}:{body}``, hexadecimal."""
    expected = hmac.new(b"secret", b'v1:1700000000250:{"a": 1}', hashlib.sha256).hexdigest()
    assert signed("secret", b'{"a": 1}', NOW) == {
        "x-amigo-request-signature": expected, "x-amigo-request-timestamp": "1700000000250",
    }  # fmt: skip


@given(body=BODIES, other=BODIES, text=st.text(max_size=80))
def test_nothing_else_is_verified(body: bytes, other: bytes, text: str) -> None:
    """Another body, secret, time or signature, or none of them: False, and never an exception."""
    headers = signed("secret", body, NOW)
    signature, timestamp = headers
    assert verified("secret", headers, other, NOW) == (other == body)
    assert not verified("Secret", headers, body, NOW)
    for name in headers:
        assert not verified("secret", {**headers, name: text}, body, NOW)
        assert not verified("secret", {**headers, name: ""}, body, NOW)
        assert not verified("secret", {n: v for n, v in headers.items() if n != name}, body, NOW)
    assert not verified("secret", {**headers, timestamp: f"0{headers[timestamp]}"}, body, NOW)
    assert not verified("secret", {**headers, timestamp: "9" * 5000}, body, NOW)
    assert not verified("secret", {**headers, timestamp: "١٧"}, body, NOW)
    assert not verified("secret", {**headers, signature: headers[signature].upper()}, body, NOW) or (
        headers[signature].isdigit()
    )


def test_the_clock_is_asked_by_default() -> None:
    """A signature of long ago is not valid now."""
    assert not verified("secret", signed("secret", b"", NOW), b"")


def test_each_rule_has_a_secret_of_its_own() -> None:
    """The same one always, from the service's."""
    assert rule_secret(b"x" * 32, "a" * 24) == rule_secret(b"x" * 32, "a" * 24)
    assert len({rule_secret(service, rule) for service in (b"x" * 32, b"y" * 32) for rule in ("a" * 24, "b" * 24)}) == 4
    assert Webhooks(b"x" * 32, ()).secret_of("a" * 24) == rule_secret(b"x" * 32, "a" * 24)


# URLs --------------------------------------------------------------------------------------------------------------

HOSTS = (
    "hooks.example.com",
    "hooks.example.com:8443",
    "127.0.0.1:9000",
    "localhost",
    "[::1]:9000",
    "xn--bcher-kva.example",
)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.example.com", "hooks.example.com:443"),
        ("https://hooks.example.com/", "hooks.example.com:443"),
        ("HTTPS://HOOKS.EXAMPLE.COM/a/b?c=d", "hooks.example.com:443"),
        ("https://hooks.example.com:443/a", "hooks.example.com:443"),
        ("https://hooks.example.com:8443/a", "hooks.example.com:8443"),
        ("http://127.0.0.1:9000/", "127.0.0.1:9000"),
        ("https://127.0.0.1:9000/", "127.0.0.1:9000"),
        ("http://localhost/", "localhost:80"),
        ("http://[::1]:9000/x", "[::1]:9000"),
        ("https://bücher.example/x", "xn--bcher-kva.example:443"),
    ],
)
def test_urls_that_may_be_called(url: str, host: str) -> None:
    """Their host and port are those that the operator named."""
    assert Webhooks(b"", HOSTS).checked(url).host == host


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://hooks.example.com/", "http:// is for this machine only; write https:// to call hooks.example.com"),
        (
            "https://other.example.com/",
            r'other.example.com may not be called; .* webhook_hosts = \["other.example.com"\]',
        ),
        ("https://hooks.example.com.evil.com/", "may not be called"),
        ("https://evil.com/hooks.example.com", "may not be called"),
        ("https://evil.com?hooks.example.com", "may not be called"),
        ("https://hooks.example.com:8444/", r'webhook_hosts = \["hooks.example.com:8444"\]'),
        ("https://hooks.example.com./", "may not be called"),
        ("https://localhost:22/", "may not be called"),
        ("http://127.0.0.1/", "may not be called"),
        ("http://127.0.0.1:9001/", "may not be called"),
        ("http://127.1:9000/", "write https://"),
        ("http://0x7f000001:9000/", "write https://"),
        ("https://2130706433:9000/", "may not be called"),
        ("https://[::ffff:127.0.0.1]:9000/", "may not be called"),
        ("https://169.254.169.254/latest/meta-data", "may not be called"),
        ("https://user@hooks.example.com/", "user or a fragment"),
        ("https://user:word@hooks.example.com/", "user or a fragment"),
        ("https://hooks.example.com@evil.com/", "user or a fragment"),
        ("https://hooks.example.com\\@evil.com/", "."),
        ("https://evil.com\\@hooks.example.com/", "."),
        ("https://hooks.example.com/#a", "user or a fragment"),
        ("https://hooks.example.com/#", "user or a fragment"),
        ("https:///x", "none that can be called"),
        ("https://", "none that can be called"),
        ("hooks.example.com", "none that can be called"),
        ("//hooks.example.com/", "none that can be called"),
        ("file:///etc/passwd", "none that can be called"),
        ("ftp://hooks.example.com/", "none that can be called"),
        ("gopher://hooks.example.com/", "none that can be called"),
        ("https://hooks.example.com:99999/", "."),
        ("https://hooks.example.com/\r\nx: y", "cannot be read"),
        ("https://hooks.exa\tmple.com/", "cannot be read"),
        ("https://[::1/", "."),
        ("https://" + "x" * 3000, "has 3008 characters"),
        ("", "none that can be called"),
    ],
)
def test_urls_that_may_not(url: str, says: str) -> None:
    """One sentence says what to write instead."""
    with pytest.raises(UsageError, match=says) as told:
        Webhooks(b"", HOSTS).checked(url)
    assert len(str(told.value)) < 400


@given(
    st.text(max_size=60) | st.builds("https://{}hooks.example.com{}".format, st.text(max_size=8), st.text(max_size=8))
)
@example("https://hooks.example.com%2eevil.com")
def test_any_text_may_be_given(text: str) -> None:
    """Either it may not be called, or it leads to a host that was named."""
    try:
        target = Webhooks(b"", ("hooks.example.com",)).checked(text)
    except UsageError:
        return
    assert target.host == "hooks.example.com:443"
    assert target.url.startswith("https://hooks.example.com")
    assert Webhooks(b"", ("hooks.example.com",)).checked(target.url) == target


def test_no_host_may_be_called_by_default() -> None:
    """The one sentence names the setting."""
    with pytest.raises(UsageError, match=r'webhook_hosts = \["hooks.example.com"\] in its configuration'):
        Webhooks(b"", ()).checked("https://hooks.example.com/")


@pytest.mark.parametrize(
    "host",
    ["https://a.example", "a.example/", "A.example", "a.example:", "*.example", "", "a b", "a.example:123456", "."],
)
def test_hosts_are_held_to_their_form(host: str) -> None:
    """What could never be a host is refused at the start."""
    with pytest.raises(ConfigError, match="webhook_hosts"):
        load_service_config(None, services={"desk": {"agent": "a:b"}}, webhook_hosts=[host])


def test_hosts_are_settings() -> None:
    """With a port or without."""
    config = load_service_config(None, services={"desk": {"agent": "a:b"}}, webhook_hosts=list(HOSTS))
    assert config.webhook_hosts == HOSTS
    assert load_service_config(None, services={"desk": {"agent": "a:b"}}).webhook_hosts == ()


# Retries -----------------------------------------------------------------------------------------------------------


def test_what_a_status_means() -> None:
    """2xx is the end; so is what no later try would change; the rest is tried again."""
    states = {code: Retrying().after(code, None, 1, NOW).state for code in range(200, 600)}
    assert {code for code, state in states.items() if state == "delivered"} == set(range(200, 300))
    assert {code for code, state in states.items() if state == "pending"} == {408, 409, 425, 429, *range(500, 600)}


@given(seed=st.integers())
def test_waits_double_within_bounds(seed: int) -> None:
    """1, 2, 4 … 600 s, each from its upper half; the twelfth try is the last."""
    retrying = Retrying(random=random.Random(seed))
    for tried in range(1, 12):
        outcome = retrying.after(500, None, tried, NOW)
        whole = min(600.0, 2.0 ** (tried - 1))
        assert outcome.state == "pending"
        assert whole / 2 <= outcome.after_s <= whole
    last = retrying.after(500, "5", 12, NOW)
    assert (last.state, last.problem) == ("failed", "the receiver answered 500; that was the last of 12 tries")
    assert retrying.again("x", 12).state == "failed"


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have local time differ from UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST5")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0), (" 7 ", 7.0), ("0", 0.0), (None, 0.0), ("", 0.0), ("-5", 0.0), ("soon", 0.0), ("1.5", 0.0),
        ("9" * 5000, 999_999_999.0), ("٣", 0.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 59.75), ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("Tue Nov 14 22:14:20 2023", 59.75), ("Tuesday, 14-Nov-23 22:14:20 GMT", 59.75),
        ("Tue, 99 Nov 2023 22:14:20 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 251_702_300_798.75),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("new_york")
def test_receivers_ask_for_time(header: str | None, seconds: float) -> None:
    """In seconds, or until a date, wherever the service runs; what cannot be read asks for none."""
    assert asked_s(header, NOW) == seconds
    waited = Retrying().after(429, header, 1, NOW).after_s
    assert waited <= 3600.0
    assert waited >= min(seconds, 3600.0) if seconds else waited <= 1.0

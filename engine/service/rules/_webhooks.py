"""Which URLs may be called."""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

import httpx

from ....fillers import UsageError
from ._signing import rule_secret

MOST_URL = 2000
"""Characters."""
_DEFAULT = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called."""

    url: str
    host: str
    """With its port."""


class Webhooks:
    """What is called, and what it is signed with.

    Args:
        secret: The service's.
        hosts: ``webhook_hosts``, see `ServiceConfig`.
    """

    def __init__(self, secret: bytes, hosts: Collection[str]) -> None:
        self._secret = secret
        self._hosts = frozenset(hosts)

    def secret_of(self, rule: str) -> str:
        """Return what the webhooks of the rule with that id are signed with."""
        return rule_secret(self._secret, rule)

    def checked(self, url: str) -> Target:
        """Return *url* as it will be called: read by the same parser that the client uses, so that both agree.

        Whoever may create rules must not have this service call what only it can reach. So only hosts that the operator
        names are called, by those names: what a name resolves to is the operator's own business.

        Raises:
            UsageError: if it may not be called.
        """
        if len(url) > MOST_URL:
            raise UsageError(f"the URL has {len(url)} characters; at most {MOST_URL} are called")
        try:
            parsed = httpx.URL(url)
            host = parsed.raw_host.decode("ascii")
        except (httpx.InvalidURL, ValueError):
            raise UsageError("the URL cannot be read; write https://HOST/PATH") from None
        if parsed.scheme not in _DEFAULT or not host:
            raise UsageError("the URL is none that can be called; write https://HOST/PATH")
        if parsed.userinfo or parsed.fragment or "#" in url:
            raise UsageError(
                "the URL has a user or a fragment; write https://HOST/PATH, and check the signature instead"
            )
        if parsed.scheme == "http" and not _is_loopback(host):
            raise UsageError(f"http:// is for this machine only; write https:// to call {host[:100]}")
        shown = f"[{host}]" if ":" in host else host
        port = parsed.port or _DEFAULT[parsed.scheme]
        names = {f"{shown}:{port}"} | ({shown} if port == _DEFAULT[parsed.scheme] else set())
        if not names & self._hosts:
            wanted = min(names, key=len)[:100]
            raise UsageError(
                f"{wanted} may not be called; whoever runs the service can allow that: "
                f'webhook_hosts = ["{wanted}"] in its configuration'
            )
        return Target(str(parsed), f"{shown}:{port}")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

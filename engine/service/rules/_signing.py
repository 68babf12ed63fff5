"""How webhooks are signed: their receivers know by it who called, and that nobody changed anything on the way."""

import hashlib
import hmac
import time
from collections.abc import Mapping

SIGNATURE, TIMESTAMP = "x-amigo-request-signature", "x-amigo-request-timestamp"
VALID_S = 300.0
"""s by which the time of a request may differ from the receiver's."""


def rule_secret(secret: bytes, rule: str) -> str:
    """Return what the webhooks of a rule are signed with, 64 hexadecimal digits.

    It is made from the service's own secret and the rule's id, and so is stored nowhere: a copy of the database lets
    nobody sign, one rule's secret tells nothing of another's or of the service's, and with a new secret of the service
    all rules have new ones. Tokens are signed with the service's secret, too; none of those begins with ``webhook``.

    Args:
        secret: The service's.
        rule: The rule's id.
    """
    return hmac.digest(secret, f"webhook {rule}".encode(), "sha256").hex()


def signed(secret: str, body: bytes, now: float) -> dict[str, str]:
    """Return the headers that sign *body*.

    Args:
        secret: The rule's.
        body: What is sent.
        now: s since the epoch.
    """
    timestamp = str(round(now * 1000.0))
    return {SIGNATURE: _signature(secret, timestamp, body), TIMESTAMP: timestamp}


def verified(secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None) -> bool:
    """Return whether a webhook is genuine: signed with the rule's secret, and within the last 5 minutes.

    Call it before anything else is done with the body. A delivery may come more than once, always with the same bytes:
    keep its ``delivery_id``, and do nothing the second time.

    Args:
        secret: Of the rule, as it was told when the rule was created.
        headers: Of the request, in whatever case their names are.
        body: The request's, byte by byte: not parsed and written again.
        now: s since the epoch; None: the clock's.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    given, timestamp = lower.get(SIGNATURE, ""), lower.get(TIMESTAMP, "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        return False
    expected = _signature(secret, timestamp, body)
    genuine = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    return genuine and abs((time.time() if now is None else now) - int(timestamp) / 1000.0) <= VALID_S


def _signature(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"v1:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()

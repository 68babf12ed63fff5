"""Which version of something a conversation is dealt: by the hash of its id, and by shares."""

import hashlib
from collections.abc import Mapping


def dealt(shares: Mapping[int, float], conversation: str, *, salt: str) -> int:
    """Return the version that *conversation* is dealt.

    Args:
        shares: By version, adding up to 1.
        conversation: Its id.
        salt: Names what is dealt.
    """
    digest = hashlib.sha256(f"{salt}\0{conversation}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2.0**64
    for version in sorted(shares):
        place -= shares[version]
        if place < 0.0:
            return version
    return max(shares)

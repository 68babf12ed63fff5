"""Whether texts say what the manifest says of them."""

from collections.abc import Iterator

from ..texts import claims_work
from ._finding import Finding, warning
from ._loading import Loaded


def check_claims(one: Loaded) -> Iterator[Finding]:
    """Find lines that promise work without being marked so, and marked ones that do not."""
    clip = one.clip
    claims = claims_work(clip.text, clip.language) if clip.kind.spoken and clip.text else None
    if claims and not clip.claims_work:
        text = f"{clip.text!r} says that work is being done; write claims_work = true, so that it is said only then"
        yield warning("claims-work", text, clip.id)
    if claims is False and clip.claims_work:
        yield warning(
            "claims-work",
            f"{clip.text!r} does not seem to say that work is being done; write claims_work = false, or it is said "
            "only while a tool runs",
            clip.id,
        )

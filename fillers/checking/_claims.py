"""Whether texts promise work that the manifest does not tell of."""

from collections.abc import Iterator

from ..texts import claims_work
from ._finding import Finding, warning
from ._loading import Loaded


def check_claims(one: Loaded) -> Iterator[Finding]:
    """Find lines that promise work without being marked so. A mark too many is caution: it costs but variety."""
    clip = one.clip
    if clip.kind.spoken and clip.text and not clip.claims_work and claims_work(clip.text, clip.language):
        text = f"{clip.text!r} says that work is being done; write claims_work = true, so that it is said only then"
        yield warning("claims-work", text, clip.id)

"""Sample rates."""

from collections.abc import Iterator, Sequence

from ._finding import Finding, warning
from ._loading import Loaded

LEAST_RATE = 16_000
"""Hz. Below it there is nothing above 4 kHz in an "s" or "f": beside a wide-band reply that is another telephone."""


def check_rate(one: Loaded) -> Iterator[Finding]:
    """Find dull recordings."""
    if one.rate < LEAST_RATE:
        text = f"has a rate of {one.rate} Hz, which sounds dull; record it with {LEAST_RATE} Hz or more"
        yield warning("rate", text, one.id)


def check_rates(loaded: Sequence[Loaded]) -> Iterator[Finding]:
    """Find voices whose clips were recorded in different ways."""
    voices: dict[str | None, dict[int, list[str]]] = {}
    for one in loaded:
        if one.clip.kind.spoken:
            voices.setdefault(one.clip.voice, {}).setdefault(one.rate, []).append(one.id)
    for voice, rates in voices.items():
        if len(rates) > 1:
            usual = max(rates, key=lambda rate: len(rates[rate]))
            odd = [name for rate, names in rates.items() if rate != usual for name in names]
            who = f"voice {voice!r}" if voice else "the voice"
            shown = ", ".join(odd[:3]) + (f" and {len(odd) - 3} more" if len(odd) > 3 else "")
            yield warning(
                "rates",
                f"{who} has clips of {' and '.join(f'{rate} Hz' for rate in sorted(rates))}, which may sound like "
                f"several people; record {shown} with {usual} Hz as the others",
            )

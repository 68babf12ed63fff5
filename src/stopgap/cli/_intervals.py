"""Figures with their intervals, as tables show them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stopgap.benchmarks._intervals import Estimate


def written(value: float, form: str) -> str:
    """Return *value* written as *form*, "-" for NaN."""
    return "-" if value != value else form.format(value)


def with_interval(found: "Estimate", form: str, bounds: str | None = None) -> str:
    """Return a figure with its interval (written as *bounds*, if given), without one where there is none."""
    if found.low != found.low:
        return written(found.value, form)
    ends = ((bounds or form).format(value).removesuffix(" ms").removesuffix("%") for value in (found.low, found.high))
    return f"{form.format(found.value)} [{', '.join(ends)}]"

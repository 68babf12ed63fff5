"""Frameworks change; a plug-in says which versions of one it was tested with."""

import re
import warnings
from importlib.metadata import PackageNotFoundError, version


def warn_if_untested(distribution: str, tested: tuple[str, str]) -> None:
    """Warn if the installed version of *distribution* lies outside *tested*: the oldest and the newest one, inclusive.

    Only as many parts are compared as the bound has: 1.14 includes 1.14.3.
    """
    try:
        installed = version(distribution)
    except PackageNotFoundError:  # vendored or run from its sources: nothing is known
        return
    oldest, newest = map(_parts, tested)
    here = _parts(installed)
    if here[: len(oldest)] < oldest or here[: len(newest)] > newest:
        span = tested[0] if tested[0] == tested[1] else f"{tested[0]} to {tested[1]}"
        warnings.warn(
            f"stopgap was tested with {distribution} {span}, and {installed} is installed; "
            f"if fillers misbehave, install a version that was tested",
            stacklevel=3,
        )


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text.split("+")[0])[:3])

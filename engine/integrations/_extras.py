"""What to install where a framework is missing."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def needs_extra(extra: str, package: str) -> Iterator[None]:
    """Within it, import a plug-in: where *package* is missing, the error says which *extra* brings it.

    Raises:
        ModuleNotFoundError: naming the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.split(".")[0] != package:
            raise
        raise ModuleNotFoundError(
            f"stopgap.{extra} needs {package}, which is not installed: pip install 'stopgap[{extra}]'", name=exc.name
        ) from exc

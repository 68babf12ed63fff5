"""Whether an extra is installed."""

from importlib.util import find_spec

_NEEDED = ("sqlalchemy", "alembic", "argon2", "jwt", "fastapi", "uvicorn", "limits", "openai", "regex")


def check_service_extra() -> None:
    """Check that what the service needs is installed.

    Raises:
        UsageError: naming what to install.
    """
    from stopgap.fillers import UsageError

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"the service needs {', '.join(missing)}: pip install 'stopgap[service]'")

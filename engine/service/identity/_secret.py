"""The secret that tokens are signed with, in a file of its owner's."""

import os
import secrets
import stat
from pathlib import Path

from ....fillers import ConfigError, UsageError

LEAST_BYTES = 32
MOST_BYTES = 4096
NAME = "stopgap-service.secret"
"""Where the database is no file."""


def secret_file(database: Path | None) -> Path:
    """Return where the secret is kept: beside the database's file, or (None) in the working directory."""
    return Path(NAME) if database is None else database.with_name(f"{database.name}.secret")


def create_secret(path: Path) -> None:
    """Write a new random secret to *path*, readable by its owner only. A file that is there already stays.

    Raises:
        UsageError: if it cannot be written.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as exc:
        raise UsageError(f"{path} cannot be written ({exc.strerror}); give a folder that exists") from exc
    with os.fdopen(number, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_secret(path: Path) -> bytes:
    """Return the secret in *path*.

    Raises:
        ConfigError: if there is none, if others can read it, or if it is too short.
    """
    try:
        with path.open("rb") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigError(f"{path} can be read by others than its owner; run `chmod 600 {path}`")
            found = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; `stopgap service init` makes it") from None
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(found) > MOST_BYTES:
        raise ConfigError(f"{path} is larger than {MOST_BYTES} bytes: it is no secret of stopgap's")
    return checked_secret(found.strip(), str(path))


def checked_secret(secret: bytes, where: str) -> bytes:
    """Return *secret*.

    Raises:
        ConfigError: naming *where* it is from, if it is too short.
    """
    if len(secret) < LEAST_BYTES:
        raise ConfigError(f"{where}: a secret has at least {LEAST_BYTES} bytes, this one has {len(secret)}")
    return secret

"""One run at a time for each pack: two would each write a manifest without the other's clips."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from .._errors import PackError


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Keep other runs on this computer from making clips in *folder*, which need not exist, as long as this is entered.

    On Windows nothing is kept.

    Raises:
        PackError: if another run goes on there.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    place = Path(gettempdir(), f"stopgap-{os.getuid()}-{name}.lock")  # not in the pack, which may be read-only
    try:
        lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        told = f"{place} cannot be opened ({exc.strerror}); remove it, or set TMPDIR to a folder of yours"
        raise PackError(told) from exc
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PackError(f"{folder} is being made by another run of stopgap; wait until that has ended") from None
        yield
    finally:
        os.close(lock)

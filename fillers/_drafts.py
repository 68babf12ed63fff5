"""Files that are being written, beside their places: whole ones are moved there, the rest is never seen."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DRAFT = re.compile(r"\..+\.(\d+)\.part")


def draft_of(target: Path) -> Path:
    """Return where this process writes what is to become *target*."""
    return target.with_name(f".{target.name}.{os.getpid()}.part")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a draft that becomes *target*, in a folder that is made if need be, if the block succeeds.

    Raises:
        OSError: if that cannot be done.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(target)
    try:
        yield draft
        os.replace(draft, target)
    finally:
        with suppress(OSError):  # of a folder that cannot be written to, which has been told
            draft.unlink(missing_ok=True)


def remove_leavings(folder: Path) -> None:
    """Remove what processes that were killed had begun to write in *folder*; one that is no folder has none."""
    if folder.is_symlink() or not folder.is_dir():
        return
    with suppress(OSError):
        for entry in list(folder.iterdir()):
            draft = _DRAFT.fullmatch(entry.name)
            if draft and not _runs(int(draft[1])):
                with suppress(OSError):
                    entry.unlink()


def _runs(process: int) -> bool:
    if sys.platform == "win32":
        return False  # a file that is open there cannot be removed anyway
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True

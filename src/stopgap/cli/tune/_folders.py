"""Writing folders whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def check_place(folder: Path, *, may_replace: Callable[[Path], bool] | None) -> None:
    """Raise `UsageError` if no folder can be put at *folder*.

    Args:
        folder: May exist if it is empty.
        may_replace: Whether what it holds may be lost; None: --force was not given.
    """
    from stopgap.fillers import UsageError

    target = folder.resolve()
    if not target.parent.is_dir():
        raise UsageError(f"{folder} cannot be written: there is no folder {target.parent}; make it first")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{folder} is a file; name a folder")
    if target.exists() and any(target.iterdir()):
        if may_replace is None:
            raise UsageError(f"{folder} exists and is not empty; name another folder, or --force replaces it")
        if not may_replace(target):
            raise UsageError(f"{folder} holds other files, which --force would lose; name another folder")


@contextmanager
def folder_written_whole(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside *folder* that takes its place once all was written, and is gone if that fails.

    Raises:
        UsageError: if that cannot be done.
    """
    from stopgap.fillers import UsageError

    target = folder.resolve()
    draft, old = (target.with_name(f".{target.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    try:
        draft.mkdir()
        yield draft
        if target.exists():
            target.rename(old)
        try:
            draft.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as exc:
        raise UsageError(
            f"{folder} cannot be written ({exc.strerror}); choose a place with room that you may write to"
        ) from exc
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)

"""Recordings as WAV files, made where they cannot be read in place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from tempfile import TemporaryDirectory

Convert = Callable[[Path, Path], None]


class _Kept:
    """Conversions that are used again, by what was converted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[tuple[str, int, int], Path] = {}


_kept: ContextVar[_Kept | None] = ContextVar("_kept", default=None)


@contextmanager
def kept_conversions() -> Iterator[None]:
    """Convert each recording once as long as this is entered: pieces of a long one are read one by one."""
    with TemporaryDirectory(prefix="stopgap-") as folder:
        token = _kept.set(_Kept(Path(folder)))
        try:
            yield
        finally:
            _kept.reset(token)


@contextmanager
def converted(path: Path, convert: Convert) -> Iterator[Path]:
    """Yield a WAV file of what *path* holds, as long as the block lasts.

    Args:
        path: A recording.
        convert: Writes it, given *path* and the new file's; what it raises is passed on.
    """
    kept = _kept.get()
    with nullcontext(str(kept.folder)) if kept is not None else TemporaryDirectory(prefix="stopgap-") as folder:
        files = kept.files if kept is not None else {}
        status = path.stat()
        key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
        if key not in files:
            target = Path(folder, f"{len(files)}.wav")
            try:
                convert(path, target)
            except BaseException:
                target.unlink(missing_ok=True)
                raise
            files[key] = target
        yield files[key]

"""Writing files whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


@contextmanager
def written_whole(path: Path) -> Iterator[TextIO]:
    """Open *path* for writing as UTF-8 text; a file appears there only once all of it was written.

    A link is followed; a device or pipe is written to directly.

    Raises:
        UsageError: if that cannot be done.
    """
    from stopgap.fillers import UsageError

    target = path.resolve()
    direct = target.exists() and not target.is_file()
    draft = target if direct else target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        if not direct:
            draft.replace(target)
    except BrokenPipeError:
        raise
    except OSError as exc:
        missing = isinstance(exc, FileNotFoundError)
        instead = "give a file in a folder that exists" if missing else "choose a place with room that you may write to"
        raise UsageError(f"{path} cannot be written ({exc.strerror}); {instead}") from exc
    finally:
        if not direct:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

"""Where words end, as a command tells it in a JSON file."""

import json
from pathlib import Path
from typing import Any

from ._speech import checked_word_ends
from ._trouble import NotSpoken

_MOST_BYTES = 1_000_000


def read_alignment(path: Path) -> tuple[float, ...]:
    """Read ``[{"word": "one", "end_s": 0.41}, ...]`` or ``[0.41, ...]``.

    Returns:
        ms; nothing if there is no such file.

    Raises:
        NotSpoken: if it holds anything else.
    """
    if not path.exists():
        return ()
    if path.stat().st_size > _MOST_BYTES:
        raise NotSpoken("the alignment that the command wrote is larger than 1 MB")
    try:
        return checked_word_ends(1000.0 * _end_s(word) for word in json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError) as exc:
        raise NotSpoken(
            "the alignment that the command wrote is not a list of "
            '{"word": "...", "end_s": 0.41} or of ascending seconds'
        ) from exc


def _end_s(word: Any) -> float:
    end = word["end_s"] if isinstance(word, dict) else word
    if isinstance(end, bool) or not isinstance(end, int | float):
        raise TypeError
    return float(end)

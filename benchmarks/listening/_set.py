"""A blinded set on disk: the recordings, the answer sheet, and the key that tells which is which."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
from stopgap.fillers import OutputError, Samples, UsageError

from ..replays import RATE
from ._listening import Pair
from ._page import page

KEY = "key.json"
PAGE = "index.html"
FORMAT = 1
"""Of the key and of the answers."""
_OURS = re.compile(r"key\.json|index\.html|turn-\d+-[12]\.wav|answers-.*\.json")
_BIGGEST = 4 << 20
"""Bytes of a key or of answers: they are a few kilobytes."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two configurations."""

    name: str
    """As it was given: a file's path, or a word."""
    toml: str
    """All of its content."""


@dataclass(frozen=True, slots=True)
class ListeningKey:
    """What a set's listeners do not know."""

    trace: str
    seed: int
    a: Side
    b: Side
    digest: str
    """SHA-256 of the recordings: names a set."""
    a_is: dict[str, str]
    """For each pair's name which recording is A: "1" or "2"."""


def pair_name(number: int) -> str:
    """Return the name of pair *number* > 0."""
    return f"turn-{number:02d}"


def write_set(folder: Path, pairs: Sequence[Pair], *, trace: str, seed: int, a: Side, b: Side) -> ListeningKey:
    """Write the recordings of *pairs*, the answer sheet and the key into the empty *folder*.

    Both recordings of a pair have the same size, and nothing but their sound tells them apart.

    Raises:
        OutputError: if a recording cannot be written.
    """
    digest = hashlib.sha256()
    turns, a_is = [], {}
    for number, pair in enumerate(pairs, 1):
        name = pair_name(number)
        for place, samples in enumerate(pair.sounds, 1):
            file = folder / f"{name}-{place}.wav"
            _write(file, samples)
            digest.update(f"{file.name}\n".encode() + file.read_bytes())
        a_is[name] = "1" if pair.first_is_a else "2"
        turns.append({"pair": name, "a_is": a_is[name], "turn_id": pair.turn.turn_id})
    key = ListeningKey(trace, seed, a, b, digest.hexdigest(), a_is)
    data = {
        "format": FORMAT,
        "set": key.digest,
        "trace": trace,
        "seed": seed,
        "a": {"name": a.name, "toml": a.toml},
        "b": {"name": b.name, "toml": b.toml},
        "turns": turns,
    }
    (folder / KEY).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(page(key.digest, list(a_is)), encoding="utf-8")
    return key


def _write(file: Path, samples: Samples) -> None:
    try:
        soundfile.write(file, samples, RATE, subtype="PCM_16")
    except soundfile.SoundFileError as exc:
        raise OutputError(f"{file} could not be written; is the disk full?") from exc


def is_set(folder: Path) -> bool:
    """Return whether *folder* holds a listening set and nothing else, so that it may be replaced."""
    names = [file.name for file in folder.iterdir()]
    return KEY in names and all(_OURS.fullmatch(name) for name in names)


def read_key(folder: Path) -> ListeningKey:
    """Read the key of the set in *folder*.

    Raises:
        UsageError: if it is missing or damaged.
    """
    file = folder / KEY
    if not file.is_file():
        raise UsageError(
            f"{file} does not exist; give the folder of a listening set, with the key that was made with it"
        )
    data = read_object(file, "make the set again, or put the key back that was made with it")
    try:
        if data["format"] != FORMAT:
            raise ValueError
        a_is = {str(turn["pair"]): str(turn["a_is"]) for turn in data["turns"]}
        if not a_is or not set(a_is.values()) <= {"1", "2"}:
            raise ValueError
        a, b = (Side(str(data[side]["name"]), str(data[side]["toml"])) for side in ("a", "b"))
        return ListeningKey(str(data["trace"]), int(data["seed"]), a, b, str(data["set"]), a_is)
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"{file} is no key of a listening set; make the set again, or put the key back that was made with it"
        ) from None


def read_object(file: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UsageError: naming *file* and the *remedy*, if it is none.
    """
    try:
        if file.stat().st_size > _BIGGEST:
            raise UsageError(f"{file} is larger than 4 MiB; {remedy}")
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise UsageError(f"{file} cannot be read ({exc.strerror}); {remedy}") from exc
    except (ValueError, RecursionError):
        raise UsageError(f"{file} is not valid JSON; {remedy}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{file} holds no JSON object; {remedy}")
    return data

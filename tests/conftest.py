"""Fixtures that every test file may use."""

import os
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import settings
from stopgap.fillers import Clip, ClipBank, CutMark, Kind, Samples

settings.register_profile("stopgap", deadline=None)
settings.load_profile("stopgap")

MakeClip = Callable[..., Clip]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the developer's own environment would tell stopgap."""
    for name in [name for name in os.environ if name.startswith("STOPGAP_")]:
        if name != "STOPGAP_REQUIRE_AUDIO":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def bank() -> ClipBank:
    """The bundled clips."""
    return ClipBank(("en-us",))


@pytest.fixture(scope="session")
def make_clip() -> MakeClip:
    """A maker of plain clips: ``make_clip(kind, frames, rate, marks, shape=..., level=..., id=..., text=...)``.

    *marks* are frames before the end; the end itself is always a mark. *shape* is ``sine``, ``ramp`` (falling from
    *level* to near 0, so that each sample tells its place), ``noise`` or ``one`` (all *level*).
    """

    def make(
        kind: Kind | str = Kind.PHRASE,
        frames: int = 1000,
        rate: int = 1000,
        marks: Iterable[int] = (),
        *,
        shape: str = "sine",
        level: float = 0.5,
        id: str = "clip",
        text: str | None = None,
        claims_work: bool = False,
    ) -> Clip:
        at = np.arange(frames, dtype=np.float64)
        match shape:
            case "sine":
                wave = np.sin(2.0 * np.pi * 0.0123 * at)
            case "ramp":
                wave = 1.0 - at / frames
            case "noise":
                wave = np.random.default_rng(frames).uniform(-1.0, 1.0, frames)
            case _:
                wave = np.ones(frames)
        samples: Samples = (level * wave).astype(np.float32)
        samples.setflags(write=False)
        places = (*sorted(marks), frames)
        return Clip(
            id=id,
            kind=Kind(kind),
            samples=samples,
            rate=rate,
            text=text,
            cut_marks=tuple(CutMark(frame, words) for words, frame in enumerate(places, 1)),
            claims_work=claims_work,
        )

    return make

"""Let Festival speak lines, and learn from it where words and sounds end."""

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ._finish import RATE, Samples

SLT = "voice_cmu_us_slt_arctic_hts"
KAL = "voice_kal_diphone"

_PACKAGES = "festival festvox-us-slt-hts festvox-kallpc16k"

_DEFINITIONS = """
(defvar hts_engine_params nil)
(set! unhurried hts_engine_params)
(define (speak path text rate)
  (set! hts_engine_params (cons (list "-r" rate) unhurried))
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.save.wave utt path 'riff)
    (format t "LINE %s\\n" path)
    (mapcar (lambda (word) (format t "WORD %s %s\\n" (item.name word) (item.feat word "word_end")))
            (utt.relation.items utt 'Word))
    (mapcar (lambda (sound) (format t "SOUND %s %s\\n" (item.name sound) (item.feat sound "end")))
            (utt.relation.items utt 'Segment))))
"""


class FestivalError(Exception):
    """Festival or one of its voices is missing, or it did not speak."""


@dataclass(frozen=True)
class Line:
    """Something to say."""

    text: str
    """What Festival reads."""

    rate: float = 1.0
    """Speed, 1.0 is the voice's own; smaller is slower. The diphone voice ignores it."""


@dataclass(frozen=True)
class Speech:
    """Something said."""

    samples: Samples
    """The sound, with the voice's silence before and after."""

    word_ends: tuple[float, ...]
    """Seconds from the start of `samples`, one per word Festival made of the text."""

    sounds: tuple[tuple[str, float], ...]
    """Phones in order, each with its end in seconds from the start of `samples`."""

    @property
    def opening_pause_s(self) -> float:
        """Seconds before the first phone; the diphone voice hums through it when a w follows."""
        return self.sounds[0][1] if self.sounds and self.sounds[0][0] == "pau" else 0.0


def speak(voice: str, lines: Mapping[str, Line]) -> dict[str, Speech]:
    """Synthesise all *lines*, by key, in one Festival process.

    Raises:
        FestivalError: Festival or the voice is missing; the message names the packages to install.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "lines.scm")
        calls = [f"({voice})", _DEFINITIONS]
        calls += [f'(speak "{key}.wav" "{line.text}" {line.rate})' for key, line in lines.items()]
        script.write_text("\n".join(calls), encoding="ascii")
        report = _run_festival(script)
        return {key: _read(Path(folder, f"{key}.wav"), report[f"{key}.wav"]) for key in lines}


def _run_festival(script: Path) -> dict[str, list[list[str]]]:
    """Run *script* and return, per file, what was said about its words and sounds."""
    try:
        done = subprocess.run(
            ["festival", "-b", script.name], cwd=script.parent, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as exc:
        raise FestivalError(f"festival is not installed; on Debian: apt-get install {_PACKAGES}") from exc
    if "unbound variable : voice_" in done.stderr:
        raise FestivalError(f"a Festival voice is not installed; on Debian: apt-get install {_PACKAGES}")
    if done.returncode != 0:
        raise FestivalError(f"festival failed: {done.stderr.strip()}")
    report: dict[str, list[list[str]]] = {}
    facts: list[list[str]] = []
    for fields in map(str.split, done.stdout.splitlines()):
        if fields and fields[0] == "LINE":
            facts = report.setdefault(fields[1], [])
        elif fields:
            facts.append(fields)
    return report


def _read(path: Path, facts: list[list[str]]) -> Speech:
    samples, rate = soundfile.read(path, dtype="float64")
    if rate != RATE:
        samples = np.asarray(soxr.resample(samples, rate, RATE, quality="HQ"), dtype=np.float64)
    word_ends = tuple(float(end) for kind, _, end in facts if kind == "WORD")
    sounds = tuple((name, float(end)) for kind, name, end in facts if kind == "SOUND")
    return Speech(samples, word_ends, sounds)

"""Make the bundled clips again: the `en-us` pack and the demo's lines.

    python -m stopgap.audio_assets.make_pack [--out DIR]

Writes `en-us/` and `demo/` with FLAC files (PCM16, mono, 32 kHz), manifests and licence notices into *DIR*,
by default over the ones beside this file. The same input gives the same bytes (with the same versions of
Festival, numpy, soxr and libsndfile).

Needs Festival with two voices and the English lexicons; on Debian

    apt-get install festival festvox-us-slt-hts festvox-kallpc16k

What is said stands in `_script.py`. Loops (ambience, hold) have no fades: a player that starts one fades it
in. Nothing is deleted: when a clip is renamed, remove the old file.
"""

import argparse
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile

from . import _hum, _synthesis
from ._cuts import cut_marks
from ._festival import KAL, SLT, FestivalError, Line, Speech, speak
from ._finish import (
    FRAMES_PER_MS,
    RATE,
    Samples,
    active_rms_dbfs,
    faded,
    levelled,
    pcm16,
    speech_bounds,
    without_rumble,
)
from ._script import DEMO, SPOKEN, Spoken

HERE = Path(__file__).parent

SPEECH_DBFS = -20.0
TONE_DBFS = -28.0
HOLD_DBFS = -32.0
AMBIENCE_DBFS = -38.0

SPEECH_LICENCE = "CMU/Edinburgh voice notice"
OWN_LICENCE = "MIT"

HUMS = {"mm-hm": _hum.mm_hm, "hmm": _hum.hmm}
"""Clips made from a hum of the voice instead of from their text."""

Table = Mapping[str, object]
"""One clip's entry in a manifest; a key whose value is None is left out."""


def make_pack(folder: Path) -> None:
    """Write the filler pack into *folder*."""
    lines = {clip.id: Line(clip.say or clip.text, clip.rate) for clip in SPOKEN if clip.id not in HUMS}
    speeches = speak(SLT, lines | {"hum-source": _hum.SOURCE})
    for key, hum in HUMS.items():
        speeches[key] = Speech(hum(speeches["hum-source"]), word_ends=(), sounds=())

    tables = [_spoken_table(folder, clip, speeches[clip.id]) for clip in SPOKEN]
    tables += [
        _wordless_table(folder, "typing", "ambience", _synthesis.typing(8.0), AMBIENCE_DBFS),
        _wordless_table(folder, "room", "ambience", _synthesis.room_tone(6.0), AMBIENCE_DBFS),
        _wordless_table(folder, "rising", "tone", faded(_synthesis.rising_tone()), TONE_DBFS),
        _wordless_table(folder, "low", "tone", faded(_synthesis.low_tone()), TONE_DBFS),
        _wordless_table(folder, "melody", "hold", _synthesis.hold_melody(12.0), HOLD_DBFS),
    ]
    head = {
        "format": 1,
        "name": "en-us",
        "language": "en-US",
        "voice": "cmu-us-slt",
        "licence": f"{SPEECH_LICENCE} (speech), {OWN_LICENCE} (the rest)",
    }
    _write_manifest(folder / "pack.toml", head, "clips", tables)


def make_demo(folder: Path) -> None:
    """Write the demo's questions and replies into *folder*."""
    tables = []
    for voice, role in ((KAL, "user"), (SLT, "reply")):
        lines = {line.id: line for line in DEMO if line.role == role}
        speeches = speak(voice, {key: Line(line.text) for key, line in lines.items()})
        for key, line in lines.items():
            file = f"{role}/{key}.flac"
            _write_flac(folder / file, _finished_speech(speeches[key])[0])
            what: Table = {"id": key, "role": role, "file": file, "text": line.text}
            tables.append({**what, "tool": line.tool, "answers": line.answers})
    head = {"format": 1, "language": "en-US", "licence": SPEECH_LICENCE}
    _write_manifest(folder / "demo.toml", head, "lines", tables)


def _spoken_table(folder: Path, clip: Spoken, speech: Speech) -> Table:
    samples, start = _finished_speech(speech)
    file = f"{clip.kind}/{clip.id}.flac"
    loudness = _write_flac(folder / file, samples)
    words = len(clip.text.split())
    ends_ms = [(end * RATE - start) / FRAMES_PER_MS for end in speech.word_ends] if words > 1 else []
    if words > 1 and len(ends_ms) != words:
        raise ValueError(f"{clip.id}: Festival read {len(ends_ms)} words in {clip.text!r}")
    return {
        "id": clip.id,
        "file": file,
        "kind": clip.kind,
        "text": clip.text,
        "weight": clip.weight,
        "claims_work": clip.claims_work,
        "order": clip.order,
        "licence": SPEECH_LICENCE,
        "loudness_dbfs": loudness,
        "cut_marks": cut_marks(samples, ends_ms, words=words),
    }


def _wordless_table(folder: Path, name: str, kind: str, samples: Samples, target_dbfs: float) -> Table:
    file = f"{kind}/{name}.flac"
    loudness = _write_flac(folder / file, levelled(samples - samples.mean(), target_dbfs=target_dbfs))
    return {
        "id": name,
        "file": file,
        "kind": kind,
        "weight": 1.0,
        "claims_work": False,
        "language": "zxx",
        "licence": OWN_LICENCE,
        "loudness_dbfs": loudness,
    }


def _finished_speech(speech: Speech) -> tuple[Samples, int]:
    """Return the finished clip and the frame of *speech* at which it starts."""
    clean = without_rumble(speech.samples)
    start, end = speech_bounds(clean, pause_ms=speech.opening_pause_s * 1000)
    return levelled(faded(clean[start:end]), target_dbfs=SPEECH_DBFS), start


def _write_flac(path: Path, samples: Samples) -> float:
    """Write *samples* and return the active RMS in dBFS of what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = pcm16(samples)
    soundfile.write(path, stored, RATE, format="FLAC", subtype="PCM_16")
    return round(active_rms_dbfs(stored.astype(np.float64) / 32768), 1)


def _write_manifest(path: Path, head: Table, array: str, tables: Iterable[Table]) -> None:
    parts = [_toml_table(head)]
    parts += [f"[[{array}]]\n{_toml_table(table)}" for table in tables]
    path.write_text("\n".join(parts), encoding="utf-8", newline="\n")
    source = HERE / path.parent.name / "LICENSE.txt"
    if source.resolve() != (path.parent / source.name).resolve():
        shutil.copyfile(source, path.parent / source.name)


def _toml_table(table: Table) -> str:
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in table.items() if value is not None)


def _toml_value(value: object) -> str:
    if isinstance(value, list):
        marks = ", ".join(f"{{ ms = {ms}, words = {words} }}" for ms, words in value)
        return f"[{marks}]"
    return json.dumps(value)


def main() -> None:
    """Read the command line and make everything."""
    parser = argparse.ArgumentParser(
        prog="python -m stopgap.audio_assets.make_pack", description="Make the bundled clips."
    )
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR", help="default: beside this file")
    out: Path = parser.parse_args().out
    try:
        make_pack(out / "en-us")
        make_demo(out / "demo")
    except FestivalError as exc:
        raise SystemExit(str(exc)) from exc
    print(f"{len(list(out.glob('*/*/*.flac')))} clips in {out}")


if __name__ == "__main__":
    main()

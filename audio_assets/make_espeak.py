"""Make the robotic clips again: the packs `es-es` and `de-de`, and the demo's lines in Spanish and German.

    python -m stopgap.audio_assets.make_espeak [--out DIR]

It goes the way of every pack, a spec through `stopgap pack record`, and writes into *DIR*, by default over the files
beside this one. What is said stands in each pack's `spec.toml` and in each demo's `demo.toml`. The recordings of which
the clips were prepared are left out: espeak-ng makes them again.

Needs espeak-ng 1.51; on Debian

    apt-get install espeak-ng

The voices were chosen by measurement, not by ear, among 26 of espeak-ng's variants, with one sentence a language. `f5`
keeps more of the high frequencies than `f1` to `f4` (99 % of its energy lies below 7.0 kHz in Spanish and 7.9 in
German; theirs below 4.3 to 5.0 and 5.7 to 6.6), has about 70 % of its energy between 300 and 3400 Hz, which is what a
telephone carries, and stays far from full scale; at pitch 40 it speaks at about 180 Hz. The user is `m3`, at about
115 Hz.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VOICES = {
    "es": {"reply": "es+f5 -s 160 -p 40", "user": "es+m3 -s 160"},
    "de": {"reply": "de+f5 -s 150 -p 40", "user": "de+m3 -s 150"},
}
"""What espeak-ng is asked for."""
PACKS = {"es": "es-es", "de": "de-de"}
LUFS = -21.2
"""As loud as the phrases of `en-us` and the replies of its demo."""


def make_pack(language: str, folder: Path) -> None:
    """Write the pack for *language* into *folder*."""
    source = HERE / PACKS[language]
    with tempfile.TemporaryDirectory() as made:
        _record(source / "spec.toml", VOICES[language]["reply"], Path(made))
        for clip in Path(made).glob("[!o]*/*.flac"):
            _copy(clip, folder / clip.relative_to(made))
        rows = (Path(made) / "pack.toml").read_text(encoding="utf-8").splitlines(keepends=True)
    manifest = "".join(row for row in rows if not row.startswith("original ="))
    (folder / "pack.toml").write_text(manifest, encoding="utf-8", newline="\n")
    for name in ("spec.toml", "LICENSE.txt"):
        _copy(source / name, folder / name)


def make_demo(language: str, folder: Path) -> None:
    """Write the demo's questions and replies in *language* into *folder*."""
    source = HERE / f"demo-{language}"
    demo = tomllib.loads((source / "demo.toml").read_text(encoding="utf-8"))
    for role, voice in VOICES[language].items():
        lines = [line for line in demo["lines"] if line["role"] == role]
        with tempfile.TemporaryDirectory() as made:
            spec = Path(made) / "spec.toml"
            spec.write_text(_spec_of(demo["language"], lines), encoding="utf-8")
            _record(spec, voice, Path(made) / "pack")
            for line in lines:
                _copy(Path(made) / "pack" / "phrase" / f"{line['id']}.flac", folder / line["file"])
    for name in ("demo.toml", "LICENSE.txt"):
        _copy(source / name, folder / name)


def _spec_of(language: str, lines: list[dict[str, Any]]) -> str:
    rows = [f'    {{ kind = "phrase", id = "{line["id"]}", text = {_quoted(line["text"])} }},\n' for line in lines]
    head = f'name = "demo"\nlanguage = "{language}"\npreparation = {{ loudness = {LUFS} }}\n'
    return f"{head}lines = [\n{''.join(rows)}]\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _record(spec: Path, voice: str, folder: Path) -> None:
    tts = f"espeak-ng -b 1 -m -v {voice} -w {{out}} {{text}}"
    command = [sys.executable, "-m", "stopgap", "pack", "record", str(spec), "--tts", tts, "--out", str(folder)]
    subprocess.run([*command, "--no-beds"], check=True, stdout=sys.stderr)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or not source.samefile(target):
        shutil.copyfile(source, target)


def main() -> None:
    """Read the command line and make everything."""
    parser = argparse.ArgumentParser(
        prog="python -m stopgap.audio_assets.make_espeak", description="Make the robotic clips."
    )
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR", help="default: beside this file")
    out: Path = parser.parse_args().out
    for language, name in PACKS.items():
        make_pack(language, out / name)
        make_demo(language, out / f"demo-{language}")


if __name__ == "__main__":
    main()

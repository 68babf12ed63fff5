"""Making packs: what is written, what is kept, and what happens to recordings that will not do."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from stopgap.fillers import (
    ClipBank,
    Kind,
    PackError,
    PreparationSettings,
    Samples,
    bundled_folder,
    find_pack,
    load_pack,
    read_manifest,
)
from stopgap.fillers.making import PackHead, Source, build_pack, only_run, prepare_pack
from stopgap.fillers.preparation._cuts import cut_marks

HEAD = PackHead("mine", "en-GB", "me", "mine")
RATE = 24_000


def speech(seed: int = 0, *, level: float = 0.1, seconds: float = 1.2) -> Samples:
    """Return three bursts of noise between silences: to level and trim it is like three words."""
    rng = np.random.default_rng(seed)
    burst = rng.standard_normal(round(seconds / 4 * RATE)) * np.hanning(round(seconds / 4 * RATE))
    quiet = np.zeros(RATE // 10)
    return np.concatenate([np.zeros(RATE // 4), *(part for _ in range(3) for part in (level * burst, quiet))]).astype(
        np.float32
    )


def recording(folder: Path, name: str, samples: Samples | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / name, speech() if samples is None else samples, RATE, subtype="FLOAT")
    return folder / name


def source(file: Path, id: str = "", **what: object) -> Source:
    return Source(**{"original": file, "id": id or file.stem, "kind": Kind.PHRASE, "text": "One two three", **what})  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_a_pack_is_made(tmp_path: Path) -> None:
    """Recordings become a pack that loads: trimmed, levelled, marked; originals are kept byte for byte."""
    files = [recording(tmp_path, f"{n}.wav", speech(n, level=0.05 * (n + 1))) for n in range(3)]
    built = build_pack(tmp_path / "mine", HEAD, [source(file, f"clip-{file.stem}") for file in files])
    assert not built.failures
    manifest, clips = load_pack(tmp_path / "mine")
    assert (manifest.name, manifest.language, manifest.voice) == ("mine", "en-GB", "me")
    assert [clip.id for clip in clips] == ["clip-0", "clip-1", "clip-2"]
    for entry, clip, file in zip(manifest.clips, clips, files, strict=True):
        assert clip.duration_s < len(soundfile.read(file)[0]) / RATE - 0.2  # 0.25 s of silence before it are gone
        assert clip.cut_marks[-1].words == 3
        assert entry.original is not None
        assert (tmp_path / "mine" / entry.original).read_bytes() == file.read_bytes()
        assert [step.step for step in entry.steps][-1] == "cut_marks"
    levels = [entry.loudness_dbfs or 0.0 for entry in manifest.clips]
    assert max(levels) - min(levels) < 0.5
    assert manifest.preparation is not None
    assert isinstance(manifest.preparation.loudness, float)


@pytest.mark.parametrize("own", ["de-DE", None])
def test_a_clip_is_marked_in_its_language(tmp_path: Path, own: str | None) -> None:
    """That of the clip, else the pack's: in German the e of "bitte" is heard, and words end elsewhere for it."""
    _, clips = load_pack(find_pack("de-de"))
    clip = next(clip for clip in clips if clip.text and "e " in clip.text and clip.text.count(" ") > 3)
    file = recording(tmp_path, "a.wav", clip.samples)
    head = PackHead("mine", "en-GB" if own else "de-DE", "me", "mine")
    built = build_pack(tmp_path / "mine", head, [source(file, text=clip.text, language=own)])
    (made,) = load_pack(tmp_path / "mine")[1]
    german, english = (cut_marks(made.samples, made.rate, made.text or "", language=tag).marks for tag in ("de", "en"))
    assert built.made[0].cut_marks == german != english


def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    """The same originals and settings give the same pack, byte for byte, also if it was made by hand at first."""
    folder = Path(shutil.copytree(bundled_folder() / "en-us", tmp_path / "mine"))
    before = {clip.id: clip.text for clip in load_pack(folder)[1]}
    assert not prepare_pack(folder).failures
    once = contents(folder)
    assert not prepare_pack(folder).failures
    assert contents(folder) == once
    assert {clip.id: clip.text for clip in load_pack(folder)[1]} == before


def test_other_settings_are_applied_to_the_originals(tmp_path: Path) -> None:
    """Louder and softer again: the clip is what it was at first, since each time the original is where it begins."""
    folder = tmp_path / "mine"
    build_pack(folder, HEAD, [source(recording(tmp_path, "a.wav"))], PreparationSettings(loudness=-30.0))
    first, softer = contents(folder), read_manifest(folder).clips[0].loudness_dbfs or 0.0
    prepare_pack(folder, PreparationSettings(loudness=-24.0))
    assert (read_manifest(folder).clips[0].loudness_dbfs or 0.0) - softer == pytest.approx(6.0, abs=0.1)
    prepare_pack(folder, PreparationSettings(loudness=-30.0))
    assert contents(folder)["phrase/a.flac"] == first["phrase/a.flac"]


def test_marks_set_by_hand_stay(tmp_path: Path) -> None:
    """Cut marks of a pack made by hand are kept, moved by what was trimmed, however often it is prepared."""
    folder = tmp_path / "mine"
    recording(folder, "a.wav")
    (folder / "pack.toml").write_text(
        'format = 1\nname = "mine"\nlanguage = "en"\nlicence = "mine"\n\n# mine\n[[clips]]\nid = "a"\n'
        'file = "a.wav"\nkind = "phrase"\ntext = "One two three"\ncut_marks = [{ ms = 560, words = 1 }]\n',
        encoding="utf-8",
    )
    for _ in range(2):
        prepare_pack(folder)
        entry = read_manifest(folder).clips[0]
        trimmed = next(step.facts["start_ms"] for step in entry.steps if step.step == "trim")
        assert trimmed > 200
        assert [(mark.ms + trimmed, mark.words) for mark in entry.cut_marks[:-1]] == [(pytest.approx(560), 1)]
    assert "# mine" in (folder / "pack.toml").read_text(encoding="utf-8")


def test_what_fails_does_not_stop_the_rest(tmp_path: Path) -> None:
    """A recording that cannot be used is told in a sentence that names its file; the others become clips."""
    silent = recording(tmp_path, "silent.wav", np.zeros(RATE, np.float32))
    (tmp_path / "text.wav").write_text("hello", encoding="utf-8")
    good = recording(tmp_path, "good.wav")
    built = build_pack(tmp_path / "mine", HEAD, [source(silent), source(tmp_path / "text.wav"), source(good)])
    assert {failure.clip for failure in built.failures} == {"silent", "text"}
    for failure in built.failures:
        assert str(failure.file) in failure.reason
        assert "\n" not in failure.reason
    assert [clip.id for clip in ClipBank([tmp_path / "mine"]).catalog] == ["good"]


def test_nothing_is_written_if_nothing_can_be_used(tmp_path: Path) -> None:
    """If every recording fails there is no pack, and one that was there stays as it was."""
    silent = source(recording(tmp_path, "silent.wav", np.zeros(RATE, np.float32)))
    assert build_pack(tmp_path / "mine", HEAD, [silent]).manifest is None
    assert not (tmp_path / "mine" / "pack.toml").exists()
    build_pack(tmp_path / "mine", HEAD, [source(recording(tmp_path, "good.wav"))])
    before = contents(tmp_path / "mine")
    build_pack(tmp_path / "mine", PackHead(), [silent])
    assert contents(tmp_path / "mine") == before


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ('{step = "trim", start_ms = "x"}', "start_ms = 'x' of the step trim is no time; write ms from 0 on"),
        ('{step = "trim", start_ms = nan}', "start_ms = nan of the step trim is no time"),
        ('{step = "cut", start_ms = 1e308, end_ms = 2.0}', "start_ms = 1e\\+308 of the step cut is no time"),
        ('{step = "cut", start_ms = 1.0}', "the step cut has no start_ms and end_ms; write what part"),
    ],
)
def test_steps_written_by_hand(tmp_path: Path, step: str, message: str) -> None:
    """What cannot be done again is refused, with its place."""
    build_pack(tmp_path / "mine", HEAD, [source(recording(tmp_path, "a.wav"))])
    manifest = tmp_path / "mine/pack.toml"
    written = manifest.read_text(encoding="utf-8").replace("steps = [", f"steps = [{step},", 1)
    manifest.write_text(written, encoding="utf-8")
    with pytest.raises(PackError, match=rf"pack.toml: clips\[0\].steps\[0\]: {message}"):
        prepare_pack(tmp_path / "mine")


def test_adding_keeps_what_is_there(tmp_path: Path) -> None:
    """Clips are added to a pack, as loud as it is; comments and other clips stay; the same id replaces."""
    folder = tmp_path / "mine"
    build_pack(folder, HEAD, [source(recording(tmp_path, "a.wav", speech(1, level=0.05)))])
    text = (folder / "pack.toml").read_text(encoding="utf-8")
    (folder / "pack.toml").write_text("# keep this\n" + text, encoding="utf-8")
    added = [source(recording(tmp_path, "b.wav", speech(2, level=0.2))), source(tmp_path / "a.wav", text="One two")]
    build_pack(folder, PackHead(), added)
    manifest = read_manifest(folder)
    assert [(entry.id, entry.text) for entry in manifest.clips] == [("a", "One two"), ("b", "One two three")]
    one, two = (entry.loudness_dbfs or 0.0 for entry in manifest.clips)
    assert one == pytest.approx(two, abs=0.5)
    assert (folder / "pack.toml").read_text(encoding="utf-8").startswith("# keep this\n")


def test_pieces_of_a_long_recording(tmp_path: Path) -> None:
    """Clips cut from one file share its original, and are cut from it again when they are prepared anew."""
    one, two = speech(1), speech(2)
    file = recording(tmp_path, "long.wav", np.concatenate([one, two]))
    pieces = [
        source(file, "one", start_frame=0, end_frame=len(one)),
        source(file, "two", start_frame=len(one), end_frame=len(one) + len(two)),
    ]
    folder = tmp_path / "mine"
    build_pack(folder, HEAD, pieces, PreparationSettings(loudness=-30.0))
    before = contents(folder)
    assert {entry.original for entry in read_manifest(folder).clips} == {"originals/long.wav"}
    prepare_pack(folder)
    assert contents(folder) == before


def test_originals_of_one_name(tmp_path: Path) -> None:
    """Two recordings with the same name are both kept; the same one is kept once."""
    one, two = recording(tmp_path / "1", "a.wav", speech(1)), recording(tmp_path / "2", "a.wav", speech(2))
    build_pack(tmp_path / "mine", HEAD, [source(one, "x"), source(two, "y"), source(one, "z")])
    kept = [
        (tmp_path / "mine" / (entry.original or "")).read_bytes() for entry in read_manifest(tmp_path / "mine").clips
    ]
    assert kept == [one.read_bytes(), two.read_bytes(), one.read_bytes()]
    assert len(list((tmp_path / "mine" / "originals").iterdir())) == 2


def test_a_file_that_is_not_the_packs_is_not_overwritten(tmp_path: Path) -> None:
    """A file where a clip would be written, and that no manifest names, stays."""
    target = recording(tmp_path / "mine" / "phrase", "a.wav").rename(tmp_path / "mine" / "phrase" / "a.flac")
    before = target.read_bytes()
    built = build_pack(tmp_path / "mine", HEAD, [source(recording(tmp_path, "a.wav"))])
    assert "a.flac is there and not in the pack's manifest; move it elsewhere" in built.failures[0].reason
    assert target.read_bytes() == before


def test_nothing_is_written_through_links(tmp_path: Path) -> None:
    """A link in the pack's folder that leads out is refused, and nothing appears at its other end."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "mine").mkdir()
    try:
        (tmp_path / "mine" / "phrase").symlink_to(elsewhere)
    except OSError:
        pytest.skip("no symbolic links here")
    built = build_pack(tmp_path / "mine", HEAD, [source(recording(tmp_path, "a.wav"))])
    assert "leads out of the pack's folder" in built.failures[0].reason
    assert not list(elsewhere.iterdir())


def test_a_pack_that_cannot_be_written_is_left_whole(tmp_path: Path) -> None:
    """When writing fails half-way the pack is what it was, without drafts beside it."""
    folder = tmp_path / "mine"
    build_pack(folder, HEAD, [source(recording(tmp_path, "a.wav"))])
    before = contents(folder)
    long = recording(tmp_path, "long.wav", speech(1, seconds=12.0))
    sources = [source(tmp_path / "a.wav", "b"), source(tmp_path / "a.wav", "c"), source(long)]
    build_pack(tmp_path / "other", HEAD, [source(long)])
    shutil.copy(long, folder / "originals")
    before["originals/long.wav"] = long.read_bytes()
    with largest_file((tmp_path / "other/phrase/long.flac").stat().st_size // 2):
        with pytest.raises(PackError, match=r"mine cannot be written to \(File too large\); free space there"):
            build_pack(folder, PackHead(), sources)
        with pytest.raises(PackError, match=r"mine cannot be written to"):
            build_pack(folder, PackHead(), sources[::-1])
    assert contents(folder) == before


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to make a file larger than *size* bytes, as it would on a full disk."""
    resource = pytest.importorskip("resource", reason="limits of a process are POSIX's")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_drafts_of_runs_that_were_killed_are_removed(tmp_path: Path) -> None:
    """Those of a run that goes on, and files of other names, stay."""
    folder = tmp_path / "mine"
    build_pack(folder, HEAD, [source(recording(tmp_path, "a.wav"))])
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in ("phrase/.a.flac", ".pack.toml", "originals/.b.wav"):
        (folder / f"{name}.{ended.pid}.part").write_bytes(b"half")
    kept = [folder / f"phrase/.b.flac.{os.getppid()}.part", folder / "phrase/take.1.part"]
    for file in kept:
        file.write_bytes(b"whole")
    prepare_pack(folder)
    assert sorted(folder.rglob("*.part")) == sorted(kept)


@pytest.mark.skipif(sys.platform == "win32", reason="locks are POSIX's")
def test_one_run_at_a_time(run: Callable[..., Any], tmp_path: Path) -> None:
    """Another one is refused before it does anything; afterwards, and in other folders, it is not."""
    recording(tmp_path / "phrase", "wait.wav")
    (tmp_path / "agent.toml").write_text(
        'name = "mine"\nlanguage = "en"\nlines = [{ kind = "phrase", text = "Wait" }]\n', encoding="utf-8"
    )
    told = ("pack", "import", "phrase", "--language", "en", "--out")
    assert run(*told, "mine").code == 0
    before = contents(tmp_path / "mine")
    commands = [("pack", "record", "agent.toml", "--tts", "touch {out}"), ("pack", "prepare", "mine"), (*told, "mine")]
    with only_run(tmp_path / "mine"):
        for command in commands:
            ended = run(*command)
            assert (ended.code, ended.out) == (2, "")
            assert ended.err == "stopgap: mine is being made by another run of stopgap; wait until that has ended\n"
        assert run(*told, "other").code == 0
    assert contents(tmp_path / "mine") == before
    assert run("pack", "prepare", "mine").code == 0

"""`stopgap pack import`: recordings of any format become clips; what cannot be used is told, and the rest goes on."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import Ended, Run
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from stopgap.fillers import Clip, ClipBank, Kind, PackError, load_pack, read_manifest
from stopgap.fillers.making import prepare_pack
from stopgap.fillers.making._alignment import clock, probable_mistake
from stopgap.fillers.making._naming import named_take
from stopgap.fillers.reading import kept_conversions, opened_recording, read_recording

RATE = 32_000
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
Audio = NDArray[np.float64]


def voice(frames: int = RATE // 2, rate: int = RATE) -> Audio:
    """Return something like a vowel, with silence around it."""
    at = np.arange(frames) / rate
    sound = sum(np.sin(2.0 * np.pi * 140.0 * n * at) / n for n in range(1, 9)) * np.hanning(frames)
    return np.concatenate([np.zeros(rate // 5), 0.2 * np.asarray(sound), np.zeros(rate // 5)])


def write(path: Path, audio: Audio | None = None, rate: int = RATE, **how: Any) -> Path:
    """Write *path* (a voice, unless given), and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, voice(rate=rate) if audio is None else audio, rate, **how)
    return path


def ffmpeg(source: Path, target: Path, *how: str) -> Path:
    """Convert *source*."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(source), *how, str(target)], check=True, stdin=subprocess.DEVNULL
    )
    return target


def imported(run: Run, *arguments: object) -> dict[str, Any]:
    """Import into ``pack`` and return what is told."""
    ended = run("pack", "import", *arguments, "--out", "pack", "--language", "en-US", "--json")
    found: dict[str, Any] = json.loads(ended.out)
    assert ended.code == (1 if found["refused"] else 0), ended.err
    return found


def reasons(found: dict[str, Any]) -> list[str]:
    """Return why files were refused; each reason is one line."""
    told = [refusal["reason"] for refusal in found["refused"]]
    assert all("\n" not in reason for reason in told)
    return told


# Formats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.wav", {"subtype": "PCM_U8"}),
        ("a.wav", {"subtype": "PCM_16"}),
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "PCM_32"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.wav", {"subtype": "DOUBLE"}),
        ("a.wav", {"subtype": "ULAW"}),
        ("a.wav", {"subtype": "ALAW"}),
        ("a.wav", {"format": "WAVEX", "subtype": "PCM_24"}),
        ("a.flac", {"subtype": "PCM_24"}),
        ("a.ogg", {}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
        ("a.mp3", {}),
        ("a.aiff", {}),
        ("a.au", {}),
        ("a.caf", {}),
    ],
)
@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_formats_of_libsndfile(tmp_path: Path, name: str, how: dict[str, Any], rate: int) -> None:
    """What libsndfile reads comes out as it went in, and its cut-off copy does not come out at all."""
    path = write(tmp_path / name, rate=rate, **how)
    recording = read_recording(path)
    wanted = voice(rate=rate)
    assert (recording.rate, len(recording.samples)) == (rate, len(wanted))
    assert np.std(recording.samples) == pytest.approx(np.std(wanted), rel=0.2)
    assert recording.steps == ()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(PackError, match=r"is truncated|not audio"):
        read_recording(path)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.m4a", ()),
        ("alac.m4a", ("-c:a", "alac")),
        ("fast.m4a", ("-movflags", "+faststart")),
        ("a.aac", ()),
        ("a.wma", ()),
        ("a.webm", ("-c:a", "libopus")),
        ("a.mka", ("-c:a", "aac")),
        ("a.3gp", ("-c:a", "aac")),
        ("a.ac3", ()),
        ("a.wv", ()),
        ("a.tta", ()),
        ("speex.ogg", ("-c:a", "libspeex", "-ar", "16000")),
        ("wma.wav", ("-c:a", "wmav2")),
        ("mp3.wav", ("-c:a", "libmp3lame")),
    ],
)
def test_formats_of_ffmpeg(tmp_path: Path, name: str, how: tuple[str, ...]) -> None:
    """What ffmpeg reads comes out, but for what its codec adds; its cut-off copy does not."""
    path = ffmpeg(write(tmp_path / "source.wav"), tmp_path / name, *how)
    recording = read_recording(path)
    assert len(recording.samples) / recording.rate == pytest.approx(len(voice()) / RATE, abs=0.1)
    assert np.std(recording.samples) == pytest.approx(np.std(voice()), rel=0.2)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(PackError, match="is truncated"):
        read_recording(path)


@needs_ffmpeg
def test_amr(tmp_path: Path) -> None:
    """AMR, as telephones record it, is decoded: this one holds a second of empty frames."""
    (tmp_path / "a.amr").write_bytes(b"#!AMR\n" + (b"\x3c" + bytes(31)) * 50)
    with opened_recording(tmp_path / "a.amr") as file:
        assert (file.rate, file.frames) == (8_000, 8_000)


@needs_ffmpeg
@pytest.mark.parametrize("form", ["wav", "flac"])
def test_length_unknown_to_the_header(tmp_path: Path, form: str) -> None:
    """A file that was written to a pipe does not tell its length."""
    command = ["ffmpeg", "-v", "error", "-i", str(write(tmp_path / "a.wav")), "-f", form, "-"]
    (tmp_path / f"piped.{form}").write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    assert len(read_recording(tmp_path / f"piped.{form}").samples) == len(voice())


@needs_ffmpeg
def test_pieces_of_one_conversion(tmp_path: Path) -> None:
    """While conversions are kept, a recording is converted once, and anew when it has changed."""
    path = ffmpeg(write(tmp_path / "a.wav"), tmp_path / "a.m4a")
    with kept_conversions():
        whole = read_recording(path)
        piece = read_recording(path, 6400, 9600)
        np.testing.assert_array_equal(piece.samples, whole.samples[6400:9600])
        path.unlink()
        ffmpeg(write(tmp_path / "b.wav", voice(RATE)), path)
        assert len(read_recording(path).samples) > len(whole.samples)


def test_without_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ffmpeg is missing, one sentence says so."""
    (tmp_path / "a.m4a").write_bytes(b"\x00\x00\x00\x1cftypM4A " + bytes(100))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackError, match=r"a\.m4a is not audio that libsndfile reads, and ffmpeg is not installed"):
        read_recording(tmp_path / "a.m4a")


# Headerless files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "subtype", "options"),
    [
        ("um.raw", "PCM_16", ()),
        ("um.pcm", "PCM_24", ("--raw-format", "s24le")),
        ("um.f32", "FLOAT", ()),
        ("um.u8", "PCM_U8", ()),
        ("um.ulaw", "ULAW", ()),
        ("um.al", "ALAW", ()),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_headerless(run: Run, name: str, subtype: str, options: tuple[str, ...], channels: int) -> None:
    """Headerless audio is kept with a header, its bytes as they are."""
    audio = np.repeat(voice(rate=16_000)[:, None], channels, axis=1)
    path = write(Path("hesitation", name), audio, 16_000, format="RAW", subtype=subtype, endian="LITTLE")
    found = imported(run, "hesitation", "--raw-rate", 16_000, "--raw-channels", channels, *options)
    assert [clip["id"] for clip in found["clips"]] == ["um"]
    kept = Path("pack", "originals", "um.wav")
    with soundfile.SoundFile(kept) as file:
        assert (file.samplerate, file.channels, file.subtype, file.frames) == (16_000, channels, subtype, len(audio))
    assert path.read_bytes() in kept.read_bytes()


def test_headerless_refused(run: Run) -> None:
    """Without a rate, with half a frame, or with a header after all, a headerless file is refused."""
    for name, content in (("half.raw", bytes(5)), ("wav.raw", b"RIFFxxxxWAVE"), ("no.ulaw", b"")):
        Path(name).write_bytes(content)
    found = imported(run, "half.raw", "--kind", "tone")
    assert reasons(found) == ["half.raw is headerless audio; give --raw-rate HZ (and --raw-format, --raw-channels)"]
    told = reasons(imported(run, "half.raw", "wav.raw", "no.ulaw", "--kind", "tone", "--raw-rate", 8000))
    assert told[0].startswith("half.raw has 5 bytes, which are no whole number of s16le frames")
    assert told[1].startswith("wav.raw has a header")
    assert told[2] == "no.ulaw is empty; record it again"


# Channels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "reason"),
    [
        (lambda v, n: [v, n], "the mean of 2 channels is used"),
        (lambda v, n: [v, v], "channel 1 is used, since both are the same"),
        (lambda v, n: [v, 0 * v], "channel 1 is used, since the other one is silent"),
        (lambda v, n: [1e-4 * n, v], "channel 2 is used, since the other one is silent"),
        (lambda v, n: [v, -v], "channel 1 is used, since the channels cancel each other out (one is inverted)"),
        (lambda v, n: [0.9 * v, -0.8 * v], "channel 1 is used, since the channels cancel each other out"),
        (lambda v, n: [v, 0.3 + 0 * v], "channel 1 is used, since the other one is silent"),
        (
            lambda v, n: [0 * v, v, 0 * v, n, 0 * v, 0 * v],
            "the mean of 2 channels is used, since the others are silent",
        ),
        (lambda v, n: [v, v, v, v, v, v], "the mean of 6 channels is used"),
    ],
)
def test_channels(tmp_path: Path, channels: Callable[[Audio, Audio], list[Audio]], reason: str) -> None:
    """Several channels become one without losing the voice, and the manifest says how."""
    noise = np.random.default_rng(0).normal(0.0, 0.1, len(voice()))
    audio = np.stack(channels(voice(), noise), axis=1)
    recording = read_recording(write(tmp_path / "a.wav", audio, subtype="FLOAT"))
    (step,) = recording.steps
    assert str(step.facts["because"]).startswith(reason)
    assert step.facts["channels"] == audio.shape[1]
    centred = recording.samples - recording.samples.mean()
    assert np.std(centred) > 0.4 * np.std(voice())


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 96_000, 192_000])
def test_rates(run: Run, rate: int) -> None:
    """Any rate from 8 to 192 kHz becomes a clip that loads."""
    write(Path("phrase", "wait-a-moment.wav"), rate=rate, subtype="PCM_24")
    assert not imported(run, "phrase")["refused"]
    _, (clip,) = load_pack(Path("pack"))
    assert clip.rate <= 48_000


# What is refused -----------------------------------------------------------------------------------------------


def test_bad_files(run: Run) -> None:
    """Each bad file is refused in one sentence that names it, and the good one among them is imported."""
    folder = Path("hesitation")
    write(folder / "good.wav")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("Um, well.", encoding="utf-8")
    (folder / "html.mp3").write_text("<html>quota exceeded</html>", encoding="utf-8")
    write(folder / "short.wav", voice()[6400 : 6400 + RATE // 100])
    write(folder / "silent.wav", np.zeros(RATE))
    write(folder / "constant.wav", np.full(RATE, 0.4))
    write(folder / "nan.wav", np.where(np.arange(RATE) == 20_000, np.nan, 0.1), subtype="FLOAT")
    write(folder / "long.flac", np.tile(voice(), 70))
    write(folder / "slow.wav", rate=4_000)
    write(folder / "fast.wav", rate=384_000)
    write(folder / "headonly.wav", np.zeros(0))
    cut = write(folder / "cut.wav")
    cut.write_bytes(cut.read_bytes()[:-1000])
    found = imported(run, folder)
    assert [clip["id"] for clip in found["clips"]] == ["good"]
    told = {Path(refusal["file"]).name: refusal["reason"] for refusal in found["refused"]}
    assert reasons(found)
    assert told["long.flac"].endswith("; a clip has at most 60 s; --cut cuts a recording of many clips")
    assert {name: reason.partition(f"hesitation/{name} ")[2].partition(";")[0] for name, reason in told.items()} == {
        "empty.wav": "is empty",
        "text.wav": "is not audio",
        "html.mp3": "is not audio",
        "short.wav": "lasts 0.010 s, less than any clip (0.05 s)",
        "silent.wav": "is silent",
        "constant.wav": "is silent",
        "nan.wav": "holds NaN or infinite samples",
        "long.flac": f"lasts {len(voice()) * 70 / RATE:.0f} s",
        "slow.wav": "has 4000 Hz",
        "fast.wav": "has 384000 Hz",
        "headonly.wav": "holds no audio",
        "cut.wav": "is truncated: 1000 bytes are missing",
    }
    assert read_manifest(Path("pack")).clips[0].id == "good"


def test_nothing_is_written_if_all_is_refused(run: Run) -> None:
    """Where no file can be used there is no pack, not even a folder."""
    write(Path("hesitation", "um.wav"), np.zeros(RATE))
    imported(run, "hesitation")
    assert not Path("pack").exists()


def test_clipped_recording(run: Run) -> None:
    """The import and the check of the pack tell, though the clip that was made of it is far below full scale."""
    write(Path("phrase", "let-me-see.wav"), np.clip(8.0 * voice(), -1.0, 1.0))
    (note,) = imported(run, "phrase")["notes"]
    assert note.startswith("let-me-see is clipped (")
    assert "let-me-see: is clipped (" in run("pack", "check", "pack").out


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text there")
def test_name_that_is_no_text(run: Run) -> None:
    """It could neither be printed nor kept; the rest is imported."""
    shutil.copy(write(Path("phrase", "let-me-see.wav")), Path("phrase", os.fsdecode(b"caf\xe9.wav")))
    found = imported(run, "phrase")
    assert reasons(found) == ["phrase/caf\ufffd.wav has a name that is not UTF-8; rename it"]
    assert len(found["clips"]) == 1


def test_large_file(tmp_path: Path) -> None:
    """A file of more than 1 GiB is refused by its size (it is sparse here), one of half an hour by its length."""
    with (tmp_path / "huge.wav").open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(PackError, match="is larger than 1 GiB"):
        read_recording(tmp_path / "huge.wav")
    write(tmp_path / "hours.wav", np.zeros(1801 * 8000), 8000, subtype="PCM_U8")
    with pytest.raises(PackError, match="lasts more than 30 minutes"):
        read_recording(tmp_path / "hours.wav")


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("list.m4a", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n"),
        ("list.mp3", b"ffconcat version 1.0\nfile '{secret}'\n"),
        ("tagged.aac", b"ID3\x04\x00\x00\x00\x00\x00\x00#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{secret}\n"),
        ("frame.aac", b"\xff\xf1#EXTM3U\n#EXTINF:1,\n{secret}\n<MPD profiles='dash:profile:isoff-on-demand:2011'>\n"),
        ("script.webm", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n"),
    ],
)
def test_files_that_name_others(run: Run, name: str, head: bytes) -> None:
    """A playlist or a script under an audio file's name opens nothing."""
    secret = write(Path("secret.wav")).resolve()
    Path("hesitation").mkdir()
    Path("hesitation", name).write_bytes(head.replace(b"{secret}", str(secret).encode()))
    (reason,) = reasons(imported(run, "hesitation"))
    assert "not audio" in reason or "damaged" in reason
    assert not Path("pack").exists()


def test_links_and_other_files(run: Run, tmp_path: Path) -> None:
    """Links that lead out of the folder are refused; hidden and other files are passed over and counted."""
    write(Path("elsewhere", "private.wav"))
    write(Path("in", "hesitation", "um.wav"))
    Path("in", "hesitation", "um.txt").write_text("Um", encoding="utf-8")
    for name in ("README.md", ".DS_Store", "pack.toml", ".hidden.wav"):
        Path("in", name).write_text("x", encoding="utf-8")
    try:
        Path("in", "hesitation", "uh.wav").symlink_to(tmp_path / "elsewhere" / "private.wav")
        Path("in", "phrase").symlink_to(tmp_path / "elsewhere")
        Path("in", "hesitation", "um-2.wav").symlink_to("um.wav")
    except OSError:
        pytest.skip("no symbolic links here")
    found = imported(run, "in")
    assert [clip["id"] for clip in found["clips"]] == ["um"]
    assert [(skip["file"], skip["clip"]) for skip in found["skipped"]] == [("in/hesitation/um-2.wav", "um")]
    assert sorted(refusal["file"] for refusal in found["refused"]) == ["in/hesitation/uh.wav", "in/phrase"]
    assert all("is a link that leads out of in" in reason for reason in reasons(found))
    assert found["passed_over"] == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipe_in_the_folder(run: Run) -> None:
    """A pipe, which nobody may ever write to, is refused and not waited for."""
    write(Path("hesitation", "um.wav"))
    os.mkfifo(Path("hesitation", "uh.wav"))
    assert reasons(imported(run, "hesitation")) == ["hesitation/uh.wav is not a regular file; give a recording"]


# What a file is ------------------------------------------------------------------------------------------------


def facts(found: dict[str, Any]) -> dict[str, tuple[str, str | None, bool]]:
    return {clip["id"]: (clip["kind"], clip["text"], clip["claims_work"]) for clip in found["clips"]}


def test_kind_text_and_claims(run: Run) -> None:
    """The folder says the kind, the text file, the spec or the name the words; whether they claim work is looked up."""
    for place, name in enumerate(["hesitation/um.wav", "phrase/let-me-check.wav", "phrase/x1.wav", "tone/ding.wav"]):
        write(Path("in", name), voice(RATE // 2 + place))
    write(Path("in", "misc", "still looking.wav"), voice(RATE))
    Path("in", "phrase", "x1.txt").write_bytes(b"\xef\xbb\xbfOne moment,\r\nplease.\r\n")
    found = imported(run, "in", "--kind", "progress", "--voice", "me", "--licence", "mine")
    assert facts(found) == {
        "um": ("hesitation", "um", False),
        "let-me-check": ("phrase", "let me check", True),
        "one-moment-please": ("phrase", "One moment, please.", False),
        "ding": ("tone", None, False),
        "still-looking": ("progress", "still looking", True),
    }
    assert {clip["id"]: clip["text_from"] for clip in found["clips"]}["one-moment-please"] == "sidecar"
    manifest, clips = load_pack(Path("pack"))
    assert (manifest.name, manifest.language, manifest.voice, manifest.licence) == ("pack", "en-US", "me", "mine")
    assert {clip.language for clip in clips if clip.kind is Kind.TONE} == {"zxx"}


SPEC = """
name = "mine"
language = "en-GB"
voice = "Ann"
licence = "own"
takes = 2
[[lines]]
kind = "hesitation"
text = "Um..."
[[lines]]
kind = "phrase"
text = "Bear with me"
id = "bear"
claims_work = true
weight = 2
[[lines]]
kind = "progress"
text = "Nearly there"
order = 2
"""


def test_spec_by_name(run: Run) -> None:
    """Files are found in the spec by id or text, with and without a take's number."""
    Path("spec.toml").write_text(SPEC, encoding="utf-8")
    for place, name in enumerate(["hesitation/um.wav", "hesitation/Um_2.wav", "x/bear (2).wav", "x/nearly-there.wav"]):
        write(Path("in", name), voice(RATE // 2 + place))
    write(Path("in", "phrase", "um.wav"), voice(RATE))
    ended = run("pack", "import", "in", "--out", "pack", "--spec", "spec.toml")
    assert ended.code == 1
    assert "um.wav is in a folder of kind phrase, and the spec has 'Um...' as hesitation" in ended.err
    manifest = read_manifest(Path("pack"))
    assert (manifest.name, manifest.language, manifest.voice, manifest.licence) == ("mine", "en-GB", "Ann", "own")
    found = {clip.id: (clip.text, clip.claims_work, clip.weight, clip.order) for clip in manifest.clips}
    assert found == {
        "um": ("Um...", False, 1.0, None),
        "um-2": ("Um...", False, 1.0, None),
        "bear-2": ("Bear with me", True, 2.0, None),
        "nearly-there": ("Nearly there", False, 1.0, 2),
    }


def test_texts_that_are_no_ascii(run: Run) -> None:
    """Names in other scripts keep their words, and each has an id of its own."""
    write(Path("hesitation", "嗯.wav"))
    write(Path("hesitation", "ну.wav"), voice(RATE))
    found = imported(run, "hesitation")
    assert {clip["text"] for clip in found["clips"]} == {"嗯", "ну"}
    assert len({clip["id"] for clip in found["clips"]}) == 2


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("um.wav", (), "is of no known kind; put it in a folder such as hesitation/, or give --kind"),
        ("New Recording 3.wav", ("--kind", "phrase"), "has a name that says no words; write what is said into"),
        ("007.wav", ("--kind", "phrase"), "has a name that says no words"),
    ],
)
def test_unknown(run: Run, name: str, options: tuple[str, ...], reason: str) -> None:
    """A file of which nobody can tell what it is is refused."""
    write(Path(name))
    (told,) = reasons(imported(run, name, *options))
    assert told.startswith(f"{name} {reason}")


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00", b"x" * 10_001])
def test_bad_sidecar(run: Run, content: bytes) -> None:
    """A text file that tells nothing is an error, not a reason to guess."""
    write(Path("hesitation", "um.wav"))
    Path("hesitation", "um.txt").write_bytes(content)
    (told,) = reasons(imported(run, "hesitation"))
    assert told.startswith("hesitation/um.txt is ")


words = st.text("abcdefghijklmnopqrstuvwxyzäéñ嗯'", min_size=1, max_size=8)


forms = st.sampled_from(["-{}", "_{}", " ({})", "({})", " take {}", ".{}", " - {}"])


@given(st.lists(words, min_size=1, max_size=4), st.integers(1, 999), forms)
def test_takes_in_names(said: list[str], take: int, form: str) -> None:
    """A number at a name's end is a take's, however it is written."""
    if said[-1].endswith("take") or not any(letter.isalpha() for letter in said[-1]):
        return
    for stem in ("-".join(said), "_".join(said), " ".join(said)):
        named = named_take(stem + form.format(take))
        assert (named.stem, named.take) == (stem, take)
        assert named_take(stem).take == 1


@given(st.text(max_size=60))
def test_any_name(stem: str) -> None:
    """Whatever a file is called, its name is taken apart; words have letters and single spaces."""
    named = named_take(stem)
    assert named.take >= 1
    if named.text is not None:
        assert any(letter.isalpha() for letter in named.text)
        assert named.text == " ".join(named.text.split())


# Packs that grow -----------------------------------------------------------------------------------------------


def test_again_and_more(run: Run) -> None:
    """The same recordings are not imported twice; other ones get the next number, and what was there stays."""
    write(Path("hesitation", "um.wav"))
    assert [clip["id"] for clip in imported(run, "hesitation")["clips"]] == ["um"]
    Path("pack", "pack.toml").write_text(
        "# my notes\n" + Path("pack", "pack.toml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    before = Path("pack", "hesitation", "um.flac").read_bytes()
    write(Path("hesitation", "copy of it.wav"))
    again = imported(run, "hesitation")
    assert not again["clips"]
    assert {skip["clip"] for skip in again["skipped"]} == {"um"}
    write(Path("more", "hesitation", "um.wav"), voice(RATE))
    more = imported(run, "more", "--voice", "somebody else")
    assert [(clip["id"], clip["remarks"]) for clip in more["clips"]] == [("um-2", ["um is taken"])]
    manifest = read_manifest(Path("pack"))
    assert [(clip.id, clip.voice, clip.language) for clip in manifest.clips] == [
        ("um", None, None),
        ("um-2", "somebody else", None),
    ]
    assert Path("pack", "hesitation", "um.flac").read_bytes() == before
    assert "# my notes" in Path("pack", "pack.toml").read_text(encoding="utf-8")


def test_pack_inside_the_folder(run: Run) -> None:
    """A pack that lies in the folder it is made of is not imported into itself."""
    write(Path("hesitation", "um.wav"))
    imported(run, ".")
    again = imported(run, ".")
    assert [skip["file"] for skip in again["skipped"]] == ["hesitation/um.wav"]


def test_dry_run(run: Run) -> None:
    """A dry run tells all and writes nothing."""
    write(Path("hesitation", "um.wav"))
    write(Path("hesitation", "uh.wav"), np.zeros(RATE))
    ended = run("pack", "import", "hesitation", "--out", "pack", "--language", "tlh", "--dry-run")
    assert ended.code == 1
    assert "1 clip would be added to pack" in ended.out
    assert "whether texts promise work (1 text) is not known in this language" in ended.out
    assert "refused: hesitation/uh.wav is silent" in ended.err
    assert not Path("pack").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "--out", "pack"), "nowhere does not exist; give recordings, or a folder of them"),
        (("texts", "--out", "pack"), "there is no recording here (1 other files)"),
        (("hesitation", "--out", "pack"), "nothing tells the language of the recordings; give --language"),
        (("hesitation", "--out", "um"), "um is a file; give --out a folder for the pack"),
        (("hesitation", "--out", "hesitation", "--language", "en"), "hesitation is the pack itself"),
        (("hesitation", "--out", "pack", "--language", "en us"), "names 2 languages"),
        (("hesitation", "--out", "pack", "--kind", "umm"), "kind = 'umm' is not possible"),
        (("hesitation", "--out", "pack", "--cut", "--silence-ms", "1"), "silence_ms = 1.0 is not possible"),
        (("hesitation", "--out", "pack", "--raw-rate", "1"), "raw.rate = 1 is not possible"),
        (("hesitation", "--out", "pack", "--text", "Um"), "--text is what the pieces of --cut say"),
        (("hesitation", "--out", "pack", "--spec", "texts"), "texts holds no texts"),
        (("hesitation", "--out", "pack", "--spec", "none.toml"), "none.toml does not exist"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...], message: str) -> None:
    """What cannot be done at all ends with exit code 2 and one sentence."""
    write(Path("hesitation", "um.wav"))
    Path("texts").mkdir()
    Path("texts", "notes.md").write_text("x", encoding="utf-8")
    Path("um").write_text("x", encoding="utf-8")
    ended = run("pack", "import", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.strip().splitlines()) == 1


# Long recordings -----------------------------------------------------------------------------------------------


def lines_of(bank: ClipBank) -> list[Clip]:
    """Return some of the bundled clips, of several lengths."""
    wanted = ("um", "hmm", "check-that", "one-moment", "still-looking")
    spoken = [clip for clip in bank.originals if clip.kind.spoken]
    return [next(clip for clip in spoken if clip.id == name) for name in wanted]


def reading(clips: list[Clip], pause_s: float = 0.8) -> Audio:
    """Return *clips* one after the other, with pauses, on the floor of noise that a room has."""
    rate = clips[0].rate
    parts = [np.zeros(round(0.6 * rate))]
    for clip in clips:
        parts += [clip.samples.astype(np.float64), np.zeros(round(pause_s * rate))]
    whole = np.concatenate(parts)
    return whole + np.random.default_rng(1).normal(0.0, 10.0 ** (-62.0 / 20.0), len(whole))


def script_of(clips: list[Clip], takes: int) -> str:
    """Return the spec of which *clips* are the reading."""
    head = f'name = "mine"\nlanguage = "en-US"\ntakes = {takes}\n'
    return head + "".join(f'[[lines]]\nkind = "{clip.kind}"\ntext = "{clip.text}"\n' for clip in clips)


def read_aloud(run: Run, bank: ClipBank, clips: list[Clip], *options: object, takes: int = 1, **how: Any) -> Ended:
    """Import a reading of *clips* by a script of `lines_of` the bank."""
    Path("spec.toml").write_text(script_of(lines_of(bank), takes), encoding="utf-8")
    write(Path("reading.flac"), reading(clips), clips[0].rate, **how)
    return run("pack", "import", "reading.flac", "--cut", "--spec", "spec.toml", "--out", "pack", *options)


def test_reading(run: Run, bank: ClipBank) -> None:
    """A reading is cut at its silences; each piece is its line, and the long file is kept once."""
    lines = lines_of(bank)
    clips = [clip for clip in lines for _ in (1, 2)]
    ended = read_aloud(run, bank, clips, takes=2)
    assert ended.code == 0, ended.err
    manifest, made = load_pack(Path("pack"))
    assert [clip.text for clip in made] == [clip.text for clip in clips]
    assert len({clip.id for clip in made}) == len(clips)
    assert {entry.original for entry in manifest.clips} == {"originals/reading.flac"}
    assert [path.name for path in Path("pack", "originals").iterdir()] == ["reading.flac"]
    assert [entry.steps[0].step for entry in manifest.clips] == ["cut"] * len(clips)
    for before, after in zip(clips, made, strict=True):
        assert after.duration_s == pytest.approx(before.duration_s, abs=0.12)
    again = json.loads(read_aloud(run, bank, clips, "--json", takes=2).out)
    assert (again["clips"], len(again["skipped"])) == ([], len(clips))


def test_reading_is_prepared_again(run: Run, bank: ClipBank) -> None:
    """The manifest tells where each piece was cut: prepared again, the clips are the same."""
    read_aloud(run, bank, lines_of(bank))
    before, clips = load_pack(Path("pack"))
    assert not prepare_pack(Path("pack")).failures
    after, again = load_pack(Path("pack"))
    assert [(entry.id, entry.steps[0]) for entry in after.clips] == [
        (entry.id, entry.steps[0]) for entry in before.clips
    ]
    assert [clip.frames for clip in again] == [clip.frames for clip in clips]


@needs_ffmpeg
def test_reading_in_m4a(run: Run, bank: ClipBank) -> None:
    """A telephone's recording is cut as well."""
    Path("spec.toml").write_text(script_of(lines_of(bank), 1), encoding="utf-8")
    ffmpeg(write(Path("x.wav"), reading(lines_of(bank)), lines_of(bank)[0].rate), Path("reading.m4a"))
    ended = run("pack", "import", "reading.m4a", "--cut", "--spec", "spec.toml", "--out", "pack")
    assert ended.code == 0, ended.err
    assert len(load_pack(Path("pack"))[1]) == len(lines_of(bank))


def test_reading_by_a_folder_of_texts(run: Run, bank: ClipBank) -> None:
    """The script may be text files in folders of kinds, read in the order of their names."""
    lines = sorted(lines_of(bank), key=lambda clip: (clip.kind, clip.id))
    for clip in lines:
        Path("texts", clip.kind).mkdir(parents=True, exist_ok=True)
        Path("texts", clip.kind, f"{clip.id}.txt").write_text(f"{clip.text}\n", encoding="utf-8")
    write(Path("reading.wav"), reading(lines), lines[0].rate)
    found = imported(run, "reading.wav", "--cut", "--spec", "texts")
    assert [(clip["kind"], clip["text"]) for clip in found["clips"]] == [(clip.kind, clip.text) for clip in lines]


def test_one_piece_too_many(run: Run, bank: ClipBank) -> None:
    """Numbers that differ: both are told, the pieces are shown, and where it probably went wrong; nothing is made."""
    lines = lines_of(bank)
    ended = read_aloud(run, bank, [*lines[:3], lines[0], *lines[3:]])
    assert ended.code == 1
    assert "reading.flac: 6 pieces found, but 5 readings in the script; piece 4 (at 0:0" in ended.err
    assert "is probably no line of the script" in ended.err
    assert sum(line.startswith(" reading.flac") for line in ended.out.splitlines()) == 6
    assert not Path("pack").exists()


def test_one_piece_too_few(run: Run, bank: ClipBank) -> None:
    """A line that was not read is named."""
    lines = lines_of(bank)
    ended = read_aloud(run, bank, [*lines[:2], *lines[3:]])
    assert f"reading 3, {lines[2].text!r}, is probably missing before piece 3" in ended.err


def test_many_pieces_too_few(run: Run, bank: ClipBank) -> None:
    """Where nothing can be guessed, what to do is told."""
    ended = read_aloud(run, bank, lines_of(bank)[:2])
    assert (
        "2 pieces found, but 5 readings in the script; compare the pieces with the script, and give another"
        in ended.err
    )


def test_likely_mistakes() -> None:
    """A pause within a line, or none between two, is told from a line too many, or missing."""
    lines = ["Um", "One moment, please", "Let me check that for you", "Still looking, thank you for waiting"]
    lasting = [0.6, 1.4, 1.7, 2.4]
    ends = np.cumsum(np.array(lasting) + 1.0) - 1.0
    times = [(end - length, end) for end, length in zip(ends.tolist(), lasting, strict=True)]
    split = [*times[:2], (times[2][0], times[2][0] + 0.7), (times[2][1] - 0.7, times[2][1]), times[3]]
    assert "pieces 3 and 4 (from 0:04.0) are probably one line" in str(probable_mistake(split, lines))
    joined = [times[0], (times[1][0], times[1][0] + 3.1), times[3]]
    assert "piece 2 (at 0:01.6) is probably both 'One moment, please' and 'Let" in str(probable_mistake(joined, lines))
    assert "reading 4, 'Still looking" in str(probable_mistake(times[:3], lines))
    assert probable_mistake(times, lines) is None
    assert (clock(0.04), clock(59.96), clock(754.3)) == ("0:00.0", "1:00.0", "12:34.3")


def test_cut_without_a_script(run: Run, bank: ClipBank) -> None:
    """Pieces that all say the same are takes of a text that has to be told; beds need none."""
    takes = lines_of(bank)[:2]
    write(Path("session.wav"), reading(takes), takes[0].rate)
    (told,) = reasons(imported(run, "session.wav", "--cut", "--kind", "hesitation"))
    assert "nothing tells what they say; give --spec with the lines, or --text if all say the same" in told
    found = imported(run, "session.wav", "--cut", "--kind", "hesitation", "--text", "Um")
    assert facts(found) == {"um": ("hesitation", "Um", False), "um-2": ("hesitation", "Um", False)}
    (told,) = reasons(imported(run, "session.wav", "--cut"))
    assert "is of no known kind" in told
    shutil.rmtree("pack")
    assert list(facts(imported(run, "session.wav", "--cut", "--kind", "tone"))) == ["tone", "tone-2"]


def test_reading_at_192_khz_in_stereo(run: Run, bank: ClipBank) -> None:
    """What an audio interface records: many channels and samples, one of the channels inverted."""
    lines = lines_of(bank)
    Path("spec.toml").write_text(script_of(lines, 1), encoding="utf-8")
    one = np.repeat(reading(lines), 192_000 // lines[0].rate)
    write(Path("reading.wav"), np.stack([one, -one], axis=1), 192_000, subtype="PCM_24")
    ended = run("pack", "import", "reading.wav", "--cut", "--spec", "spec.toml", "--out", "pack")
    assert ended.code == 0, ended.err
    manifest = read_manifest(Path("pack"))
    assert {entry.steps[1].facts["because"] for entry in manifest.clips} == {
        "channel 1 is used, since the channels cancel each other out (one is inverted)"
    }


def test_a_script_needs_all_its_recordings(run: Run, bank: ClipBank) -> None:
    """A reading in two files is matched as a whole; if one of them cannot be used, neither is guessed at."""
    lines = lines_of(bank)
    Path("spec.toml").write_text(script_of(lines, 1), encoding="utf-8")
    first, second = write(Path("1.wav"), reading(lines[:3]), lines[0].rate), Path("2.wav")
    second.write_bytes(b"")
    ended = run("pack", "import", first, second, "--cut", "--spec", "spec.toml", "--out", "pack")
    assert ended.code == 1
    assert "1.wav cannot be matched with the script without 2.wav" in ended.err
    write(second, reading(lines[3:]), lines[0].rate)
    ended = run("pack", "import", first, second, "--cut", "--spec", "spec.toml", "--out", "pack")
    assert ended.code == 0, ended.err
    assert [entry.original for entry in read_manifest(Path("pack")).clips].count("originals/2.wav") == 2

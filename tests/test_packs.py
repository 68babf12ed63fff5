"""Packs: what is refused on loading, and what the bundled one really holds."""

import gc
import shutil
import subprocess
import sys
import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from stopgap.fillers import (
    BED_KINDS,
    Clip,
    ClipBank,
    Kind,
    PackError,
    Samples,
    bundled_folder,
    bundled_packs,
    find_pack,
    load_pack,
    read_manifest,
    usable_clips,
)
from stopgap.fillers._decode import resampled, resampled_loop
from stopgap.fillers._progress import bar_when_long

RATE = 16_000
RATES = (8_000, 16_000, 24_000, 48_000)
HEAD = 'format = 1\nname = "mine"\nlanguage = "en-GB"\nvoice = "me"\nlicence = "mine"\n'
CLIP = '[[clips]]\nid = "um"\nfile = "um.wav"\nkind = "hesitation"\ntext = "Um"\n'


def tone(frames: int = RATE // 2, rate: int = RATE) -> NDArray[np.float64]:
    """Return a tone that fades in and out."""
    return 0.3 * np.sin(2.0 * np.pi * 300.0 * np.arange(frames) / rate) * np.hanning(frames)


def make_pack(
    folder: Path, clips: str = CLIP, audio: NDArray[np.float64] | None = None, subtype: str = "PCM_16"
) -> Path:
    """Write a pack with one file ``um.wav`` into *folder*."""
    folder.mkdir(exist_ok=True)
    (folder / "pack.toml").write_text(HEAD + clips, encoding="utf-8")
    soundfile.write(folder / "um.wav", tone() if audio is None else audio, RATE, subtype=subtype)
    return folder


def refusal(folder: Path) -> str:
    """Return the message with which the pack in *folder* is refused, by the bank and by `load_pack` alike."""
    with pytest.raises(PackError) as caught:
        ClipBank([folder])
    with pytest.raises(PackError) as again:
        load_pack(folder)
    assert str(again.value) == str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# One's own pack ------------------------------------------------------------------------------------------------


def test_pack_is_loaded(tmp_path: Path) -> None:
    """A clip takes its language, voice and licence from the pack; its end is its last cut mark."""
    manifest, (clip,) = load_pack(make_pack(tmp_path / "mine", CLIP + "cut_marks = [{ ms = 200, words = 0 }]\n"))
    assert manifest.name == "mine"
    assert (clip.id, clip.kind, clip.text, clip.rate) == ("um", Kind.HESITATION, "Um", RATE)
    assert (clip.language, clip.voice, clip.licence) == ("en-GB", "me", "mine")
    assert [(mark.frame, mark.words) for mark in clip.cut_marks] == [(3200, 0), (RATE // 2, 1)]
    assert clip.samples.dtype == np.float32
    np.testing.assert_allclose(clip.samples[100:-100], tone()[100:-100], atol=1e-4)


def test_missing_pack() -> None:
    """A pack that is nowhere: the bundled names are listed."""
    with pytest.raises(PackError, match=r"pack 'fr-fr' not found: neither bundled \(.*en-us.*\) nor a folder"):
        ClipBank(["fr-fr"])


def test_two_packs_with_one_id(tmp_path: Path) -> None:
    """Clips of different packs must not share an id, since records name clips by it."""
    one, two = make_pack(tmp_path / "one"), make_pack(tmp_path / "two")
    with pytest.raises(PackError, match="two packs have a clip 'um'"):
        ClipBank([one, two])


def test_a_bed_needs_no_text(tmp_path: Path) -> None:
    """Only spoken kinds need a text."""
    _, (clip,) = load_pack(make_pack(tmp_path, CLIP.replace("hesitation", "ambience").replace('text = "Um"\n', "")))
    assert clip.text is None
    assert clip.loops


# Audio files ---------------------------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    """A file that the manifest names and the folder lacks is named with its clip."""
    (make_pack(tmp_path) / "um.wav").unlink()
    assert refusal(tmp_path).endswith("clip 'um': file 'um.wav' is missing")


def test_windows_path(tmp_path: Path) -> None:
    """Backslashes part folders on Windows only."""
    clip = CLIP.replace('"um.wav"', "'sounds\\um.wav'")
    told = refusal(make_pack(tmp_path, clip))
    assert told.endswith("file 'sounds\\um.wav' is missing; write / between folders, as every system reads it")


def test_nul_in_a_path(tmp_path: Path) -> None:
    """No system has such a file."""
    told = refusal(make_pack(tmp_path, CLIP.replace('"um.wav"', '"um\\u0000.wav"')))
    assert told.endswith("is no name of a file; write its path")


def test_folder_as_file(tmp_path: Path) -> None:
    """A folder is no file."""
    (make_pack(tmp_path) / "um.wav").unlink()
    (tmp_path / "um.wav").mkdir()
    assert refusal(tmp_path).endswith("file 'um.wav' is missing")


def test_empty_file(tmp_path: Path) -> None:
    """A file of no bytes is refused as such."""
    (make_pack(tmp_path) / "um.wav").write_bytes(b"")
    assert refusal(tmp_path).endswith("um.wav is empty; record it again")


def test_no_frames(tmp_path: Path) -> None:
    """A header without audio is refused."""
    assert "holds no audio" in refusal(make_pack(tmp_path, audio=np.zeros(0)))


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_truncated_flac(tmp_path: Path, keep: float) -> None:
    """A FLAC whose end is missing is refused, not played in part."""
    folder = make_pack(tmp_path, CLIP.replace("um.wav", "um.flac"))
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, RATE * 2)
    soundfile.write(folder / "um.flac", noise, RATE)
    whole = (folder / "um.flac").read_bytes()
    (folder / "um.flac").write_bytes(whole[: int(len(whole) * keep)])
    assert "um.flac" in refusal(folder)


def test_longer_than_a_minute(tmp_path: Path) -> None:
    """A clip of more than 60 s is refused before it is decoded."""
    folder = make_pack(tmp_path, audio=np.zeros(61 * RATE))
    assert refusal(folder).endswith("um.wav lasts 61 s; a clip has at most 60 s")


def test_a_minute_is_allowed(tmp_path: Path) -> None:
    """A clip of 60 s is not too long."""
    _, (clip,) = load_pack(make_pack(tmp_path, audio=np.zeros(60 * RATE)))
    assert clip.duration_s == 60.0


def test_stereo(tmp_path: Path) -> None:
    """Two channels are not mixed down silently."""
    folder = make_pack(tmp_path, audio=np.stack([tone(), tone()], axis=1))
    assert "um.wav has 2 channels; a clip is mono" in refusal(folder)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path: Path, bad: float) -> None:
    """NaN or infinity in a float file would sound as a bang, or silence everything mixed with it."""
    audio = tone()
    audio[100] = bad
    assert "um.wav holds NaN or infinite samples" in refusal(make_pack(tmp_path, audio=audio, subtype="FLOAT"))


@pytest.mark.parametrize("content", [b"hello, world", b"\x00" * 4096, b"RIFF\xff\xff\xff\xffWAVEfmt "])
def test_not_audio(tmp_path: Path, content: bytes) -> None:
    """A file that is no audio is refused, whether or not a fallback decoder is installed."""
    (make_pack(tmp_path) / "um.wav").write_bytes(content)
    assert "um.wav is not audio" in refusal(tmp_path)


# Paths ---------------------------------------------------------------------------------------------------------


def test_path_above_the_pack(tmp_path: Path) -> None:
    """A manifest cannot reach out of its folder with '..'."""
    make_pack(tmp_path)
    folder = make_pack(tmp_path / "mine", CLIP.replace("um.wav", "../um.wav"))
    assert "clip 'um': file '../um.wav' is outside the pack's folder" in refusal(folder)


def test_absolute_path(tmp_path: Path) -> None:
    """An absolute path is outside too."""
    make_pack(tmp_path)
    folder = make_pack(tmp_path / "mine", CLIP.replace("um.wav", (tmp_path / "um.wav").as_posix()))
    assert "is outside the pack's folder" in refusal(folder)


def test_link_out_of_the_pack(tmp_path: Path) -> None:
    """A link that leads out is outside too."""
    make_pack(tmp_path)
    folder = make_pack(tmp_path / "mine")
    (folder / "um.wav").unlink()
    try:
        (folder / "um.wav").symlink_to(tmp_path / "um.wav")
    except OSError:
        pytest.skip("no symbolic links here")
    assert "is outside the pack's folder" in refusal(folder)


def test_path_within_subfolders(tmp_path: Path) -> None:
    """A file may lie deeper in the pack, also written in a roundabout way."""
    folder = make_pack(tmp_path, CLIP.replace("um.wav", "a/../b/um.wav"))
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    (folder / "um.wav").rename(folder / "b" / "um.wav")
    assert len(ClipBank([folder]).originals) == 1


# Manifests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (CLIP + CLIP, "two clips have the id 'um'"),
        (CLIP.replace("hesitation", "umm"), "clips[0].kind = 'umm' is not possible; write 'backchannel', "),
        (CLIP.replace('text = "Um"\n', ""), "clips[0]: clip 'um' is spoken and has no text; write what is said"),
        (CLIP.replace('"um"', '"Um!"'), "clips[0].id = 'Um!' is not possible; write a text that matches "),
        (CLIP + "order = 1\n", "clip 'um' has an order, which only progress lines have; leave it out"),
        (CLIP + "wait = 1\n", "clips[0].wait is not a known key; did you mean weight?"),
        (CLIP + "weight = 0\n", "clips[0].weight = 0 is not possible; write a number above 0"),
        (CLIP + "weight = nan\n", "clips[0].weight = nan is not possible; write a finite number"),
        (CLIP + "claims_work = 'yes'\n", "clips[0].claims_work = 'yes' is not possible; write true or false"),
        (CLIP + "cut_marks = [{ ms = 0, words = 1 }]\n", "clips[0].cut_marks[0].ms = 0 is not possible"),
        (CLIP + "cut_marks = [{ ms = 300, words = 1 }, { ms = 200, words = 1 }]\n", "cut_marks must ascend by ms"),
        (CLIP + "cut_marks = [{ ms = 200, words = 1 }, { ms = 200, words = 1 }]\n", "cut_marks must ascend by ms"),
        (
            CLIP + "cut_marks = [{ ms = 900, words = 1 }]\n",
            "clip 'um': the cut mark at 900 ms is beyond the clip's end (500 ms); correct cut_marks",
        ),
        ("", "clips is missing"),
        ("clips = []\n", "clips = [] is not possible; write at least 1 item"),
        ("clips = 3\n[", "is not valid TOML"),
    ],
)
def test_bad_manifest(tmp_path: Path, clips: str, message: str) -> None:
    """A manifest is refused with the path of the pack and one sentence."""
    text = refusal(make_pack(tmp_path, clips))
    assert text.startswith(str(tmp_path))
    assert message in text
    assert "more problem" not in text


def test_future_format(tmp_path: Path) -> None:
    """A pack of a format that is not known yet is refused."""
    folder = make_pack(tmp_path)
    manifest = (folder / "pack.toml").read_text(encoding="utf-8")
    (folder / "pack.toml").write_text(manifest.replace("format = 1", "format = 2"), encoding="utf-8")
    assert "format = 2 is not possible; write a number not above 1" in refusal(folder)


# The fallback decoder ------------------------------------------------------------------------------------------


def test_pydub_is_imported_only_for_what_libsndfile_lacks() -> None:
    """Loading and resampling the bundled pack leaves pydub alone: its import is slow, and it looks for ffmpeg."""
    code = (
        "import sys; from stopgap.fillers import ClipBank; ClipBank().clips(24000); "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'pydub', 'soundfile'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "['soundfile']"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_fallback_decoder(tmp_path: Path) -> None:
    """What libsndfile lacks is decoded by ffmpeg, told the format that the file's first bytes show."""
    folder = make_pack(tmp_path, CLIP.replace("um.wav", "um.m4a"))
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(folder / "um.wav"), str(folder / "um.m4a")]
    subprocess.run(command, check=True)
    _, (clip,) = load_pack(folder)
    assert clip.duration_s == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    "content", ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{}\n", "ffconcat version 1.0\nfile '{}'\n"]
)
def test_playlist_as_clip(tmp_path: Path, content: str) -> None:
    """A playlist under a clip's name opens none of the files that it names."""
    secret = make_pack(tmp_path / "elsewhere") / "um.wav"
    folder = make_pack(tmp_path / "mine", CLIP.replace("um.wav", "um.m4a"))
    (folder / "um.m4a").write_text(content.format(secret.resolve()), encoding="utf-8")
    assert "um.m4a is not audio" in refusal(folder)


# The bundled packs ---------------------------------------------------------------------------------------------


def of_kind(bank: ClipBank, kind: Kind) -> list[Clip]:
    return [clip for clip in bank.originals if clip.kind is kind]


def test_bundled_counts(bank: ClipBank) -> None:
    """The bundled pack holds enough of every kind for variety."""
    counts = Counter(clip.kind for clip in bank.originals)
    assert counts[Kind.BACKCHANNEL] >= 6
    assert {kind: counts[kind] for kind in (Kind.AMBIENCE, Kind.TONE, Kind.HOLD)} == {
        Kind.AMBIENCE: 2,
        Kind.TONE: 2,
        Kind.HOLD: 1,
    }
    assert counts[Kind.HESITATION] == 6
    assert counts[Kind.PHRASE] == 12
    assert counts[Kind.PROGRESS] >= 6


def test_bundled_claims(bank: ClipBank) -> None:
    """There are phrases for turns with a tool and for turns without one."""
    claims = Counter(clip.claims_work for clip in of_kind(bank, Kind.PHRASE))
    assert min(claims[True], claims[False]) >= 5
    others = [clip for clip in bank.originals if clip.kind not in (Kind.PHRASE, Kind.PROGRESS)]
    assert not any(clip.claims_work for clip in others)


def test_bundled_progress_orders(bank: ClipBank) -> None:
    """Progress lines say what comes first, second and third; at each place one of them claims no work."""
    lines = of_kind(bank, Kind.PROGRESS)
    assert {clip.order for clip in lines} == {1, 2, 3}
    assert {clip.order for clip in lines if not clip.claims_work} == {1, 2, 3}


@pytest.mark.parametrize(("name", "language"), [("en-us", "en-US"), ("es-es", "es-ES"), ("de-de", "de-DE")])
def test_bundled_packs_are_found_by_their_names(name: str, language: str) -> None:
    """A pack's folder, its name in the manifest and the name to configure are the same."""
    assert name in bundled_packs()
    assert find_pack(name) == bundled_folder() / name
    manifest = read_manifest(find_pack(name))
    assert (manifest.name, manifest.language) == (name, language)


@pytest.mark.parametrize("language", ["es-ES", "es-MX", "de", "de-AT", "en-GB", "fr"])
def test_language_falls_back_among_the_bundled_packs(language: str) -> None:
    """A conversation hears clips of its own language, of whatever region, or none: never of another language."""
    usable = usable_clips(ClipBank(["en-us", "es-es", "de-de"]).catalog, language=language, voice=None)
    said = {clip.language for clip in usable if clip.kind.spoken}
    assert said == ({"es": {"es-ES"}, "de": {"de-DE"}, "en": {"en-US"}}.get(language[:2]) or set())
    assert {clip.kind for clip in usable if not clip.kind.spoken} == set(BED_KINDS)


def test_robotic_packs_say_so() -> None:
    """What was spoken by espeak-ng is told to be robotic, and how to have a voice of one's own."""
    for name in ("es-es", "de-de", "demo-es", "demo-de"):
        notice = (bundled_folder() / name / "LICENSE.txt").read_text(encoding="utf-8")
        assert "robotic" in notice, name
        assert "espeak-ng" in notice, name


def test_bundled_licence_file_is_there() -> None:
    """The notices that the licences ask for come along."""
    assert "Carnegie Mellon" in (bundled_folder() / "en-us" / "LICENSE.txt").read_text(encoding="utf-8")


def test_bundled_clips_say_what_they_are(bank: ClipBank) -> None:
    """Every clip has a licence and marks; spoken ones a text, a voice and a language, beds none of these."""
    for clip in bank.originals:
        assert clip.licence, clip.id
        assert clip.cut_marks[-1].frame == clip.frames, clip.id
        frames = [mark.frame for mark in clip.cut_marks]
        words = [mark.words for mark in clip.cut_marks]
        assert frames == sorted(set(frames)), clip.id
        assert words == sorted(words), clip.id
        assert bool(clip.text) == clip.kind.spoken, clip.id
        assert clip.language == ("en-US" if clip.kind.spoken else "zxx"), clip.id
        assert words[-1] == len((clip.text or "").split()), clip.id


def test_bundled_files_end_with_a_mark() -> None:
    """Each spoken clip's last written mark says that all its words were heard."""
    for entry in read_manifest(find_pack("en-us")).clips:
        if entry.kind.spoken:
            assert entry.cut_marks[-1].words == len((entry.text or "").split()), entry.id


def loudness_dbfs(samples: Samples, rate: int) -> float:
    """Return the RMS of the 20 ms windows that are at most 30 dB below the loudest one: pauses do not count."""
    window = rate // 50
    power = (samples[: len(samples) // window * window].astype(float).reshape(-1, window) ** 2).mean(axis=1)
    return float(10.0 * np.log10(power[power >= power.max() * 1e-3].mean()))


def test_bundled_speech_is_equally_loud(bank: ClipBank) -> None:
    """Spoken clips are within 1 dB of each other, and as loud as the manifest says."""
    levels = [loudness_dbfs(clip.samples, clip.rate) for clip in bank.originals if clip.kind.spoken]
    assert max(levels) - min(levels) < 1.0
    assert np.mean(levels) == pytest.approx(-20.0, abs=1.0)


def test_bundled_beds_are_softer_than_speech(bank: ClipBank) -> None:
    """A bed lies under speech, at least 6 dB below it."""
    for entry in read_manifest(find_pack("en-us")).clips:
        if not entry.kind.spoken:
            assert entry.loudness_dbfs is not None
            assert entry.loudness_dbfs <= -26.0, entry.id


@pytest.mark.parametrize("rate", RATES)
def test_clips_start_and_end_near_zero(bank: ClipBank, rate: int) -> None:
    """A clip that does not loop cannot click at its ends, at any rate."""
    for clip in bank.clips(rate):
        if not clip.loops:
            assert max(abs(clip.samples[0]), abs(clip.samples[-1])) < 1e-3, clip.id


@pytest.mark.parametrize("rate", RATES)
def test_clips_do_not_clip(bank: ClipBank, rate: int) -> None:
    """Resampling leaves headroom."""
    assert all(np.abs(clip.samples).max() < 0.9 for clip in bank.clips(rate))


@pytest.mark.parametrize("rate", RATES)
def test_loops_are_seamless(bank: ClipBank, rate: int) -> None:
    """From a loop's last sample to its first there is no larger step than within it; nor is the seam's bend larger."""
    for clip in bank.clips(rate):
        if clip.loops:
            steps = np.abs(np.diff(clip.samples))
            assert abs(float(clip.samples[0]) - float(clip.samples[-1])) <= steps.max(), clip.id
            around = np.concatenate([clip.samples[-2:], clip.samples[:2]])
            assert np.abs(np.diff(around, 2)).max() <= np.abs(np.diff(clip.samples, 2)).max(), clip.id


@pytest.mark.parametrize("rate", RATES)
def test_resampled_loops_have_no_beginning(bank: ClipBank, rate: int) -> None:
    """A loop turned by half and resampled is the loop resampled and turned by half: the filter sees no edge."""
    for clip in bank.originals:
        if clip.loops:
            plain = resampled_loop(clip.samples, clip.rate, rate)
            turned = resampled_loop(np.roll(clip.samples, clip.frames // 2), clip.rate, rate)
            assert len(plain) == round(clip.frames * rate / clip.rate), clip.id
            np.testing.assert_allclose(np.roll(turned, len(plain) - len(plain) // 2), plain, atol=1e-5)


# The bank ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
def test_bank_shares_clips(bank: ClipBank, rate: int) -> None:
    """Asked twice for a rate, the bank gives the very same arrays: sessions share them."""
    once, twice = bank.clips(rate), bank.clips(rate)
    assert all(one.samples is two.samples for one, two in zip(once, twice, strict=True))
    assert all(clip.rate == rate for clip in once)


@pytest.mark.parametrize("rate", [*RATES, 32_000])
def test_bank_is_read_only(bank: ClipBank, rate: int) -> None:
    """Nobody can write into the clips of all others."""
    for clip in bank.clips(rate):
        assert clip.samples.dtype == np.float32
        assert clip.samples.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            clip.samples[0] = 1.0


@pytest.mark.parametrize("rate", [*RATES, 32_000])
def test_marks_stay_in_place(bank: ClipBank, rate: int) -> None:
    """Cut marks keep their time at every rate, within a frame; the last one is the clip's end."""
    for original, clip in zip(bank.originals, bank.clips(rate), strict=True):
        assert clip.cut_marks[-1].frame == clip.frames
        assert len(clip.cut_marks) == len(original.cut_marks), clip.id
        for before, after in zip(original.cut_marks, clip.cut_marks, strict=True):
            assert after.words == before.words
            assert after.frame / rate == pytest.approx(before.frame / original.rate, abs=1.0 / rate)


def held_bytes(clips: tuple[Clip, ...]) -> int:
    """Return the bytes that *clips* keep alive: of a view, those of the whole array behind it."""
    arrays = [clip.samples.base if isinstance(clip.samples.base, np.ndarray) else clip.samples for clip in clips]
    return sum(array.nbytes for array in arrays)


def own_copy(tmp_path: Path) -> Path:
    """Return a copy of the bundled pack, that no other bank shares."""
    return Path(shutil.copytree(bundled_folder() / "en-us", tmp_path / "en-us"))


def test_bank_holds_no_more_than_its_samples(tmp_path: Path) -> None:
    """Per rate the bank keeps at most 1.1 times four bytes a sample, and says what it keeps."""
    bank = ClipBank([own_copy(tmp_path)])
    assert bank.nbytes == 4 * sum(clip.frames for clip in bank.catalog)
    before = 0
    for rate in RATES:
        clips = bank.clips(rate)
        plain = 4 * sum(clip.frames for clip in clips)
        assert bank.nbytes - before == plain
        assert held_bytes(clips) <= 1.1 * plain
        before = bank.nbytes


def test_bank_lets_go_of_what_is_not_played(tmp_path: Path) -> None:
    """Once a rate was asked for, samples at the files' rate are gone; another rate is made from the files again."""
    folder = own_copy(tmp_path)
    bank = ClipBank([folder])
    original = weakref.ref(bank.originals[0])
    bank.clips(48_000)
    gc.collect()
    assert original() is None
    expected = ClipBank([own_copy(tmp_path / "other")]).clips(16_000)
    for one, two in zip(bank.clips(16_000), expected, strict=True):
        np.testing.assert_array_equal(one.samples, two.samples)


def test_further_rate_of_files_that_are_gone(tmp_path: Path) -> None:
    """If files changed or vanished meanwhile, a further rate is made from what is in memory."""
    folder = own_copy(tmp_path)
    bank = ClipBank([folder])
    bank.clips(48_000)
    shutil.rmtree(folder)
    for one, two in zip(bank.clips(16_000), ClipBank().clips(16_000), strict=True):
        assert one.id == two.id
        assert np.abs(one.samples - two.samples[: one.frames]).max() < 0.01


def test_memory_that_gives_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If converting fails half-way, no clip is lost: the next call has them all."""
    bank = ClipBank([own_copy(tmp_path)])
    ids = [clip.id for clip in bank.catalog]
    calls = iter(range(1000))

    def scarce(samples: Samples, rate: int, to_rate: int) -> Samples:
        if next(calls) == 3:
            raise MemoryError
        return resampled(samples, rate, to_rate)

    monkeypatch.setattr("stopgap.fillers._loaded.resampled", scarce)
    with pytest.raises(MemoryError):
        bank.clips(48_000)
    assert [clip.id for clip in bank.catalog] == ids
    assert [clip.id for clip in bank.clips(48_000)] == ids


def test_banks_share_packs(tmp_path: Path) -> None:
    """A second bank in the process costs no second copy, and what nobody uses any more is freed."""
    folder = own_copy(tmp_path)
    one, two = ClipBank([folder]), ClipBank([f"{folder}/../en-us"])
    for rate in RATES:
        assert all(a is b for a, b in zip(one.clips(rate), two.clips(rate), strict=True))
    clip = weakref.ref(one.clips(8_000)[0])
    del one
    gc.collect()
    assert clip() is not None
    del two
    gc.collect()
    assert clip() is None


def test_bank_progress(tmp_path: Path) -> None:
    """The progress hook sees each pack's clips."""
    seen = []

    def progress(clips, name):  # type: ignore[no-untyped-def]
        for clip in clips:
            seen.append((name, clip.id))
            yield clip

    ClipBank([make_pack(tmp_path)], progress=progress)
    assert seen == [("mine", "um")]


def test_heard_text(bank: ClipBank) -> None:
    """Of an unfinished line only whole words count as heard."""
    clip = next(clip for clip in bank.originals if clip.id == "look-that-up")
    first, second = clip.cut_marks[0].frame, clip.cut_marks[1].frame
    assert clip.heard_text(first - 1) == ""
    assert clip.heard_text(first) == "Let"
    assert clip.heard_text(second) == "Let me look"
    assert clip.heard_text(clip.frames) == clip.heard_text(clip.frames + 1) == "Let me look that up."


def test_a_long_load_shows_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Loading that takes longer than a second shows a bar on a terminal, and every clip is loaded once."""
    times = iter(range(1000))
    monkeypatch.setattr("time.monotonic", lambda: float(next(times)))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(bar_when_long(["a", "b", "c", "d"], "my-pack")) == ["a", "b", "c", "d"]
    assert "my-pack" in capsys.readouterr().err

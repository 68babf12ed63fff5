"""What is found wrong with packs: each fault by itself, put into a copy of the bundled pack."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Run
from numpy.typing import NDArray
from stopgap.fillers import Clip, ClipBank, Kind, PackError, bundled_folder, loudness_dbfs
from stopgap.fillers._decode import decode, resampled
from stopgap.fillers.checking import Finding, Tally, check_pack, coverage_of
from stopgap.fillers.checking._clicks import splices
from stopgap.fillers.checking._fingerprint import Fingerprint
from stopgap.fillers.checking._slidingmax import largest_before
from stopgap.fillers.preparation import measure_loudness

Sound = NDArray[np.float64]
Change = Callable[[Sound, int], Sound]
RATES = (8_000, 16_000, 24_000, 48_000)


class Pack:
    """A copy of the bundled pack to do damage to; nothing is found in it so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(bundled_folder() / "en-us", folder)

    def file(self, id: str) -> Path:
        (found,) = self.folder.glob(f"*/{id}.flac")
        return found

    def sound(self, id: str) -> tuple[Sound, int]:
        samples, rate = soundfile.read(self.file(id))
        return samples, rate

    def change(self, id: str, change: Change) -> "Pack":
        """Replace what is heard."""
        samples, rate = self.sound(id)
        soundfile.write(self.file(id), change(samples, rate), rate)
        return self

    def rewrite(self, change: Callable[[str], str]) -> "Pack":
        """Replace the manifest."""
        path = self.folder / "pack.toml"
        before = path.read_text(encoding="utf-8")
        after = change(before)
        assert after != before
        path.write_text(after, encoding="utf-8")
        return self

    def set(self, id: str, key: str, value: str | None) -> "Pack":
        """Replace a key of a clip, or take it out."""

        def changed(text: str) -> str:
            head, *tables = text.split("[[clips]]\n")
            for place, table in enumerate(tables):
                if f'id = "{id}"\n' in table:
                    kept = re.sub(rf"^{key} = .*\n", "", table, flags=re.MULTILINE).rstrip("\n")
                    tables[place] = kept + (f"\n{key} = {value}" if value is not None else "") + "\n\n"
            return "[[clips]]\n".join([head, *tables])

        return self.rewrite(changed)

    def drop(self, *ids: str) -> "Pack":
        """Take clips out of the manifest."""

        def without(text: str) -> str:
            head, *tables = text.split("[[clips]]\n")
            kept = [table for table in tables if not any(f'id = "{id}"\n' in table for id in ids)]
            return "[[clips]]\n".join([head, *kept])

        return self.rewrite(without)

    def findings(self) -> tuple[Finding, ...]:
        return check_pack(str(self.folder)).findings

    def only(self) -> Finding:
        """Return the one thing that is found."""
        findings = self.findings()
        assert len(findings) == 1, [str(finding) for finding in findings]
        return findings[0]


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return Pack(tmp_path / "mine")


def bundled(within: str = ".") -> Iterator[tuple[str, Sound, int]]:
    """Yield every bundled recording, the demo's lines among them: plosives, breaths, keystrokes, tones."""
    for path in sorted((bundled_folder() / within).rglob("*.flac")):
        samples, rate = soundfile.read(path)
        yield path.stem, samples, rate


def loudest_at(samples: Sound) -> int:
    return int(np.abs(samples).argmax())


# What there is no fault in ------------------------------------------------------------------------------------------


def test_the_bundled_pack() -> None:
    """No errors; every clip is looked at, and this is what is found."""
    report = check_pack("en-us")
    assert report.errors == ()
    assert report.findings == report.warnings == ()
    assert report.manifest is not None
    assert [clip.id for clip in report.clips] == [entry.id for entry in report.manifest.clips]


def test_coverage_of_the_bundled_pack(bank: ClipBank) -> None:
    """Clips are counted by language and kind; what has no words stands last."""
    coverage = coverage_of(bank.originals)
    assert list(coverage) == ["en-US", "zxx"]
    assert {kind: tally.clips for kind, tally in coverage["en-US"].items()} == {
        Kind.BACKCHANNEL: 6, Kind.HESITATION: 6, Kind.PHRASE: 12, Kind.PROGRESS: 7,
    }  # fmt: skip
    holds = [clip for clip in bank.originals if clip.kind is Kind.HOLD]
    assert coverage["zxx"][Kind.HOLD] == Tally(1, sum(clip.duration_s for clip in holds))


@pytest.mark.parametrize("rate", RATES)
def test_plosives_and_keystrokes_are_no_splices(rate: int) -> None:
    """No bundled sound jumps, at any rate, softer, turned over or turned round."""
    for name, samples, own in bundled():
        sound = resampled(samples.astype(np.float32), own, rate)
        for variant in (sound, -0.3 * sound, sound[::-1]):
            assert len(splices(variant.astype(np.float32), rate)) == 0, name


# One fault ----------------------------------------------------------------------------------------------------------


def test_silent(pack: Pack) -> None:
    """Of a silent clip nothing else is said."""
    found = pack.change("um", lambda x, rate: 0.0 * x).only()
    assert (found.severity, found.check, found.clip) == ("warning", "silent", "um")
    assert str(found) == "um: is silent; record it again"


def test_clipped(pack: Pack) -> None:
    """A wave cut off at full scale, for some samples in a row."""

    def overdriven(samples: Sound, rate: int) -> Sound:
        at, width = loudest_at(samples), rate // 20
        hum = 1.15 * np.sin(2.0 * np.pi * np.arange(width) / width) * np.hanning(width)
        samples[at : at + width] = np.clip(samples[at : at + width] + hum, -1.0, 1.0)
        return samples

    found = pack.change("little-longer", overdriven).only()
    assert (found.check, found.clip) == ("clipped", "little-longer")
    assert "samples in a row at full scale" in found.message


def test_offset(pack: Pack) -> None:
    """A recording whose middle is not zero."""
    found = pack.change("uh", lambda x, rate: x + 0.015).only()
    assert (found.check, found.clip) == ("offset", "uh")
    assert "+0.015 of full scale" in found.message


@pytest.mark.parametrize(("turn", "where"), [(1, "starts at"), (-1, "ends at")])
def test_hard_edge(pack: Pack, turn: int, where: str) -> None:
    """A clip that was cut out of a sound."""

    def cut(samples: Sound, rate: int) -> Sound:
        whole = samples[::turn]
        at = int(np.flatnonzero(np.abs(whole) > 0.03)[0])
        return np.concatenate([whole[at:], np.zeros(at)])[::turn]

    found = pack.change("right", cut).only()
    assert (found.check, found.clip) == ("edge", "right")
    assert found.message.startswith(where)


def test_seam(pack: Pack) -> None:
    """A loop that does not close."""

    def opened(samples: Sound, rate: int) -> Sound:
        steps = np.abs(samples - samples[0])
        end = int(steps[len(samples) // 2 :].argmax()) + len(samples) // 2
        return samples[: end + 1]

    found = pack.change("melody", opened).only()
    assert (found.check, found.clip) == ("seam", "melody")


def test_splice(pack: Pack) -> None:
    """Two pieces put together where they do not meet; the place is told."""
    samples, rate = pack.sound("okay")
    first, second = sorted((int(samples.argmax()), int(samples.argmin())))

    def spliced(samples: Sound, rate: int) -> Sound:
        return np.concatenate([samples[:first], samples[second:], np.zeros(second - first)])

    found = pack.change("okay", spliced).only()
    assert (found.check, found.clip) == ("splice", "okay")
    (told,) = re.findall(r"full scale at (\d+) ms, a click", found.message)
    assert float(told) == pytest.approx(1000 * first / rate, abs=1.0)


def test_dropout(pack: Pack) -> None:
    """A gap in the middle of a voice, as a lost packet leaves it."""

    def gapped(samples: Sound, rate: int) -> Sound:
        loud = np.flatnonzero(np.abs(samples) > 0.1)
        start = int(loud[len(loud) // 2])
        end = int(loud[loud > start + rate // 200][0])
        samples[start + 1 : end] = 0.0
        return samples

    found = pack.change("okay", gapped).only()
    assert (found.check, found.clip) == ("dropout", "okay")


@pytest.mark.parametrize("rate", RATES[1:])
def test_splices_are_found_after_resampling(rate: int) -> None:
    """A jump from one end of the wave to the other is found at the rate that it was made at, and at others."""
    for name in ("check-that", "well", "still-checking"):
        (path,) = bundled_folder().glob(f"en-us/*/{name}.flac")
        samples, own = decode(path)
        high, low = int(samples.argmax()), int(samples.argmin())
        first, second = sorted((high, low))
        spliced = np.concatenate([samples[:first], samples[second:]])
        found = splices(resampled(spliced, own, rate), rate)
        assert len(found) >= 1, name
        assert found[0] / rate == pytest.approx(first / own, abs=0.002)


def test_lead(pack: Pack) -> None:
    """Silence before the first sound, noise or not."""
    noise = np.random.default_rng(1)

    def late(samples: Sound, rate: int) -> Sound:
        return np.concatenate([noise.normal(0.0, 3e-4, rate // 10), samples])

    found = pack.change("sure", late).only()
    assert (found.check, found.clip) == ("lead", "sure")
    assert re.search(r"first 1[01]0 ms", found.message)


def test_tail(pack: Pack) -> None:
    """Silence after the last sound."""
    found = pack.change("uh-huh", lambda x, rate: np.concatenate([x, np.zeros(3 * rate // 10)])).only()
    assert (found.check, found.clip) == ("tail", "uh-huh")
    assert re.search(r"last 3[0-3]\d ms", found.message)


def test_too_short(pack: Pack) -> None:
    """A tone of which only a tick is left."""

    def tick(samples: Sound, rate: int) -> Sound:
        frames = rate // 25
        return samples[rate // 20 : rate // 20 + frames] * np.hanning(frames) * 1.5

    found = pack.change("low", tick).only()
    assert (found.check, found.clip) == ("duration", "low")
    assert found.message == "lasts 0.04 s, and tone below 0.05 s is a click rather than a tone; make it longer"


def test_too_long(pack: Pack) -> None:
    """An "um" that goes on and on."""
    found = pack.change("um", lambda x, rate: np.tile(x, 4)).only()
    assert (found.check, found.clip) == ("duration", "um")
    assert "hesitation above 1.5 s holds up the talk" in found.message


def test_no_cut_marks(pack: Pack) -> None:
    """A long line that may end only at its end."""
    found = pack.set("check-that", "cut_marks", None).only()
    assert (found.check, found.clip) == ("cut-marks", "check-that")


def test_loudness_spread(pack: Pack) -> None:
    """One clip of a kind that is softer than the others."""
    found = pack.change("hmm", lambda x, rate: 0.6 * x).only()
    assert (found.check, found.clip) == ("loudness", None)
    assert found.message.startswith("hesitation: loudness spreads over 4.4 dB, from hmm (-24.4 dBFS)")


def test_loudness_is_that_of_preparation(pack: Pack) -> None:
    """A low hum and a hiss that preparation made equally loud are, though their RMS differs by more than is allowed."""

    def at_loudness(samples: Sound, rate: int) -> Sound:
        measured = measure_loudness(samples.astype(np.float32), rate)
        assert measured.method == "BS.1770"
        return np.asarray(samples * 10.0 ** ((-38.0 - measured.value) / 20.0))

    pack.change("room", lambda x, rate: at_loudness(np.sin(2 * np.pi * 60 * np.arange(len(x)) / rate), rate))
    pack.change("typing", lambda x, rate: at_loudness(np.random.default_rng(1).normal(size=len(x)), rate))
    levels = [
        loudness_dbfs(samples.astype(np.float32), rate) for samples, rate in (pack.sound("room"), pack.sound("typing"))
    ]
    assert levels[0] - levels[1] > 3.0
    assert not [found for found in pack.findings() if found.check == "loudness"]


def test_beds_as_loud_as_speech(pack: Pack) -> None:
    """Beds have to lie under what is said."""
    for name in ("low", "rising"):
        pack.change(name, lambda x, rate: 1.6 * x)
    found = pack.findings()
    assert [(one.check, one.clip) for one in found] == [("bed", "rising"), ("bed", "low")]
    assert "3.9 dB below the pack's speech; make it 2 dB softer" in found[0].message


def test_dull(pack: Pack) -> None:
    """A recording from the telephone."""
    samples, rate = pack.sound("rising")
    soundfile.write(pack.file("rising"), resampled(samples.astype(np.float32), rate, 8_000), 8_000)
    found = pack.only()
    assert (found.check, found.clip) == ("rate", "rising")


def test_several_rates_of_one_voice(pack: Pack) -> None:
    """A clip that was recorded with another rate than the voice's others."""
    samples, rate = pack.sound("so")
    soundfile.write(pack.file("so"), resampled(samples.astype(np.float32), rate, 16_000), 16_000)
    found = pack.only()
    assert (found.check, found.clip) == ("rates", None)
    assert "16000 Hz and 32000 Hz" in found.message
    assert "record so with 32000 Hz" in found.message


def test_duplicate(pack: Pack) -> None:
    """The same recording under another name, softer and trimmed."""
    samples, rate = pack.sound("check-that")
    soundfile.write(pack.file("find-that"), 0.8 * samples[rate // 100 :], rate)
    found = pack.set("find-that", "cut_marks", "[{ ms = 200, words = 1 }]").only()
    assert (found.check, found.clip) == ("duplicate", "find-that")
    assert "same recording as check-that" in found.message


def test_a_clip_may_serve_two_languages(pack: Pack) -> None:
    """One recording for two languages is no duplicate: conversations are in one of them."""
    samples, rate = pack.sound("mm-hm")
    soundfile.write(pack.file("right"), samples, rate)
    pack.set("right", "cut_marks", None).set("right", "language", '"de"')
    assert {finding.check for finding in pack.findings()} == {"few"}


def test_few_clips(pack: Pack) -> None:
    """A kind of which there is too little."""
    found = pack.drop("um", "uh", "hmm", "well").only()
    assert (found.check, found.clip) == ("few", None)
    assert found.message == "hesitation (en-US): 2 clips; at least 3 keep users from noticing"


def test_few_clips_of_another_language(pack: Pack) -> None:
    """Each language is looked at by itself; spoken clips for any language count in each."""
    for name in ("uh", "um", "hmm"):
        pack.set(name, "language", '"zxx"')
    found = pack.set("one-moment", "language", '"de"').findings()
    assert [(one.check, one.message.partition(";")[0]) for one in found] == [
        ("few", "backchannel (de): no clips"),
        ("few", "phrase (de): 1 clip"),
        ("few", "progress (de): no clips"),
    ]


def test_nothing_to_say_without_a_tool(pack: Pack) -> None:
    """Phrases that claim work may not be said while no tool runs."""
    manifest = check_pack("en-us").manifest
    assert manifest is not None
    honest = [one.id for one in manifest.clips if one.kind is Kind.PHRASE and not one.claims_work]
    found = pack.drop(*honest[1:]).only()
    assert (found.check, found.clip) == ("no-work", None)
    assert found.message.startswith("phrase (en-US): 1 clip that claims no work")


@pytest.mark.parametrize(("order", "told"), [(1, "a later line may be said first"), (2, "the first line may be said")])
def test_progress_without_an_order(pack: Pack, order: int, told: str) -> None:
    """Progress lines need a first and a second one."""
    manifest = check_pack("en-us").manifest
    assert manifest is not None
    found = pack.drop(*(one.id for one in manifest.clips if one.order == order)).only()
    assert (found.check, found.clip) == ("order", None)
    assert f"no line has order = {order}, so {told}" in found.message


def test_unmarked_claim(pack: Pack) -> None:
    """A line that promises work and is not marked so would be said while nothing is done."""
    found = pack.set("check-that", "claims_work", "false").only()
    assert (found.check, found.clip) == ("claims-work", "check-that")
    assert found.message.startswith("'Let me check that for you.' says that work is being done")


# Errors -------------------------------------------------------------------------------------------------------------


def test_every_clip_that_is_refused(pack: Pack) -> None:
    """What keeps a bank from loading is told of each clip, and what loads is still looked at."""
    pack.file("um").unlink()
    pack.file("typing").write_bytes(b"")
    pack.set("okay", "cut_marks", "[{ ms = 9000, words = 1 }]").change("uh", lambda x, rate: x + 0.015)
    report = check_pack(str(pack.folder))
    assert [(one.check, one.clip) for one in report.errors] == [("file", "okay"), ("file", "um"), ("file", "typing")]
    assert [one.check for one in report.warnings] == ["offset"]
    assert len(report.clips) == 33
    with pytest.raises(PackError):
        ClipBank([pack.folder])


def test_every_problem_of_a_manifest(pack: Pack) -> None:
    """All wrong keys are told, without a manifest and clips."""
    pack.rewrite(lambda text: text.replace("format = 1", "format = 2").replace('voice = "', 'voise = "'))
    report = check_pack(str(pack.folder))
    assert (report.manifest, report.clips) == (None, ())
    assert [one.check for one in report.errors] == ["manifest", "manifest"]
    (pack.folder / "pack.toml").write_text("clips = [", encoding="utf-8")
    (one,) = check_pack(str(pack.folder)).errors
    assert "is not valid TOML" in one.message


# The measures -------------------------------------------------------------------------------------------------------


def clip(samples: Sound, rate: int) -> Clip:
    return Clip("x", Kind.PHRASE, samples.astype(np.float32), rate)


def test_the_same_recording_in_other_clothes(tmp_path: Path) -> None:
    """Level, polarity, trimming, rate and a lossy codec make no other recording."""
    for name, samples, rate in (*bundled("en-us"), *bundled("demo")):
        if len(samples) > 4 * rate:
            continue
        soundfile.write(tmp_path / "x.ogg", samples, rate, format="OGG", subtype="VORBIS", compression_level=0.8)
        encoded, _ = soundfile.read(tmp_path / "x.ogg")
        padded = np.concatenate([np.zeros(rate // 4), samples, np.zeros(rate // 10)])
        narrow = resampled(samples.astype(np.float32), rate, 8_000).astype(np.float64)
        one = Fingerprint.of(clip(samples, rate))
        for other, at in ((-0.2 * padded, rate), (encoded, rate), (narrow, 8_000)):
            assert one.same_as(Fingerprint.of(clip(other, at))), name


@pytest.mark.parametrize("pack", ["en-us", "es-es", "de-de"])
def test_different_recordings(pack: str) -> None:
    """No two bundled clips of one voice are one recording."""
    voiced = [(name, x, rate) for name, x, rate in bundled(pack) if len(x) < 3 * rate]
    prints = [Fingerprint.of(clip(x, rate)) for _, x, rate in voiced]
    for place, one in enumerate(prints):
        for further, other in enumerate(prints[place + 1 :], place + 1):
            assert not one.same_as(other), (voiced[place][0], voiced[further][0])


def test_other_words_may_sound_alike() -> None:
    """A synthesiser begins "Let me see" and "Let me think" with the same sounds; a copy is found all the same."""
    (samples, rate) = next((x, rate) for name, x, rate in bundled("en-us") if name == "check-that")
    other = samples.copy()
    end = round(0.6 * len(samples))
    other[end:] = 0.5 * samples[end - len(samples) :][::-1]
    one, alike, copy = (Fingerprint.of(clip(x, rate)) for x in (samples, other, 0.5 * samples[rate // 100 :]))
    assert one.same_as(alike)
    assert not one.same_as(alike, same_words=False)
    assert one.same_as(copy, same_words=False)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="there is no espeak-ng")
def test_takes_of_one_text_are_no_duplicates(tmp_path: Path) -> None:
    """The same words a little faster or slower are another take."""
    prints = []
    for speed in (150, 155, 160, 165):
        file = tmp_path / f"{speed}.wav"
        words = ("-v", "en-us", "-s", str(speed), "-w", str(file), "Let me check that for you.")
        subprocess.run(["espeak-ng", *words], check=True, timeout=60)
        samples, rate = soundfile.read(file)
        assert len(splices(samples.astype(np.float32), rate)) == 0
        prints.append(Fingerprint.of(clip(samples, rate)))
    pairs = [(one, other) for place, one in enumerate(prints) for other in prints[place + 1 :]]
    assert not any(one.same_as(other) for one, other in pairs)


@pytest.mark.parametrize(("frames", "gap"), [(1, 1), (2, 1), (5, 2), (7, 3), (64, 1)])
def test_largest_before(frames: int, gap: int) -> None:
    """The largest of so many values before each one, counted one by one."""
    values = np.random.default_rng(frames).uniform(0.0, 1.0, 100)
    slow = [max(values[max(0, at - gap - frames + 1) : max(0, at - gap + 1)], default=0.0) for at in range(100)]
    np.testing.assert_allclose(largest_before(values, frames, gap), slow)


# The command --------------------------------------------------------------------------------------------------------


def test_check_shows_coverage_and_findings(run: Run, pack: Pack) -> None:
    """A table of what there is, then each finding with its clip, then what it comes to."""
    pack.change("uh", lambda x, rate: x + 0.015)
    ended = run("pack", "check", pack.folder)
    assert ended.code == 0
    assert re.search(r"phrase +12 \(12\.7 s\) +– +12 \(12\.7 s\)", ended.out)
    assert "\nwarning: uh: has a DC offset" in ended.out
    assert ended.out.splitlines()[-1] == f"{pack.folder} can be used: 36 clips, 0 errors, 1 warning"


def test_check_strict(run: Run, pack: Pack) -> None:
    """Warnings end with 1 if one wants that; without any it is 0."""
    assert run("pack", "check", pack.folder, "--strict").code == 0
    shutil.copytree(pack.folder, "better")
    pack.change("uh", lambda x, rate: x + 0.015)
    assert run("pack", "check", pack.folder).code == 0
    assert run("pack", "check", pack.folder, "--strict").code == 1
    assert run("pack", "check", "better", pack.folder, "--strict").code == 1


def test_check_json(run: Run, pack: Pack) -> None:
    """One pack is an object, several are a list of them; the default is what a configuration names, or all bundled."""
    pack.change("uh", lambda x, rate: x + 0.015)
    one = json.loads(run("pack", "check", pack.folder, "--json").out)
    assert (one["ok"], one["clips"], one["errors"]) == (True, 36, [])
    (found,) = one["findings"]
    assert found.keys() == {"severity", "check", "clip", "message"}
    assert one["warnings"] == [f"uh: {found['message']}"]
    assert one["coverage"]["zxx"]["hold"] == {"clips": 1, "seconds": 12.0}
    both = json.loads(run("pack", "check", "en-us", pack.folder, "--json").out)
    assert [report["pack"] for report in both] == ["en-us", str(pack.folder)]
    assert [report["pack"] for report in json.loads(run("pack", "check", "--json").out)] == ["de-de", "en-us", "es-es"]
    Path("c.toml").write_text(f"packs = [{json.dumps(str(pack.folder))}]\n", encoding="utf-8")
    (configured,) = json.loads(run("pack", "check", "--config", "c.toml", "--json").out)
    assert configured == one

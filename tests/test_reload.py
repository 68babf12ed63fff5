"""Packs that change while conversations go on."""

import gc
import logging
import shutil
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import soundfile
from stopgap.engine import FillerManager, VirtualClock
from stopgap.engine._packwatch import PackWatch
from stopgap.engine.outputs import MemoryOutput
from stopgap.engine.planning import playable_clips
from stopgap.engine.service._settings import ServiceSettings, SiteFillers
from stopgap.engine.service._sites import agent_name, filler_bank, filler_config
from stopgap.fillers import ClipBank, ConfigError, PackError, Samples, bundled_folder, load_config
from stopgap.fillers._decode import resampled

RATE = 16_000
HEAD = 'format = 1\nname = "mine"\nlanguage = "en"\nlicence = "mine"\n'
PHRASE = '[[clips]]\nid = "one-moment"\nfile = "um.wav"\nkind = "phrase"\ntext = "One moment"\n'
CONFIG = {
    "mode": "ladder",
    "seed": 1,
    "ladder": [{"after_ms": 500, "kind": "hesitation"}, {"after_ms": 3000, "kind": "hesitation"}],
}


def write_pack(folder: Path, *, level: float, text: str = "Um", seconds: float = 2.0, extra: str = "") -> Path:
    """Write a pack of one clip, a tone of *level*."""
    folder.mkdir(exist_ok=True)
    frames = round(seconds * RATE)
    soundfile.write(folder / "um.wav", level * np.sin(0.1 * np.arange(frames)) * np.hanning(frames), RATE)
    clip = f'[[clips]]\nid = "um"\nfile = "um.wav"\nkind = "hesitation"\ntext = "{text}"\n'
    (folder / "pack.toml").write_text(HEAD + clip + extra, encoding="utf-8")
    return folder


def manager_of(folder: Path, clock: VirtualClock, **settings: object) -> FillerManager:
    return FillerManager.from_config({**CONFIG, "packs": [str(folder)], **settings}, clock=clock)


def two_turns(folder: Path, between: object = None) -> tuple[Samples, FillerManager]:
    """Play two turns, calling *between* while the first one's filler sounds; return what was heard."""
    clock = VirtualClock()
    manager = manager_of(folder, clock)
    output = MemoryOutput(RATE)
    with manager.session(output) as session:
        turn = session.begin()
        clock.advance(1.0)
        if callable(between):
            between(manager)
        clock.advance(1.6)
        turn.cancel()
        clock.advance(1.0)
        turn = session.begin()
        clock.advance(2.8)
        turn.cancel()
        clock.advance(0.5)
    return output.samples, manager


def test_reload_goes_unheard_until_the_next_filler(tmp_path: Path) -> None:
    """What sounds plays on sample for sample; the next turn has the new clip; nothing steps."""
    folder = write_pack(tmp_path / "mine", level=0.2)
    plain, _ = two_turns(folder)

    def change(manager: FillerManager) -> None:
        write_pack(folder, level=0.4)
        assert manager.reload_packs()
        assert not manager.reload_packs()

    heard, manager = two_turns(folder, change)
    seam = round(3.6 * RATE)
    np.testing.assert_array_equal(heard[:seam], plain[:seam])
    assert np.abs(heard[:seam]).max() == pytest.approx(0.2, abs=0.01)
    assert np.abs(heard[seam:]).max() == pytest.approx(0.4, abs=0.01)
    assert np.abs(np.diff(heard)).max() < 0.05
    assert manager.statistics()["packs_reloaded"] == 1


def test_broken_pack_is_refused(tmp_path: Path) -> None:
    """A pack that cannot be used raises, and the former clips play on, in later turns too."""
    folder = write_pack(tmp_path / "mine", level=0.2)
    plain, _ = two_turns(folder)

    def spoil(manager: FillerManager) -> None:
        (folder / "um.wav").write_bytes(b"RIFF")
        with pytest.raises(PackError, match=r"um\.wav"):
            manager.reload_packs()

    heard, manager = two_turns(folder, spoil)
    np.testing.assert_array_equal(heard, plain)
    assert manager.statistics()["packs_refused"] == 1


def test_reload_keeps_the_configurations_promises(tmp_path: Path) -> None:
    """A new version without a phrase that the configuration names is refused."""
    folder = write_pack(tmp_path / "mine", level=0.2, text="Um, well")
    with manager_of(folder, VirtualClock(), agents={"a": {"phrases": ["Um, well"]}}) as manager:
        write_pack(folder, level=0.2, text="So")
        with pytest.raises(ConfigError, match=r"agents\.a\.phrases\[0\] = 'Um, well' is the text or id of no"):
            manager.reload_packs()
        assert manager.bank.catalog[0].text == "Um, well"


def test_new_clips_are_ready_at_every_rate_in_use(tmp_path: Path) -> None:
    """After a reload no session waits: the rates that were in use are made before the clips are taken."""
    folder = write_pack(tmp_path / "mine", level=0.2)
    bank = ClipBank([folder])
    before = bank.clips(8_000), bank.clips(48_000)
    write_pack(folder, level=0.4)
    assert bank.reload()
    shutil.rmtree(folder)  # what is not made by now cannot be made
    for old, rate in zip(before, (8_000, 48_000), strict=True):
        assert np.abs(bank.clips(rate)[0].samples).max() == pytest.approx(0.4, abs=0.01)
        assert np.abs(old[0].samples).max() == pytest.approx(0.2, abs=0.01)


def test_watch_takes_a_change_when_it_rests(tmp_path: Path) -> None:
    """A pack that is still being written to is let be; once two looks see the same, it is taken, one time."""
    folder = write_pack(tmp_path / "mine", level=0.2)
    bank, clock = ClipBank([folder]), VirtualClock()
    done: list[bool] = []

    def reload() -> bool:
        done.append(bank.reload())
        return done[-1]

    watch = PackWatch(bank, reload, clock, 2.0, start=lambda job: job())

    def look() -> int:
        clock.advance(2.0)
        watch.keep_up()
        return len(done)

    assert look() == 0
    write_pack(folder, level=0.3)
    assert look() == 0
    write_pack(folder, level=0.35, seconds=1.0)
    assert look() == 0
    assert look() == 1
    assert look() == 1
    assert np.abs(bank.catalog[0].samples).max() == pytest.approx(0.35, abs=0.01)


def test_watch_refuses_a_broken_pack_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broken pack is logged once and named; when it is mended, also by a file that was missing, it is taken."""
    folder = write_pack(tmp_path / "mine", level=0.2)
    bank, clock = ClipBank([folder]), VirtualClock()
    watch = PackWatch(bank, bank.reload, clock, 2.0, start=lambda job: job())
    more = '[[clips]]\nid = "er"\nfile = "er.wav"\nkind = "hesitation"\ntext = "Er"\n'
    write_pack(folder, level=0.2, extra=more)
    with caplog.at_level(logging.WARNING, "stopgap"):
        for _ in range(5):
            clock.advance(2.0)
            watch.keep_up()
    assert len(caplog.records) == 1
    assert "er.wav" in caplog.text
    assert [clip.id for clip in bank.catalog] == ["um"]
    shutil.copy(folder / "um.wav", folder / "er.wav")
    for _ in range(2):
        clock.advance(2.0)
        watch.keep_up()
    assert [clip.id for clip in bank.catalog] == ["um", "er"]


def test_a_manager_watches_its_packs(tmp_path: Path) -> None:
    """With watch_packs_s a running manager takes a changed pack by itself, on a thread of its own."""
    folder = Path(shutil.copytree(bundled_folder() / "en-us", tmp_path / "en-us"))
    settings = {"packs": [str(folder)], "watch_packs_s": 0.1}
    with FillerManager.from_config(settings) as manager, manager.session(MemoryOutput(RATE)):
        manifest = (folder / "pack.toml").read_text(encoding="utf-8")
        (folder / "pack.toml").write_text(manifest.replace('text = "Okay"', 'text = "All right"'), encoding="utf-8")
        give_up_at = time.monotonic() + 60.0  # lest a change that is never taken hangs the run
        while not manager.statistics().get("packs_reloaded") and time.monotonic() < give_up_at:
            time.sleep(0.02)
        assert "All right" in {clip.text for clip in manager.bank.catalog}


def test_former_clips_are_freed_while_a_session_idles(tmp_path: Path) -> None:
    """A session that stays open and says nothing keeps of the former clips only those that it has played."""
    folder = write_pack(tmp_path / "mine", level=0.2, extra='[[clips]]\nid = "er"\nfile = "er.wav"\nkind = "tone"\n')
    shutil.copy(folder / "um.wav", folder / "er.wav")
    clock = VirtualClock()
    with manager_of(folder, clock, mode="predictive") as manager, manager.session(MemoryOutput(RATE)) as session:
        turn = session.begin()
        clock.advance(4.0)
        turn.cancel()
        (unplayed,) = (weakref.ref(clip) for clip in manager.bank.clips(RATE) if clip.id == "er")
        assert unplayed() is not None
        write_pack(folder, level=0.4)
        assert manager.reload_packs()
        gc.collect()
        assert unplayed() is None


def test_packs_are_found_after_a_change_of_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means what it meant when the bank was made: daemons go elsewhere."""
    write_pack(tmp_path / "mine", level=0.2)
    monkeypatch.chdir(tmp_path)
    bank = ClipBank(["mine"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert bank.changed() is None
    write_pack(tmp_path / "mine", level=0.4)
    assert bank.changed() is not None
    assert bank.reload()


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    """A deployment that turns a link to a new folder is noticed, also where another bank had loaded the old one."""
    write_pack(tmp_path / "one", level=0.2)
    write_pack(tmp_path / "two", level=0.4)
    link = tmp_path / "current"
    link.symlink_to("one")
    direct, linked = ClipBank([tmp_path / "one"]), ClipBank([link])
    assert linked.clips(RATE) == direct.clips(RATE)
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(link)
    assert direct.changed() is None
    assert linked.changed() is not None
    assert linked.reload()
    assert np.abs(linked.clips(RATE)[0].samples).max() == pytest.approx(0.4, abs=0.01)


def test_rates_in_use_are_had_while_another_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that needs a further rate does not hold up those that go on."""
    bank = ClipBank([write_pack(tmp_path / "mine", level=0.2)])
    known = bank.clips(RATE)
    had: list[object] = []

    def slow(samples: Samples, rate: int, to_rate: int) -> Samples:
        other = threading.Thread(target=lambda: had.append(bank.clips(RATE)))
        other.start()
        other.join(timeout=10.0)
        return resampled(samples, rate, to_rate)

    monkeypatch.setattr("stopgap.fillers._loaded.resampled", slow)
    bank.clips(48_000)
    assert had == [known]


def test_a_manifest_that_cannot_be_used_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks cost little, also when a broken manifest lies there for long."""
    folder = write_pack(tmp_path / "mine", level=0.2)
    bank = ClipBank([folder])
    (folder / "pack.toml").write_text("format = ", encoding="utf-8")
    found = bank.changed()
    monkeypatch.setattr("stopgap.fillers._loaded.read_manifest", lambda folder: pytest.fail("it was read again"))
    assert found is not None
    assert bank.changed() == found


def test_a_service_takes_other_phrases(tmp_path: Path) -> None:
    """A pack whose phrases have other names serves a running service; a site's own lines stay that site's."""
    folder = write_pack(tmp_path / "mine", level=0.2, extra=PHRASE)
    config = load_config({**CONFIG, "packs": [str(folder)]})
    services = {"desk": ServiceSettings(agent="m:f", tools={"lookup": SiteFillers(fillers=("Looking that up.",))})}
    bank = filler_bank(config, services)
    with FillerManager(filler_config(config, services, bank.catalog), bank=bank, clock=VirtualClock()) as manager:
        write_pack(folder, level=0.2, extra=PHRASE.replace("moment", "second"))
        assert manager.reload_packs()
        said = {
            tool: [
                clip.id
                for clip in playable_clips(
                    bank.clips(RATE), manager.config, manager.config.override(agent_name("desk", "text"), tool),
                    language="en", voice=None, tool_runs=True,
                )
            ]
            for tool in (None, "desk/lookup")
        }  # fmt: skip
        assert said == {None: ["one-second"], "desk/lookup": ["text:Looking that up."]}

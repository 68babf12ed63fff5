"""Pipecat's mixer seam, chunk by chunk: what is added, what passes, and who may use it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import hushed_pipecat  # noqa: F401
import numpy as np
import pytest
import soundfile
import stopgap
from hypothesis import given
from hypothesis import strategies as st
from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.audio.mixers.soundfile_mixer import SoundfileMixer
from pipecat.frames.frames import MixerControlFrame, MixerEnableFrame
from stopgap import ClipBank, FillerManager
from stopgap.engine.mixer import TapBlock
from stopgap.pipecat import PipecatFillers
from virtual_loop import LoopClock, run

RATE = 24_000
CHUNK = 960
PHRASE_AT_ONCE: dict[str, Any] = {"mode": "ladder", "seed": 1, "ladder": [{"after_ms": 100, "kind": "phrase"}]}


def with_fillers(bank: ClipBank, main: Callable[[PipecatFillers], Coroutine[Any, Any, None]], **arguments: Any) -> None:
    """Run *main* on a virtual loop, with fillers on that loop's clock."""

    async def within() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(PHRASE_AT_ONCE), clock=clock, bank=bank) as manager:
            await main(PipecatFillers(manager, **arguments))

    run(within)


async def pull(mixer: BaseAudioMixer, chunks: int, audio: bytes = bytes(2 * CHUNK)) -> list[bytes]:
    """Mix *audio* again and again, at the pace of its length."""
    mixed = []
    for _ in range(chunks):
        mixed.append(await mixer.mix(audio))
        await asyncio.sleep(len(audio) / 2 / RATE)
    return mixed


async def stop(mixer: Any) -> None:
    """Stop *mixer*, whose base class has no types."""
    await mixer.stop()


def samples(chunks: list[bytes]) -> Any:
    return np.concatenate([np.frombuffer(chunk, "<i2").astype(int) for chunk in chunks])


@given(level=st.integers(-32768, 32767), frames=st.integers(1, 3000))
def test_sound_passes_bit_by_bit_while_no_filler_sounds(bank: ClipBank, level: int, frames: int) -> None:
    """Whatever the length of a chunk, without a filler it is returned as it is."""
    audio = np.full(frames, level, "<i2").tobytes()

    async def main(fillers: PipecatFillers) -> None:
        assert await fillers.mixer.mix(audio) == audio
        await fillers.mixer.start(RATE)
        assert await fillers.mixer.mix(audio) == audio

    with_fillers(bank, main)


@pytest.mark.parametrize("frames", [160, 441, 960, 2400])
def test_fillers_do_not_depend_on_the_chunks_length(bank: ClipBank, frames: int) -> None:
    """A filler sounds the same whatever is pulled at a time, and begins on the frame that it is due on."""

    async def main(fillers: PipecatFillers) -> None:
        await fillers.mixer.start(RATE)
        fillers.begin()
        heard = samples(await pull(fillers.mixer, round(1.2 * RATE / frames), bytes(2 * frames)))
        assert fillers.turn is not None
        (sound,) = fillers.turn.record.sounds
        clip = next(clip for clip in bank.clips(RATE) if clip.id == sound.clip)
        assert sound.start_frame == round(0.1 * RATE)
        expected = np.rint(clip.samples[:2000] * 32767)
        np.testing.assert_allclose(heard[sound.start_frame :][:2000], expected, atol=400)

    with_fillers(bank, main)


def test_the_sum_is_limited(bank: ClipBank) -> None:
    """Loud sound and a filler give no overflow: what is too loud stays at full scale."""
    loud = np.full(CHUNK, 32_000, "<i2").tobytes()

    async def main(fillers: PipecatFillers) -> None:
        await fillers.mixer.start(RATE)
        fillers.mixer._alone = lambda: False  # type: ignore[attr-defined]  # a processor would tell of a reply
        fillers.begin()
        heard = samples(await pull(fillers.mixer, 25, loud))
        assert heard.max() == 32_767
        assert heard.min() > 0

    with_fillers(bank, main)


def test_empty_chunks_pass(bank: ClipBank) -> None:
    """A filter of the output that still gathers sound hands over nothing: nothing comes of it, and no time passes."""

    async def main(fillers: PipecatFillers) -> None:
        await fillers.mixer.start(RATE)
        fillers.begin()
        assert await fillers.mixer.mix(b"") == b""
        assert fillers.statistics()["errors"] == 0

    with_fillers(bank, main)


def test_a_second_start_goes_on(bank: ClipBank) -> None:
    """A transport that starts anew at the same rate goes on with the session; at another rate it gets another one."""

    async def main(fillers: PipecatFillers) -> None:
        await fillers.mixer.start(RATE)
        first = fillers.session
        fillers.begin()
        await pull(fillers.mixer, 5)
        await fillers.mixer.start(RATE)
        assert fillers.session is first
        await pull(fillers.mixer, 5)
        assert fillers.filler_sounding
        await fillers.mixer.start(8_000)
        assert first is not None
        assert first.closed
        assert fillers.session is not None
        assert fillers.session.rate == 8_000
        assert fillers.turn is not None
        assert fillers.turn.record.outcome == "cancelled"
        assert not fillers.waiting
        await pull(fillers.mixer, 1)
        assert fillers.begin() is not None
        assert fillers.statistics() | {"chunks": 0} == {
            "chunks": 0, "unmixed": 0, "sessions": 2, "errors": 0, "unannounced": 0, "held_too_long": 0
        }  # fmt: skip

    with_fillers(bank, main)


def test_stop_then_start(bank: ClipBank) -> None:
    """After a stop nothing sounds, and a second stop is harmless; the next start opens a new session."""

    async def main(fillers: PipecatFillers) -> None:
        await fillers.mixer.start(RATE)
        fillers.begin()
        await pull(fillers.mixer, 10)
        assert fillers.filler_sounding
        await stop(fillers.mixer)
        await stop(fillers.mixer)
        assert fillers.session is None
        assert not samples(await pull(fillers.mixer, 5)).any()
        assert not fillers.filler_sounding
        await fillers.mixer.start(RATE)
        fillers.begin()
        assert samples(await pull(fillers.mixer, 10)).any()
        assert fillers.statistics()["sessions"] == 2

    with_fillers(bank, main)


def test_stopped_while_it_starts(bank: ClipBank) -> None:
    """A transport that is gone before clips were resampled leaves no session behind."""

    async def main(fillers: PipecatFillers) -> None:
        starting = asyncio.create_task(fillers.mixer.start(11_025))
        await asyncio.sleep(0)
        await stop(fillers.mixer)
        await starting
        assert fillers.session is None

    with_fillers(bank, main)


def test_a_second_transport_is_refused(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """While one transport pulls, another one gets its sound back unmixed, whatever it starts with, and stops alone."""
    theirs = np.full(CHUNK, 5, "<i2").tobytes()

    async def main(fillers: PipecatFillers) -> None:
        await fillers.mixer.start(RATE)
        fillers.begin()
        first = asyncio.create_task(pull(fillers.mixer, 20))
        await asyncio.sleep(0.1)

        async def second() -> list[bytes]:
            await fillers.mixer.start(8_000)
            mixed = await pull(fillers.mixer, 10, theirs)
            await stop(fillers.mixer)
            return mixed

        assert set(await asyncio.create_task(second())) == {theirs}
        assert samples(await first).any()
        assert fillers.session is not None
        assert fillers.session.rate == RATE
        await asyncio.create_task(pull(fillers.mixer, 2))  # the first one is gone
        assert (fillers.statistics()["chunks"], fillers.statistics()["unmixed"]) == (22, 10)

    with caplog.at_level(logging.WARNING, "stopgap"):
        with_fillers(bank, main)
    (warning,) = caplog.records
    assert "a second one gets its sound unmixed; make a PipecatFillers for each" in warning.getMessage()


class Louder(BaseAudioMixer):
    """A mixer of the user's, which can fail."""

    def __init__(self) -> None:
        self.fails = False
        self.frames: list[MixerControlFrame] = []

    async def start(self, sample_rate: int) -> None: ...

    async def stop(self) -> None: ...

    async def process_frame(self, frame: MixerControlFrame) -> None:
        self.frames.append(frame)

    async def mix(self, audio: bytes) -> bytes:
        if self.fails:
            raise RuntimeError("the typing is missing")
        return (np.frombuffer(audio, "<i2") + 9).astype("<i2").tobytes()


def test_the_users_mixer_keeps_its_own_errors(bank: ClipBank) -> None:
    """What the chained mixer raises is raised, as without stopgap: its trouble is not hidden."""
    louder = Louder()

    async def main(fillers: PipecatFillers) -> None:
        await fillers.mixer.start(RATE)
        assert set(samples([await fillers.mixer.mix(bytes(2 * CHUNK))])) == {9}
        frame = MixerControlFrame()
        await fillers.mixer.process_frame(frame)
        assert louder.frames == [frame]
        louder.fails = True
        with pytest.raises(RuntimeError, match="the typing is missing"):
            await fillers.mixer.mix(bytes(2 * CHUNK))

    with_fillers(bank, main, mixer=louder)


def test_a_tap_that_fails_harms_nobody(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """A listener of the tap that raises is named once; sound and other listeners go on."""
    blocks: list[TapBlock] = []

    def broken(block: TapBlock) -> None:
        raise ValueError("no canceller")

    async def main(fillers: PipecatFillers) -> None:
        fillers.tap(broken)
        fillers.tap(blocks.append)
        await fillers.mixer.start(RATE)
        fillers.begin()
        heard = samples(await pull(fillers.mixer, 10))
        tapped = np.rint(np.concatenate([block.samples for block in blocks]) * 32768)
        np.testing.assert_array_equal(tapped, heard)
        assert [block.frame for block in blocks] == list(range(0, 10 * CHUNK, CHUNK))
        assert [block.filler for block in blocks][:2] == [False, False]
        assert blocks[5].filler
        assert fillers.statistics()["errors"] == 10

    with caplog.at_level(logging.WARNING, "stopgap"):
        with_fillers(bank, main)
    (warning,) = caplog.records
    assert "a tap's listener fails" in warning.getMessage()


def test_pipecats_own_mixer_goes_on(bank: ClipBank, tmp_path: Path) -> None:
    """With a `SoundfileMixer` before it, what the transport gets is the sum of both."""
    typing = np.full(RATE, 500, np.int16)
    soundfile.write(tmp_path / "typing.wav", typing, RATE)
    chained = SoundfileMixer(sound_files={"typing": str(tmp_path / "typing.wav")}, default_sound="typing", volume=1.0)

    async def main(fillers: PipecatFillers) -> None:
        await fillers.mixer.start(RATE)
        fillers.begin()
        heard = samples(await pull(fillers.mixer, 20))
        assert set(heard[:CHUNK].tolist()) == {500}
        assert np.abs(heard - 500).max() > 1000
        await fillers.mixer.process_frame(MixerEnableFrame(enable=False))
        assert abs(samples(await pull(fillers.mixer, 50))[-CHUNK:]).max() < 500

    with_fillers(bank, main, mixer=chained)

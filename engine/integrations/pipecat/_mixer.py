"""The mixer of the output transport: fillers on top of what the transport says."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.frames.frames import MixerControlFrame

from ....fillers import Samples
from ._dialogue import Dialogue
from ._pace import Pace
from ._slot import SessionSlot
from ._speech import sounds
from ._tap import OutputTap
from ._trouble import Trouble


class FillerMixer(BaseAudioMixer):
    """Adds fillers to each chunk that the transport writes, after the mixer that was there before.

    The reply passes bit by bit while no filler sounds. It serves one transport, and there one destination: a second
    one that uses it gets its sound back unmixed, with one logged warning. Where the transport does not keep the pace
    of time, silence and fillers are held to it (see `Pace`).

    Args:
        slot: Where the session is.
        dialogue: Is told of a reply where no processor tells of it.
        pace: Holds back silence.
        trouble: Where errors end.
        tap: Gets what the transport gets.
        chained: The user's own; None: none.
        channels: Of the transport's sound.
        alone: Whether no processor tells of the reply.
    """

    def __init__(
        self,
        slot: SessionSlot,
        dialogue: Dialogue,
        pace: Pace,
        trouble: Trouble,
        tap: OutputTap,
        *,
        chained: BaseAudioMixer | None,
        channels: int,
        alone: Callable[[], bool],
    ) -> None:
        self.chunks = 0
        """Chunks that were mixed."""
        self.unmixed = 0
        """Chunks of a second transport."""
        self.sounding = False
        """Whether fillers sounded in the last chunk."""
        self._slot = slot
        self._dialogue = dialogue
        self._pace = pace
        self._trouble = trouble
        self._tap = tap
        self._chained = chained
        self._channels = channels
        self._alone = alone
        self._rate = 0
        """Hz, of the transport; 0: not known yet."""
        self._task: asyncio.Task[Any] | None = None
        """The transport's, which pulls."""

    async def start(self, sample_rate: int) -> None:
        """Open a session at *sample_rate* Hz; where one is open at that rate, it goes on."""
        if self._serves():
            self._refuse()
            return
        self._rate = sample_rate
        if self._chained is not None:
            await self._chained.start(sample_rate)
        with self._trouble.kept_in("opening a session"):
            await self._slot.open(sample_rate)

    async def stop(self) -> None:
        """Close the session: what sounds ends, an open turn is cancelled."""
        if self._serves():
            return  # another transport's
        self._task, self.sounding = None, False
        with self._trouble.kept_in("closing the session"):
            self._slot.close()
        if self._chained is not None:
            await self._chained.stop()  # type: ignore[no-untyped-call]

    async def process_frame(self, frame: MixerControlFrame) -> None:
        """Pass *frame* on: settings are those of the user's own mixer, fillers heed none."""
        if self._chained is not None:
            await self._chained.process_frame(frame)

    async def mix(self, audio: bytes) -> bytes:
        """Return *audio*, what the user's own mixer adds, and what sounds of fillers; nothing if it is too early.

        Of a chunk without sound Pipecat writes nothing, and asks again.
        """
        task = asyncio.current_task()
        if task is not self._task:
            if self._serves():
                self._refuse()
                self.unmixed += 1
                return audio
            self._task = task
        with self._trouble.kept_in("mixing"):
            self._dialogue.look()
        frames = len(audio) // (2 * self._channels)
        if self._rate and await self._pace.too_early(audio, frames / self._rate):
            return b""
        frame, fillers = self._slot.position, None
        with self._trouble.kept_in("mixing"):
            if self._dialogue.newest.waiting is not None and self._alone() and sounds(audio):
                self._dialogue.reply()
            fillers = self._slot.render(frames, self._pace.ahead_s)
            self.sounding = fillers is not None
            self.chunks += 1
        mixed = audio if self._chained is None else await self._chained.mix(audio)
        if fillers is not None:
            with self._trouble.kept_in("mixing"):
                mixed = self._sum(mixed, fillers)
        if self._tap:
            with self._trouble.kept_in("a tap"):
                self._tap.tell(frame, mixed, self._channels, fillers is not None)
        return mixed

    def _sum(self, audio: bytes, fillers: Samples) -> bytes:
        total = np.frombuffer(audio, "<i2").astype(np.float32)
        ours = fillers * np.float32(32767.0)
        total += ours if self._channels == 1 else np.repeat(ours, self._channels)
        return np.clip(total, -32768.0, 32767.0).astype("<i2").tobytes()

    def _serves(self) -> bool:
        """Whether another transport than the one that calls pulls."""
        return self._task is not None and not self._task.done() and self._task is not asyncio.current_task()

    def _refuse(self) -> None:
        self._trouble.warn(
            "a second transport",
            "this mixer serves one transport and destination already, and a second one gets its sound unmixed; "
            "make a PipecatFillers for each",
        )

"""A call for tests: a whole pipeline on virtual time with fillers in it, and what was told of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import hushed_pipecat  # noqa: F401
import numpy as np
import stopgap
from pipecat.frames.frames import BotStoppedSpeakingFrame
from pipecat.transports.base_transport import TransportParams
from pipecat_rig import CHUNK_S, RATE, Answer, Rig, running
from stopgap import ClipBank, FillerManager
from stopgap.engine.turns import SoundRecord, TurnRecord
from stopgap.pipecat import PipecatFillers
from virtual_loop import LoopClock, run

LADDER: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "limits": {"per_minute": "unlimited", "per_conversation": "unlimited"},
    "ladder": [{"after_ms": 600, "kind": "hesitation"}, {"after_ms": 1500, "kind": "phrase"}],
}
ONE_PHRASE: dict[str, Any] = {**LADDER, "ladder": [{"after_ms": 700, "kind": "phrase"}]}
SLOW = Answer(2.0, "It is on its way.")
PREAMBLE = Answer(0.3, "One moment please.", (("lookup", 4.0),))
BY_WORDS: dict[str, Any] = {"words_start_turns": True}
"""A turn of the user's begins with words, not with any voice."""
CHUNK = round(CHUNK_S * RATE)
FADE = round(0.02 * RATE)


class Call:
    """A pipeline with fillers, and what was told of it."""

    def __init__(self, rig: Rig, fillers: PipecatFillers, manager: FillerManager) -> None:
        self.rig, self.fillers, self.manager = rig, fillers, manager
        self.turns: list[TurnRecord] = []
        self.sounds: list[tuple[str, SoundRecord]] = []

    async def answered(self, after: float = 0.0) -> float:
        """Wait until the bot has said its answer; return when that began to be written."""
        while not [at for at in self.rig.collector.times(BotStoppedSpeakingFrame) if at > after]:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.3)
        return self.rig.reply_at(after)

    async def tick(self) -> None:
        """Do what the manager's thread does on a real clock."""
        while True:
            if self.fillers.session is not None:
                self.fillers.session.tick()
            await asyncio.sleep(0.02)

    @property
    def record(self) -> TurnRecord:
        assert self.fillers.turn is not None
        return self.fillers.turn.record


@contextlib.asynccontextmanager
async def calling(
    bank: ClipBank,
    *script: Answer,
    config: dict[str, Any] = LADDER,
    rig: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    **arguments: Any,
) -> AsyncIterator[Call]:
    """Run a pipeline with fillers."""
    clock = LoopClock(asyncio.get_running_loop())
    with FillerManager(stopgap.load_config(config), clock=clock, bank=bank) as manager:
        held: list[Call] = []
        fillers = PipecatFillers(
            manager,
            on_filler=lambda turn, sound: held[0].sounds.append((turn, sound)),
            on_turn=lambda record: held[0].turns.append(record),
            **arguments,
        )
        settings = {"audio_out_enabled": True, "audio_out_end_silence_secs": 0, "audio_out_mixer": fillers.mixer}
        transport = TransportParams(**{**settings, **(params or {})})
        async with running(script, params=transport, before_output=fillers.processor, **(rig or {})) as real:
            held.append(Call(real, fillers, manager))
            ticking = asyncio.create_task(held[0].tick())
            yield held[0]
            ticking.cancel()


def virtually(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(main)


def onset(rig: Rig, after: float) -> float:
    """Return when a filler was first heard after *after*."""
    chunk = next(chunk for chunk in rig.written(after) if chunk.fillers.any())
    return float(chunk.at + np.flatnonzero(chunk.fillers)[0] / RATE)

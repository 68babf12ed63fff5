"""Out of a session's chain of outputs, once nothing uses the way through the fillers any more."""

import asyncio
from collections.abc import Iterable
from typing import Any

from livekit.agents import AgentSession, SpeechCreatedEvent
from livekit.agents.voice import SpeechHandle

from ._output import FillerAudioOutput
from ._placement import remove


class Departure:
    """Retires an output, and takes it out of its session's chain when that cuts nothing off.

    A speech holds on to the output that there was when it was created, and waits for what that tells. So the output
    stays, and passes speech on, until all speeches are over and the sink has played everything.

    Args:
        session: Of the framework.
        output: Leaves.
        speeches: Those that are not over.
    """

    def __init__(self, session: AgentSession[Any], output: FillerAudioOutput, speeches: Iterable[SpeechHandle]) -> None:
        self._session, self._output = session, output
        self._speeches: set[SpeechHandle] = set()
        self._gone = False
        for speech in speeches:
            self._wait_for(speech)
        session.on("speech_created", self._created)
        output.retire(self._try)
        self._try()

    def _created(self, event: SpeechCreatedEvent) -> None:
        self._wait_for(event.speech_handle)

    def _wait_for(self, speech: SpeechHandle) -> None:
        self._speeches.add(speech)
        speech.add_done_callback(self._over)

    def _over(self, speech: SpeechHandle) -> None:
        self._speeches.discard(speech)
        asyncio.get_running_loop().call_soon(self._try)

    def _try(self) -> None:
        if self._gone or self._speeches or self._session.current_speech is not None:
            return
        if remove(self._session.output, self._output):
            self._gone = True
            self._session.off("speech_created", self._created)

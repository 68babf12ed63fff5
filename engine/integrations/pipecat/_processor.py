"""The place before the transport's output: deadlines, and the handoff."""

import asyncio
from collections.abc import Callable

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    SpeechOutputAudioRawFrame,
    StopFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    UserMuteStartedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from ._dialogue import SETTLE_S, Dialogue
from ._instant import ended_at
from ._models import models_before
from ._observer import AgentObserver
from ._pace import Pace
from ._speech import is_reply, without_claim
from ._trouble import Trouble


class FillerProcessor(FrameProcessor):
    """Stands directly before ``transport.output()`` and passes everything on; silence of a stream, as plain audio.

    What must happen in time happens here, within the call: fillers fade when the reply's first audio passes, when the
    user speaks, and at an interruption. Pipecat hands system frames to it at once even while a handoff holds the
    reply, and an interruption drops what is held, with what is queued behind it.

    Args:
        dialogue: Is told.
        observer: Is attached to the pipeline's worker.
        pace: Is told of interruptions.
        trouble: Where errors end.
        handoff_s: s that the reply's first audio may be held until fillers have yielded; None: it is not held.
        models: That answer the user. Empty: those which stand in line before this.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        observer: AgentObserver,
        pace: Pace,
        trouble: Trouble,
        *,
        handoff_s: float | None,
        models: frozenset[FrameProcessor],
    ) -> None:
        super().__init__(name="StopgapFillers")
        self.running = False
        """Whether it is in a pipeline that was set up."""
        self.held_too_long = 0
        """Replies whose handoff was cut short."""
        self._dialogue = dialogue
        self._observer = observer
        self._pace = pace
        self._trouble = trouble
        self._handoff_s = handoff_s
        self._models = models

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]  # as all of Pipecat does
        """Join a pipeline: its worker gets the observer."""
        await super().setup(setup)
        if self.running:
            self._trouble.warn(
                "a second pipeline",
                "its processor is in two pipelines, which Pipecat cannot do; make a PipecatFillers for each",
            )
            return
        self.running = True
        with self._trouble.kept_in("attaching the observer"):
            self._observer.models = self._models or models_before(self)
            setup.pipeline_worker.add_observer(self._observer)

    async def cleanup(self) -> None:
        """Leave the pipeline."""
        self.running = False
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take in *frame*, and pass it on."""
        with self._trouble.kept_in("the processor"):
            self._hear(frame)
        await super().process_frame(frame, direction)
        if self._handoff_s is not None:
            with self._trouble.kept_in("the handoff"):
                if is_reply(frame):
                    await self._hand_over(self._handoff_s)
        with self._trouble.kept_in("the processor"):
            if not self._dialogue.bot_speaks:
                frame = without_claim(frame)
        await self.push_frame(frame, direction)

    def _hear(self, frame: Frame) -> None:
        dialogue = self._dialogue
        match frame:
            case TTSAudioRawFrame() | SpeechOutputAudioRawFrame():
                if self._handoff_s is None and is_reply(frame):
                    dialogue.reply()
            case InterruptionFrame():
                self._pace.interrupted()
                dialogue.interrupted()
            case VADUserStartedSpeakingFrame():
                dialogue.speech_began()
            case VADUserStoppedSpeakingFrame(timestamp=decided_at, stop_secs=stop_s):
                dialogue.speech_ended(ended_at(dialogue.now(), decided_at, stop_s))
            case UserStartedSpeakingFrame():
                dialogue.turn_started()
            case UserStoppedSpeakingFrame():
                dialogue.turn_stopped()
            case UserMuteStartedFrame():  # the end of what is being said will not be told
                dialogue.passed_by()
            case TTSStartedFrame():
                dialogue.tts_started()
            case LLMFullResponseEndFrame():
                self._soon(dialogue.response_passed)
            case BotStartedSpeakingFrame():
                dialogue.bot_started()
            case BotStoppedSpeakingFrame():
                dialogue.bot_stopped()
                self._soon(dialogue.settle)
            case EndFrame() | StopFrame() | CancelFrame():
                dialogue.over("the pipeline ended")

    def _soon(self, call: Callable[[], None]) -> None:
        def guarded() -> None:
            with self._trouble.kept_in("the processor"):
                call()

        asyncio.get_running_loop().call_later(SETTLE_S, guarded)

    async def _hand_over(self, longest_s: float) -> None:
        turn = self._dialogue.reply_held()
        if turn is None:
            return
        try:
            async with asyncio.timeout(longest_s):
                await turn.hand_over()
        except TimeoutError:
            self.held_too_long += 1

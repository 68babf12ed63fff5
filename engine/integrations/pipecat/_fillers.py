"""The one object that an author makes."""

from collections.abc import Callable

from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessor

from ..._manager import FillerManager
from ..._session import Session
from ..._turn import Turn
from .._versions import warn_if_untested
from ._arguments import check, longest_handoff_s
from ._context import ContextNotes
from ._dialogue import Dialogue
from ._mixer import FillerMixer
from ._observer import AgentObserver
from ._pace import Pace
from ._processor import FillerProcessor
from ._report import LoopReporter, OnFiller, OnTurn
from ._slot import SessionSlot
from ._tap import OnBlock, OutputTap
from ._trouble import Trouble
from ._turns import NewestTurn

TESTED = ("1.14", "1.14")


class PipecatFillers:
    """Fillers for a Pipecat pipeline: its mixer goes to the transport, its processor before the transport's output.

    ::

        fillers = PipecatFillers(manager, agent="gpt-4o-mini")
        transport = SomeTransport(params=TransportParams(audio_out_enabled=True, audio_out_mixer=fillers.mixer, ...))
        pipeline = Pipeline([transport.input(), stt, user, llm, tts, fillers.processor, transport.output(), assistant])

    Everything else stays as it is. Make one for each pipeline; the manager is the process's.

    **What it hears.** The raw end of speech opens a turn, back-dated to when the voice fell silent
    (``VADUserStoppedSpeakingFrame``: its time less ``stop_secs``); ``UserStoppedSpeakingFrame`` confirms it, speech
    that goes on takes it back. Model and tools are observed where they are; for that the processor attaches an
    observer to its pipeline's worker. Speculative requests are no news. The reply's first audio, an interruption and
    the user's voice are heeded within the call that brings them. Where no voice activity detection is in the pipeline,
    the turn begins with ``UserStoppedSpeakingFrame``, or when you call `begin`.

    **What it plays.** Fillers are added in the mixer, chunk by chunk (Pipecat's default: 40 ms). They never go through
    the pipeline's queues, so no reply waits for them, no bot-speaking frame tells of them, no metric and no idle timer
    counts them. A chunk that was written already cannot be taken back: after an interruption or with a reply, what
    sounds of a filler is that chunk and a fade of 20 ms. While the event loop is blocked the transport gets no sound;
    what a filler would have said meanwhile comes later by that time, and not in a burst. Some transports take sound
    faster than it is heard: LiveKit's until its queue is full, Vonage's, Tavus's. There silence and fillers are held to
    the pace of time, and the reply is heard at most two chunks later than without a mixer, not the whole queue. A
    small queue is still advisable, ``LiveKitParams(audio_out_queue_size_ms=200)``: Pipecat takes the bot for silent,
    and a further wait for begun, when all is written, before it is heard.

    **Handoff.** With ``handoff=False`` the reply goes its own way, and fillers fade beneath its first 20 ms. With
    ``handoff=True`` the processor holds the reply's first audio until fillers have yielded by the configuration's
    ``[handoff]``, at most as long as that says: a phrase is not cut off. What follows the reply waits behind it, in
    order; system frames do not; an interruption drops it all.

    **Further waits.** When what the agent said has been heard, and a tool or the model is still at work, that is a
    further wait and gets its own fillers. For a tool that Pipecat does not cancel on interruption
    (``cancel_on_interruption=False``) nobody waits if the model said something with it: the conversation goes on. If
    it was called without a word, it is waited for until something is said. After a tool with whose result the model is
    not asked (an empty one, or ``run_llm=False``) a wait ends 1.5 s later, unless something begins.

    Nothing that goes wrong here raises into the pipeline: one logged warning, and a counter.

    Args:
        manager: Of the process.
        mixer: The mixer that the transport has at present, for example Pipecat's ``SoundfileMixer``; it goes on.
        agent: Agent or model that answers; its waits are learned apart.
        llm: The processor that answers the user; None: the model services which stand in line before `processor`. Other
            models, in branches of the pipeline, say, are not heeded; where none stands in line, all are.
        language: BCP 47 tag of the clips; None: the configuration's. See `language`.
        voice: Voice of the clips; None: the configuration's. See `voice`.
        handoff: Whether the reply is held until fillers have yielded.
        append_to_context: Whether what was heard of a turn's fillers is put into the model's context, behind the
            question, as one message of the assistant's that begins with ``[filler]``. It is never the last one.
        on_filler: Called on the event loop with a turn's id and a `SoundRecord` when a filler begins (``end_s`` is
            None) and when it has ended. A function, or a coroutine function.
        on_turn: Called on the event loop with the `TurnRecord` of each turn that is over, likewise.
        latency_ms: ms from the transport's write to the user's ear, if known: times in turn records become those of
            hearing.
        channels: Of the transport's sound: its ``audio_out_channels``.

    Raises:
        UsageError: if an argument is not that.
    """

    def __init__(
        self,
        manager: FillerManager,
        *,
        mixer: BaseAudioMixer | None = None,
        agent: str | None = None,
        llm: FrameProcessor | None = None,
        language: str | None = None,
        voice: str | None = None,
        handoff: bool = False,
        append_to_context: bool = False,
        on_filler: OnFiller | None = None,
        on_turn: OnTurn | None = None,
        latency_ms: float = 0.0,
        channels: int = 1,
    ) -> None:
        check(manager, mixer, llm, latency_ms, channels)
        warn_if_untested("pipecat-ai", TESTED)
        self._trouble = Trouble()
        self._notes = ContextNotes(self._turn_id) if append_to_context else None
        noted = [] if self._notes is None else [self._notes.on_filler]
        ended = [] if self._notes is None else [self._notes.on_turn]
        self._reporter = LoopReporter([*noted, on_filler], [*ended, on_turn], self._trouble)
        self._slot = SessionSlot(
            manager, self._reporter, owns_reply=handoff, latency_s=latency_ms / 1000.0, language=language, voice=voice
        )
        self._tap = OutputTap(self._trouble)
        self._newest = NewestTurn(
            lambda: self._slot.session, manager.clock.now, agent=agent, language=language, voice=voice
        )
        self._dialogue = Dialogue(self._newest)
        pace = Pace(manager.clock.now)
        observer = AgentObserver(self._dialogue, self._use_context, self._trouble)
        self._processor = FillerProcessor(
            self._dialogue, observer, pace, self._trouble,
            handoff_s=longest_handoff_s(manager) if handoff else None,
            models=frozenset() if llm is None else frozenset([llm]),
        )  # fmt: skip
        self._mixer = FillerMixer(
            self._slot, self._dialogue, pace, self._trouble, self._tap, chained=mixer, channels=channels,
            alone=lambda: not self._processor.running,
        )  # fmt: skip

    @property
    def mixer(self) -> BaseAudioMixer:
        """For ``TransportParams(audio_out_mixer=...)``."""
        return self._mixer

    @property
    def processor(self) -> FrameProcessor:
        """For the pipeline, directly before ``transport.output()``."""
        return self._processor

    @property
    def session(self) -> Session | None:
        """The conversation, from the transport's start to its stop; None else. Another start opens another one."""
        return self._slot.session

    @property
    def turn(self) -> Turn | None:
        """The newest turn."""
        return self._newest.turn

    @property
    def waiting(self) -> bool:
        """Whether a reply is pending: hold what would ask "are you still there?" meanwhile."""
        return self._dialogue.waiting

    @property
    def filler_sounding(self) -> bool:
        """Whether a filler sounds, as of the last chunk: raise a voice activity detector's threshold meanwhile."""
        return self._mixer.sounding

    @property
    def agent(self) -> str | None:
        """Agent or model that answers, from the next turn on."""
        return self._newest.agent

    @agent.setter
    def agent(self, agent: str | None) -> None:
        self._newest.agent = agent

    @property
    def language(self) -> str | None:
        """BCP 47 tag of the clips, from the next turn on; None: the session's."""
        return self._newest.language

    @language.setter
    def language(self, language: str | None) -> None:
        self._newest.language = language

    @property
    def voice(self) -> str | None:
        """Voice of the clips, from the next turn on; None: the session's."""
        return self._newest.voice

    @voice.setter
    def voice(self, voice: str | None) -> None:
        self._newest.voice = voice

    def begin(self, *, speech_ended_at: float | None = None) -> Turn | None:
        """Open a turn by hand, where no frames tell of it: a question in text, a turn detection of your own.

        Args:
            speech_ended_at: s on the manager's clock; None: now.

        Returns:
            The turn, which goes on with what the pipeline tells; None before the transport has started.
        """
        with self._trouble.kept_in("begin"):
            return self._dialogue.begin(speech_ended_at)
        return None

    def tap(self, on_block: OnBlock) -> Callable[[], None]:
        """Call *on_block* with each chunk as the transport gets it, for echo cancellers.

        That is the sum: the reply, what the user's own mixer adds, and fillers. It is called on the event loop, before
        the chunk is written, and should be quick. `TapBlock.frame` counts on the session's frames (0 before there is
        one), and ``fillers.session.output.time_of(frame)`` tells when it is heard.

        Returns:
            What ends it.
        """
        return self._tap.add(on_block)

    def statistics(self) -> dict[str, float]:
        """Return counters: chunks (mixed), unmixed (of a second transport), sessions (opened), errors (kept from the
        pipeline), unannounced (replies that did not pass the processor), held_too_long (handoffs cut short)."""
        return {
            "chunks": self._mixer.chunks,
            "unmixed": self._mixer.unmixed,
            "sessions": self._slot.opened,
            "errors": self._trouble.count,
            "unannounced": self._dialogue.unannounced,
            "held_too_long": self._processor.held_too_long,
        }

    def _turn_id(self) -> str | None:
        return None if self._newest.turn is None else self._newest.turn.id

    def _use_context(self, context: LLMContext) -> None:
        if self._notes is not None:
            self._notes.use(context)

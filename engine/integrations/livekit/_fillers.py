"""Fillers for an `AgentSession`."""

import asyncio
import time
from typing import Any
from weakref import WeakKeyDictionary

from livekit.agents import AgentSession

from ....fillers import UsageError
from ..._manager import FillerManager
from ..._session import Session
from ..._turn import Turn
from ...turns import TurnRecord
from .._versions import warn_if_untested
from ._context import append_fillers
from ._conversation import Conversation
from ._events import SessionEvents
from ._manner import Manner
from ._reports import LoopReports, OnFiller, OnTurn
from ._tap import PlayedFrame

TESTED = ("1.8.9", "1.8.9")
"""The oldest and the newest version of livekit-agents that this was tested with."""
LEAD_MS = (40.0, 1000.0)
_attached: "WeakKeyDictionary[AgentSession[Any], LiveKitFillers]" = WeakKeyDictionary()


class LiveKitFillers:
    """Fills the waits of an `AgentSession`, on the agent's own audio track.

    ::

        session = AgentSession(stt=..., llm=..., tts=..., vad=...)
        fillers = LiveKitFillers(manager)
        fillers.attach(session)
        await session.start(agent=..., room=ctx.room)

    All else stays as it is. A turn begins where the user's speech ended, as the session's detector tells it; what the
    agent does is told by the session's events and, unless *watch_nodes* is False, by its agents' ``llm_node``,
    ``tts_node`` and ``on_user_turn_completed``, whoever wrote them. Fillers come in directly in front of the sink,
    behind transcription and recording: they are no speech to the session, change no state of it, and do not wait in its
    queue. The agent's speech passes unchanged; its first frame waits until a filler that sounds has yielded, as
    ``[handoff]`` says, and behind the *lead_ms* of it that the sink holds. Where none sounds it waits for nothing.

    Who speaks into a wait holds it: sound stops. Whether that was an interruption the session decides. By default it
    takes any words for one and answers anew; with ``turn_handling={"interruption": {"min_words": 2}}`` an "ok" is none.

    An instance serves one session at a time. When the session closes it is detached; it may be attached to another.

    Args:
        manager: Of the process.
        agent: Name under which waits are learned; None: the language model's.
        language: Of the clips, a BCP 47 tag; None: the one that the STT tells, else the configuration's.
        voice: Of the clips; None: the configuration's.
        on_filler: Called on the event loop with a turn's id and a `SoundRecord`, when a filler begins and ends.
        on_turn: Called on the event loop with the `TurnRecord` of a turn that is over.
        append_to_context: Whether to add what was heard of the fillers to the agent's chat context, after the turn, as
            a message of its own whose ``extra`` has ``stopgap_filler``. Else the context knows nothing of them.
        lead_ms: ms of a filler that the sink is given ahead, 40 to 1,000. So long may the event loop be blocked without
            the filler stuttering; so much later, at most, begins speech that a filler has to yield to, as its record
            says. The console plays nothing of which it does not hold 300 ms: there the lead is no less than that.
            Where the sink's rate is not the session's, 40 ms more are on their way through the resampler (at 8 kHz 75).
        watch_nodes: Whether to wrap the nodes of the session's agents. Without it the first token is not known.
        id: The stopgap session's name; None: counted.

    Raises:
        UsageError: if *lead_ms* is out of its range.
    """

    def __init__(
        self,
        manager: FillerManager,
        *,
        agent: str | None = None,
        language: str | None = None,
        voice: str | None = None,
        on_filler: OnFiller | None = None,
        on_turn: OnTurn | None = None,
        append_to_context: bool = False,
        lead_ms: float = 60.0,
        watch_nodes: bool = True,
        id: str | None = None,
    ) -> None:
        if not LEAD_MS[0] <= lead_ms <= LEAD_MS[1]:
            raise UsageError(f"lead_ms={lead_ms!r} must lie between {LEAD_MS[0]:g} and {LEAD_MS[1]:g}")
        warn_if_untested("livekit-agents", TESTED)
        self._manager, self._id = manager, id
        self._manner = Manner(agent, language, voice, lead_ms / 1000.0)
        self._on_filler, self._on_turn = on_filler, on_turn
        self._append, self._watch_nodes = append_to_context, watch_nodes
        self._agent_session: AgentSession[Any] | None = None
        self._conversation: Conversation | None = None
        self._events: SessionEvents | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # The session -------------------------------------------------------------------------------------------------

    def attach(self, session: AgentSession[Any]) -> None:
        """Fill the waits of *session* from now on; call it on its event loop, before or after ``session.start``.

        Does nothing if that is so already.

        Raises:
            UsageError: without a running event loop, while this is attached to another session, or if *session* has
                fillers of another instance.
        """
        if self._agent_session is session:
            return
        if self._agent_session is not None:
            raise UsageError("these fillers are attached to another session; make a LiveKitFillers for each session")
        if session in _attached:
            raise UsageError("the session has fillers already; detach those, or use them")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError("attach needs the session's event loop; call it in the entrypoint") from None
        told = [*([self._on_turn] if self._on_turn is not None else []), *([self._said] if self._append else [])]
        reports = LoopReports(loop, self._on_filler, tuple(told))
        self._conversation = Conversation(self._manager, session, self._manner, reports, self._id)
        self._agent_session = session
        self._events = SessionEvents(session, self._conversation, watch_nodes=self._watch_nodes, on_close=self.detach)
        _attached[session] = self
        self._conversation.place()

    def detach(self) -> None:
        """Leave the session as it was: a filler stops at once, the speech of the agent goes on.

        Where the agent has begun to answer, its output is put back once that is over.
        """
        if self._agent_session is None or self._conversation is None or self._events is None:
            return
        self._events.release()
        self._conversation.close()
        _attached.pop(self._agent_session, None)
        self._agent_session = self._events = None

    async def aclose(self) -> None:
        """Detach, and wait until what was heard is in the chat context, if it goes there."""
        self.detach()
        await asyncio.sleep(0)
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # Looking in --------------------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The stopgap session; the last one, once detached.

        Raises:
            UsageError: if this was never attached.
        """
        return self._last.session

    @property
    def waiting(self) -> bool:
        """Whether the user waits for the agent: hold timers that would ask "are you still there?" meanwhile."""
        return self._conversation is not None and self._conversation.session.waiting

    @property
    def filler_sounding(self) -> bool:
        """Whether a filler is heard now: raise a detector's threshold meanwhile."""
        return self._conversation is not None and self._conversation.tap.filler_sounding

    def begin(self, *, speech_ended_at: float | None = None, agent: str | None = None) -> Turn:
        """Begin a wait that no speech of the user's precedes, for example before ``session.generate_reply``.

        The agent's next speech is the reply; its end ends the turn, if it comes of ``generate_reply``.

        Args:
            speech_ended_at: s on the manager's clock; None: now.
            agent: Name under which the wait is learned; None: as always.

        Raises:
            UsageError: if this is not attached, or *speech_ended_at* lies in the future.
        """
        if self._agent_session is None:
            raise UsageError("begin before attach; attach the fillers to an AgentSession first")
        return self._last.begin(speech_ended_at, agent)

    def open_tap(self, seconds: float = 1.0) -> None:
        """Keep what the sink is given from now on, the agent's speech and fillers, up to *seconds*, for `read_tap`.

        Raises:
            UsageError: if this was never attached.
        """
        self._last.tap.open(seconds)

    def read_tap(self) -> list[PlayedFrame]:
        """Return what was played since the last call: the reference for an echo canceller.

        Raises:
            UsageError: if this was never attached.
        """
        return self._last.tap.read()

    def statistics(self) -> dict[str, float]:
        """Return counters: those of `Session.statistics`, and these.

        ``frames_pulled`` and ``frames_played`` of 20 ms (the others were silent); ``stalls``: blocks of the event loop
        that a filler did not outlast; ``replies_held`` until a filler had yielded; ``outputs_placed``: sinks that the
        session had; ``end_of_turn_delay_ms``: of the last turn, as the session tells it; ``errors``, see the log.

        Raises:
            UsageError: if this was never attached.
        """
        return self._last.statistics()

    @property
    def _last(self) -> Conversation:
        if self._conversation is None:
            raise UsageError("there is no session yet; attach the fillers to an AgentSession first")
        return self._conversation

    def _said(self, record: TurnRecord) -> None:
        """Add what was heard to the context."""
        if not record.filler_text or self._agent_session is None:
            return
        first = min(sound.start_s for sound in record.sounds if sound.text)
        said_at = self._last.wall_time(record.speech_ended_at + first, time.time())
        try:
            agent = self._agent_session.current_agent
        except RuntimeError:  # the session is over
            return
        task = asyncio.create_task(append_fillers(agent, record, said_at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

"""One `AgentSession` and the stopgap session beside it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice import io

from ..._listeners import Listener
from ..._manager import FillerManager
from ..._session import Session
from ..._turn import Turn
from ...outputs import FrameOutput
from ._answers import Answers
from ._fillergate import FillerGate
from ._leaving import Departure
from ._manner import Manner, language_heard, model_of, rate_of, speech_of
from ._output import FillerAudioOutput
from ._placement import place, prebuffer_s
from ._pump import FRAME_MS, FillerPump
from ._steps import Begin, Cancel, Commit, Finish, Hold, Resume, Retract, Step, Tell, WaitAgain
from ._tap import SinkTap
from ._timers import AwayGuard, Timers
from ._turns import GIVE_UP_S, RESUME_S, TurnWatch

logger = logging.getLogger("stopgap")


class Conversation:
    """Does what `TurnWatch` asks for, on the event loop. Nothing that goes wrong here is raised.

    Args:
        manager: Whose session.
        agent_session: Of the framework.
        manner: How fillers are chosen.
        listener: Is told what is heard.
        id: The session's name; None: counted.
    """

    def __init__(
        self,
        manager: FillerManager,
        agent_session: AgentSession[Any],
        manner: Manner,
        listener: Listener,
        id: str | None,
    ) -> None:
        self.watch = TurnWatch()
        self.turn: Turn | None = None
        self.output: FillerAudioOutput | None = None
        self.language = manner.language
        """Of the next turn's clips; None: the configuration's."""
        self.counts = {"replies_held": 0, "outputs_placed": 0, "errors": 0, "end_of_turn_delay_ms": 0.0}
        self.tap = SinkTap(manager.clock.now)
        self.answers = Answers(agent_session)
        self._manager, self._agent_session, self._manner = manager, agent_session, manner
        self._loop = asyncio.get_running_loop()
        self._timers = Timers()
        self.later = self._timers.later
        self._away = AwayGuard(agent_session, self._awaited, manager.config.limits.max_wait_s)
        self._gate = FillerGate(self)
        self._closed = False
        self._behind_speech = False
        """Whether fillers are held because the agent still says something."""
        frames = FrameOutput(rate_of(agent_session), FRAME_MS)
        self.session: Session = manager.session(
            frames, id=id, language=manner.language, voice=manner.voice, listener=listener
        )
        self.pump = FillerPump(self.session, frames, manner.lead_s, self._away.look, self.failed)

    def now(self) -> float:
        """Return the time, s on the manager's clock."""
        return self._manager.clock.now()

    def wall_time(self, at: float, wall_now: float) -> float:
        """Return *at*, s on the manager's clock, as s of the wall clock, which reads *wall_now*."""
        return wall_now - (self.now() - at)

    # Steps -------------------------------------------------------------------------------------------------------

    def guarded(self, what: Callable[[], object]) -> None:
        """Call *what*; whatever it raises goes no further."""
        try:
            what()
        except Exception as exc:
            self.failed(exc)

    def failed(self, exc: Exception) -> None:
        """Something went wrong with fillers: it is counted, and the first time logged."""
        self.counts["errors"] += 1
        if self.counts["errors"] == 1:
            logger.error("fillers failed; the agent goes on", exc_info=exc)

    def do(self, steps: list[Step]) -> None:
        """Do what is asked for."""
        for step in steps:
            self.guarded(lambda step=step: self._do(step))  # type: ignore[misc]

    def _do(self, step: Step) -> None:
        turn = self.turn
        match step:
            case Begin():
                self._begin(step.at, tentative=True)
            case Hold():
                self.session.user_speaking()
            case Resume():
                if not self._behind_speech:
                    self.pump.settle()
                    self.session.resume()
            case _ if turn is None:
                return
            case Commit():
                self.pump.settle()
                turn.commit()
            case Tell():
                turn.milestone(step.name, tool=step.tool, at=step.at)
            case WaitAgain():
                self.pump.settle()
                turn.wait_again()
                self._away.wait_began(self._loop.time())
            case Finish():
                turn.finish()
            case Retract():
                turn.retract()
            case Cancel():
                turn.cancel(step.reason)
                self.silence()
        self.pump.kick()

    def begin(self, speech_ended_at: float | None, agent: str | None) -> Turn:
        """Begin a turn by hand."""
        self.watch.begun_by_hand()
        self.place()
        turn = self._begin(self.now() if speech_ended_at is None else speech_ended_at, tentative=False, agent=agent)
        self.pump.kick()
        return turn

    def _begin(self, at: float, *, tentative: bool, agent: str | None = None) -> Turn:
        self.place()
        self.pump.start()
        self.pump.settle()
        self.turn = self.session.begin(
            speech_ended_at=min(at, self.now()),
            agent=agent or self._manner.agent or model_of(self._agent_session),
            language=self.language,
            tentative=tentative,
        )
        self._behind_speech = self.pump.sink is not None and self.output is not None and self.output.speaks
        if self.pump.sink is None or self._behind_speech:
            self.session.user_speaking()  # nobody would hear them: fillers are held until the next turn, or that's end
        self._away.wait_began(self._loop.time())
        self.later("give up", GIVE_UP_S, self._perhaps_give_up)
        return self.turn

    def _perhaps_give_up(self) -> None:
        self.do(self.watch.nobody_answers(pending=self.answers.pending))
        if self.watch.phase != "idle":
            self.later("give up", GIVE_UP_S, self._perhaps_give_up)

    def hears(self, language: str | None) -> None:
        """The STT says what the user speaks: clips are of that language from now on, if nobody asked for one."""
        if self._manner.language is None and language is not None:
            self.language = language_heard(language, self._manager.config.language)

    def user_paused(self) -> None:
        """What the user said into a wait may have been an interruption; if it was, that will be known soon."""
        if self.watch.held:
            self.later("patience", RESUME_S, lambda: self.do(self.watch.false_alarm()))

    # The output --------------------------------------------------------------------------------------------------

    def place(self) -> None:
        """See to it that fillers have a way into whatever audio output the session has now."""
        self.guarded(self._place)

    def _place(self) -> None:
        if self._closed:
            return
        outputs = self._agent_session.output
        output = place(outputs, self._gate, self._make_output, speaks=self._agent_session.current_speech is not None)
        if output is not None and output is not self.output:
            if self.output is not None:
                self.output.retire()
            self.output = output
            self.counts["outputs_placed"] += 1
        if output is not None:
            self.pump.lead_s = max(self._manner.lead_s, prebuffer_s(output))
        self.pump.sink = self.output if outputs.audio_enabled else None

    def _make_output(self, sink: io.AudioOutput) -> FillerAudioOutput:
        like = speech_of(self._agent_session) if self.output is None else self.output.like
        return FillerAudioOutput(
            sink, self._gate, rate=self.session.rate, like=like, tap=self.tap, prebuffer_s=lambda: prebuffer_s(sink)
        )

    def replied(self) -> None:
        """The agent answers; if not through the output (in text, say), fillers yield now."""
        if self.watch.agent_speaks() and self.turn is not None:
            self.turn.reply_started()
            self.pump.kick()

    def place_soon(self) -> None:
        """Perhaps the way is not there any more: look, once whoever changes outputs is done."""
        if not self._closed:
            self._loop.call_soon(self.place)

    def played_out(self) -> None:
        """The sink has come to the end of something: fillers that were held for it may come now."""
        if self._behind_speech and self.output is not None and not self.output.speaks:
            self._behind_speech = False
            if not self.watch.held and not self._gate.held:
                self.do([Resume()])

    def silence(self) -> None:
        """Nothing of a filler is heard any more, as of now."""
        if self.output is not None:
            self.output.drop_fillers()
        self.pump.drop()

    # The rest ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the conversation: nothing sounds, the agent's speech goes on."""
        if self._closed:
            return
        self.do(self.watch.closed())
        self._closed = True
        self._timers.cancel()
        self.pump.stop()
        if self.output is not None:
            output = self.output
            self.guarded(lambda: Departure(self._agent_session, output, self.answers.speeches))
        self.guarded(self.session.close)

    def statistics(self) -> dict[str, float]:
        return {
            **self.session.statistics(),
            **self.counts,
            "frames_pulled": self.pump.pulled,
            "frames_played": self.pump.played,
            "stalls": self.pump.stalls,
        }

    def _awaited(self) -> bool:
        """Whether the user waits for somebody who may answer."""
        return self.watch.phase == "waiting" and (self.answers.pending or self.watch.by_hand)

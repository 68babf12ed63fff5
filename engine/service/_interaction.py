"""One interaction: what the user sent, fillers while the agent works, the answer, and what is stored in the end."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from ...fillers import UsageError
from .. import Clock, Session
from ._actions import Action, ActionTooLong, AnyAction, Sites
from ._agents import Agent, AgentRequest, Answer, EndConversation, Milestone, Speech, UserSaid
from ._events import (
    ConversationCreated,
    CurrentAgentAction,
    Event,
    Failed,
    InteractionComplete,
    NewMessage,
    UserMessageAvailable,
)
from ._filter import ActionFilter
from ._pump import Pump
from ._reply import Reply, pieces
from ._settings import ServiceSettings
from ._sites import FillerContents, agent_name, site_name

logger = logging.getLogger("stopgap.service")

EVENTS_WAITING = 64
"""Events that wait for a slow client before the agent has to, too."""
MOST_ACTIONS = 1000
"""Actions of an interaction that are stored."""


@dataclass(frozen=True, slots=True)
class Result:
    """A complete interaction, as it is stored."""

    user_message_id: str | None
    user_message: str | None
    """None where the user said nothing."""
    message_id: str
    message: str
    conversation_completed: bool
    actions: tuple[dict[str, Any], ...]
    turn: dict[str, Any]
    """`TurnRecord.as_dict`."""


class Unit(Protocol):
    """What is stored whole or not at all."""

    async def complete(self, result: Result) -> str:
        """Store everything in one go; return the interaction's id."""
        ...

    async def release(self) -> None:
        """Let the conversation go; nothing that was not completed stays."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """An agent, and what the process has for all of its interactions."""

    name: str
    settings: ServiceSettings
    agent: Agent
    contents: FillerContents
    pump: Pump
    clock: Clock
    answer_s: float


class InteractionError(Exception):
    """Ends an interaction with an ``error`` event."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status


class Interaction:
    """Runs an agent for one message of the user. `start` it, and read `events`.

    Args:
        service: Who answers.
        request: What is asked.
        session: The conversation's. Its output does not own the reply.
        unit: Where the result is stored.
        wanted: Which actions the caller hears of; None: of none.
        creates: Whether the conversation begins with this: the events then begin with it, too.
    """

    def __init__(
        self,
        service: Service,
        request: AgentRequest,
        session: Session,
        unit: Unit,
        *,
        wanted: ActionFilter | None,
        creates: bool,
    ) -> None:
        self._service, self._request, self._session, self._unit = service, request, session, unit
        self._wanted, self._creates = wanted, creates
        self._events: asyncio.Queue[Event | None] = asyncio.Queue(EVENTS_WAITING)
        self._turn = session.begin(agent=agent_name(service.name, request.response_format))
        self._reply = Reply(self._turn, service.clock, voice=request.response_format == "voice")
        self._sites = Sites()
        self._actions: list[dict[str, Any]] = []
        self._heard = 0
        """Fillers of the turn that have been sent."""
        self._started = session.fillers_started
        self._again: asyncio.TimerHandle | None = None
        self._message_id, self._sequence = secrets.token_hex(12), 0
        self._user_message_id: str | None = None
        self._user_text = request.text
        self._ends = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> "asyncio.Task[None]":
        """Ask the agent; return what ends when everything is done."""
        self._task = asyncio.create_task(self._run(), name="stopgap-interaction")
        return self._task

    async def events(self) -> AsyncIterator[Event]:
        """Yield what happens, up to the interaction's end."""
        while (event := await self._events.get()) is not None:
            yield event

    def cancel(self) -> None:
        """The client is gone: stop the agent, store nothing."""
        if self._task is not None:
            self._task.cancel()

    def look(self) -> None:
        """Send the fillers that have started. Called while the answer is pending, every few ms."""
        if self._turn.waiting:
            self._session.tick()
            self._tell_fillers()

    def _tell_fillers(self) -> None:
        if self._session.fillers_started == self._started:
            return
        self._started = self._session.fillers_started
        sounds = self._turn.record.sounds
        for sound in sounds[self._heard :]:
            since = None if self._sites.latest is None else _dumped(self._sites.latest)
            contents = self._service.contents
            self._note({"type": "action-too-long", "filler": contents.of(sound.clip, "text"), "clip": sound.clip,
                        "previously_started_event": since})  # fmt: skip
            filler = contents.of(sound.clip, self._request.response_format)
            self._tell_nowait(ActionTooLong(filler=filler, previously_started_event=since))
        self._heard = len(sounds)

    # The agent ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        self._service.pump.add(self)
        try:
            await self._answer()
            await self._complete()
            await self._events.put(None)
        except asyncio.CancelledError:
            self._turn.cancel("the client is gone")
            self._fail_nowait(503, "the interaction was stopped")
            raise
        except InteractionError as exc:
            await self._fail(exc.status, str(exc))
        except TimeoutError:
            await self._fail(500, f"the agent took longer than {self._service.answer_s:g} s")
        except Exception:
            logger.exception("interaction failed", extra={"conversation_id": self._request.conversation_id})
            await self._fail(500, "the agent failed; nothing of this interaction was stored")
        finally:
            self._service.pump.remove(self)
            if self._again is not None:
                self._again.cancel()
            await asyncio.shield(self._unit.release())

    async def _answer(self) -> None:
        if self._creates:
            await self._events.put(ConversationCreated(conversation_id=self._request.conversation_id))
        elif self._request.text is not None:
            await self._user_said(self._request.text)
        async with asyncio.timeout(self._service.answer_s):
            async with contextlib.aclosing(self._service.agent(self._request)) as answers:
                async for answer in answers:
                    await self._take(answer)

    async def _take(self, answer: Answer) -> None:
        match answer:
            case str():
                await self._send(self._reply.take_text(answer))
            case Speech():
                await self._send(self._reply.take_speech(answer))
            case Action():
                await self._did(answer)
            case Milestone(name, tool):
                self._turn.milestone(name, tool=tool and site_name(self._service.name, self._service.settings, tool))
            case UserSaid(text):
                self._user_text = text
                if not self._creates:
                    await self._user_said(text)
            case EndConversation():
                self._ends = True
            case _:
                raise UsageError(f"the agent yields a {type(answer).__name__}; see stopgap.service.Answer")

    async def _did(self, action: AnyAction) -> None:
        left, entered = self._sites.take(action)
        name = self._service.name, self._service.settings
        for site in left:
            self._turn.milestone("tool_ended", tool=site_name(*name, site))
        for site in entered:
            self._turn.milestone("tool_started", tool=site_name(*name, site))
        if entered:
            self._works_on()
        self._note(_dumped(action))
        if self._wants(action):
            await self._events.put(CurrentAgentAction(action=action))

    def _works_on(self) -> None:
        """What was said so far was a preamble: once it has been heard, a further wait begins."""
        again_in = self._reply.again_in()
        if again_in is not None and self._again is None:
            self._again = asyncio.get_running_loop().call_later(again_in, self._turn.wait_again)

    async def _send(self, message: str | None) -> None:
        if message is None:
            return
        self._tell_fillers()  # what has started at the last moment is on record, so it is sent, too
        if self._again is not None:  # the answer goes on before the preamble was heard out
            self._again.cancel()
            self._again = None
        for piece in pieces(message):
            await self._events.put(self._message(piece, stop=False))

    def _message(self, piece: str, *, stop: bool) -> NewMessage:
        self._sequence += 1
        return NewMessage(message=piece, stop=stop, sequence_number=self._sequence - 1, message_id=self._message_id)

    async def _user_said(self, text: str) -> None:
        if self._user_message_id is None:
            self._user_message_id = secrets.token_hex(12)
            await self._events.put(UserMessageAvailable(message_id=self._user_message_id, user_message=text))

    # The end --------------------------------------------------------------------------------------------------

    async def _complete(self) -> None:
        await self._send(self._reply.finish())
        if self._request.audio is not None and not self._creates:
            await self._user_said(self._user_text or "")
        await self._events.put(self._message("", stop=True))
        if self._turn.waiting and not self._reply.text:
            raise InteractionError(500, "the agent gave no answer; nothing of this interaction was stored")
        self._turn.finish()
        user_text = self._user_text if self._user_text is not None or self._request.audio is None else ""
        user_id = None if user_text is None else self._user_message_id or secrets.token_hex(12)
        result = Result(
            user_id, user_text, self._message_id, self._reply.text, self._ends, tuple(self._actions),
            self._turn.record.as_dict(),
        )  # fmt: skip
        interaction_id = await self._unit.complete(result)
        complete = InteractionComplete(
            message_id=self._message_id, interaction_id=interaction_id, full_message=self._reply.text,
            conversation_completed=self._ends,
        )  # fmt: skip
        await self._events.put(complete)

    async def _fail(self, status: int, description: str) -> None:
        self._turn.cancel(description)
        await self._events.put(Failed(http_error_code=status, error_description=description))
        await self._events.put(None)

    def _fail_nowait(self, status: int, description: str) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._events.put_nowait(Failed(http_error_code=status, error_description=description))
            self._events.put_nowait(None)

    def _wants(self, action: Action) -> bool:
        return self._wanted is not None and self._wanted.passes(getattr(action, "type", ""))

    def _note(self, action: dict[str, Any]) -> None:
        """Keep *action* for storage: of a filler its words, not its sound."""
        if len(self._actions) < MOST_ACTIONS:
            self._actions.append(action)

    def _tell_nowait(self, action: AnyAction) -> None:
        if self._wants(action):
            with contextlib.suppress(asyncio.QueueFull):  # a client that slow has other worries than a filler
                self._events.put_nowait(CurrentAgentAction(action=action))


def _dumped(action: Action) -> dict[str, Any]:
    return action.model_dump(mode="json")

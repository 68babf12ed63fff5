"""One interaction: what the user sent, fillers while the agent works, the answer, and what is stored in the end."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from ...fillers import Behaviors, UsageError
from .. import Clock, Session
from ._actions import Action, ActionTooLong, AnyAction, BehaviorSelected, Sites, Version
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
from ._notes import ActionNotes
from ._outbox import ClientGoneError, Outbox
from ._pump import Pump
from ._reply import Reply, pieces
from ._settings import ServiceSettings, behavior_id
from ._sites import FillerContents, agent_name, site_name
from ._unit import InteractionError, Result, Unit
from ._words import clean

logger = logging.getLogger("stopgap.service")

LONGEST_ANSWER = 200_000
"""Characters of an answer, or of its transcript: what storage takes."""
RELEASE_S = 10.0
"""s that giving the conversation back may take."""


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


class Interaction:
    """Runs an agent for one message of the user. `start` it, and read its `chunks`.

    Args:
        service: Who answers.
        request: What is asked.
        session: The conversation's. Its output does not own the reply.
        unit: Where the result is stored.
        wanted: Which actions the caller hears of; None: of none.
        creates: Whether the conversation begins with this: the events then begin with it, too.
        behaviors: Those that are stored.
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
        behaviors: Behaviors | None = None,
    ) -> None:
        self._service, self._request, self._session, self._unit = service, request, session, unit
        self._wanted, self._creates = wanted, creates
        self._outbox = Outbox()
        said = request.text if request.message_type == "user-message" else None  # an event is not the user's words
        agent = agent_name(service.name, request.response_format)
        self._turn = session.begin(agent=agent, user_said=said, behaviors=behaviors)
        self._reply = Reply(self._turn, service.clock, voice=request.response_format == "voice")
        self._sites = Sites()
        self._actions = ActionNotes()
        self._heard = 0
        """Fillers of the turn that have been sent."""
        self._started = session.fillers_started
        self._again: asyncio.TimerHandle | None = None
        self._message_id, self._sequence = secrets.token_hex(12), 0
        self._user_message_id: str | None = None
        self._user_text = request.text
        self._behavior: Version | None = None
        """The behaviour that was told of last."""
        self._ends = self._gone = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> "asyncio.Task[None]":
        """Ask the agent; return what ends when everything is done. Cancelled, it tells the client that it is over."""
        self._task = asyncio.create_task(self._run(), name="stopgap-interaction")
        return self._task

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield what happens, an event a line, up to the interaction's end; whole lines each time."""
        return self._outbox.chunks()

    def cancel(self) -> None:
        """The client is gone: stop the agent, store nothing."""
        self._gone = True
        self._outbox.close()
        if self._task is not None:
            self._task.cancel()

    @property
    def next_filler_at(self) -> float:
        """s on the clock; infinite: none is planned."""
        return self._session.next_filler_at

    def look(self, now: float) -> None:
        """Send the fillers that have started by *now*. Called while the answer is pending, every few ms."""
        if self._session.next_filler_at <= now:
            self._session.tick()
        if self._session.fillers_started != self._started and self._turn.waiting:
            self._tell_fillers()

    def _tell_fillers(self) -> None:
        if self._session.fillers_started == self._started:
            return
        self._started = self._session.fillers_started
        clips, contents = self._turn.clips_started, self._service.contents
        for clip in clips[self._heard :]:
            since = None if self._sites.latest is None else self._sites.latest.model_dump(mode="json")
            self._actions.add_filler(contents.of(clip, "text"), clip.id, since)
            filler = contents.of(clip, self._request.response_format)
            action = ActionTooLong(filler=filler, previously_started_event=since)
            if self._wants(action):
                self._outbox.put_nowait(CurrentAgentAction(action=action).line())
        self._heard = len(clips)

    # The agent ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        self._service.pump.add(self)
        failure: InteractionError | None = None
        try:
            await self._answer()
            await self._complete()
        except InteractionError as exc:
            failure = exc
        except ClientGoneError:
            self._gone = True
        except asyncio.CancelledError:
            failure = InteractionError(503, "the interaction was stopped; nothing of it was stored")
            raise
        except Exception:
            if not self._gone:
                logger.exception("interaction failed", extra={"conversation_id": self._request.conversation_id})
            failure = InteractionError(500, "the agent failed; nothing of this interaction was stored")
        finally:
            self._service.pump.remove(self)
            if self._again is not None:
                self._again.cancel()
            if failure is not None or self._gone:
                self._turn.cancel("the client is gone" if self._gone else str(failure))
            await self._end(failure)

    async def _end(self, failure: InteractionError | None) -> None:
        """Give the conversation back, and only then tell the client, who may go on at once."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._unit.release()), RELEASE_S)
        if failure is not None:
            self._outbox.put_nowait(Failed(http_error_code=failure.status, error_description=str(failure)).line())
        self._outbox.end()

    async def _answer(self) -> None:
        if self._creates:
            await self._tell(ConversationCreated(conversation_id=self._request.conversation_id))
        elif self._request.text is not None:
            await self._user_said(self._request.text)
        left, loop = self._service.answer_s, asyncio.get_running_loop()
        await self._tell_behavior()
        asked = replace(self._request, behavior=self._turn.behavior)
        async with contextlib.aclosing(self._service.agent(asked)) as answers:
            while True:
                asked_at = loop.time()
                try:
                    async with asyncio.timeout(left) as limit:
                        answer = await anext(answers)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    if not limit.expired():  # the agent's own
                        raise
                    logger.warning("an agent took too long", extra={"conversation_id": self._request.conversation_id})
                    raise InteractionError(
                        500, f"the agent took longer than {self._service.answer_s:g} s; nothing was stored"
                    ) from None
                if self._gone:  # an agent that swallows its cancellation
                    raise ClientGoneError
                left -= loop.time() - asked_at  # what the client takes to read is not the agent's fault
                await self._take(answer)

    async def _take(self, answer: Answer) -> None:
        match answer:
            case str():
                await self._send(self._reply.take_text(answer))
                if len(self._reply.text) > LONGEST_ANSWER:
                    raise InteractionError(500, f"the answer has more than {LONGEST_ANSWER} characters")
            case Speech():
                await self._send(self._reply.take_speech(answer))
            case Action():
                await self._did(answer)
            case Milestone(name, tool):
                self._turn.milestone(name, tool=tool and site_name(self._service.name, self._service.settings, tool))
            case UserSaid(text):
                if self._request.audio is not None and self._user_text is None:
                    self._user_text = clean(text)
                    self._turn.user_said(text)
                    if not self._creates:
                        await self._user_said(self._user_text)
                    await self._tell_behavior()
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
        self._actions.add(action)
        if self._wants(action):
            await self._tell(CurrentAgentAction(action=action))
        await self._tell_behavior()

    async def _tell_behavior(self) -> None:
        """Tell which behaviour is in force, if that has changed."""
        found, previous = self._turn.behavior, self._behavior
        self._behavior = None if found is None else (behavior_id(found.name), found.rule.version)
        if self._behavior == previous:
            return
        action = BehaviorSelected(
            selected_dynamic_behavior_set_version_info=self._behavior,
            previous_selected_dynamic_behavior_set_version_info=previous,
        )
        self._actions.add(action)
        if self._wants(action):
            await self._tell(CurrentAgentAction(action=action))

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
            await self._tell(self._message(piece, stop=False))

    def _message(self, piece: str, *, stop: bool) -> NewMessage:
        self._sequence += 1
        return NewMessage(message=piece, stop=stop, sequence_number=self._sequence - 1, message_id=self._message_id)

    async def _user_said(self, text: str) -> None:
        self._user_message_id = secrets.token_hex(12)
        await self._tell(UserMessageAvailable(message_id=self._user_message_id, user_message=text))

    def _wants(self, action: Action) -> bool:
        return self._wanted is not None and self._wanted.passes(getattr(action, "type", ""))

    async def _tell(self, event: Event) -> None:
        await self._outbox.put(event.line())

    # The end --------------------------------------------------------------------------------------------------

    async def _complete(self) -> None:
        await self._send(self._reply.finish())
        if not self._reply.begun:
            spoken = "speech" if self._request.response_format == "voice" else "answer"
            raise InteractionError(500, f"the agent gave no {spoken}; nothing of this interaction was stored")
        heard = self._request.audio is not None
        if heard and self._user_text is None:
            self._user_text = ""
            if not self._creates:
                await self._user_said("")
        await self._tell(self._message("", stop=True))
        self._turn.finish()
        interaction_id = await self._unit.complete(
            Result(
                self._user_message_id, self._user_text, self._message_id, self._reply.text, self._ends,
                self._actions.noted, self._turn.record.as_dict(),
            )
        )  # fmt: skip
        await self._tell(
            InteractionComplete(
                message_id=self._message_id, interaction_id=interaction_id, full_message=self._reply.text,
                conversation_completed=self._ends,
            )
        )  # fmt: skip

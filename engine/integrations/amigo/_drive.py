"""From the events of one interaction to calls of a turn."""

import base64
import binascii
import logging
from collections.abc import Mapping
from typing import Literal

from ....fillers import UsageError
from ..._turn import Turn
from ._events import (
    Action,
    ActionTooLong,
    BehaviorSelected,
    Event,
    InteractionComplete,
    InteractionFailed,
    MessageFragment,
    NewMessage,
    StateTransitioned,
    UserMessageAvailable,
)
from ._filler import filler_audio
from ._spans import Spans, Started

logger = logging.getLogger("stopgap")

Fillers = Literal["candidate", "play", "ignore"]
"""What to do with the server's fillers."""


class InteractionDriver:
    """Tells a turn what one interaction's events mean. Nothing in them makes it raise.

    Args:
        turn: Whose they are.
        reply_rate: Hz of the answer's audio; None: it is text, and the caller speaks it.
        fillers: What to do with the server's fillers.
        names: Names of tools by their ids.
    """

    def __init__(self, turn: Turn, *, reply_rate: int | None, fillers: Fillers, names: Mapping[str, str]) -> None:
        self._turn = turn
        self._rate = reply_rate
        self._fillers = fillers
        self._spans = Spans(names)
        self._working = False
        """Whether an action has been told."""
        self._announced = False
        """Whether the answer of the present wait has been announced."""
        self._replying = False
        """Whether audio of it has been written."""
        self._said_all = False
        """Whether the last piece of a message has come."""
        self._said_any = False
        self._half = b""
        """Half a sample, from the end of a piece."""
        self._over = False
        """Whether the interaction is complete, or void."""
        self._warned: set[str] = set()

    def take(self, event: Event) -> None:
        """Take in *event*."""
        try:
            self._take(event)
        except Exception:
            self._warn("an event was not understood", trace=True)

    def ended(self) -> None:
        """The stream has ended by itself."""
        if not self._over:
            self._over = True
            logger.warning("amigo: the stream ended without interaction-complete")
            self._cancel("the stream ended without interaction-complete")

    def broken(self, exc: BaseException) -> None:
        """The stream raised *exc*, or is read no further."""
        if self._over:
            return
        self._over = True
        if isinstance(exc, GeneratorExit) and self._said_all:
            self._finish()  # whoever has the last piece may leave
        elif isinstance(exc, Exception):
            self._cancel(f"the stream broke: {type(exc).__name__}")
        else:
            self._cancel("the stream was left")

    def _take(self, event: Event) -> None:
        if isinstance(event, InteractionFailed):
            self._failed(event)
        elif isinstance(event, InteractionComplete):
            self._complete(event)
        elif self._over or not self._turn.pending:
            return  # the user has barged in, or gone on: the rest of the stream concerns nobody
        elif isinstance(event, UserMessageAvailable):
            self._turn.milestone("transcript_final")
        elif isinstance(event, NewMessage):
            self._message(event)
        elif isinstance(event, Action):
            self._action(event)

    def _action(self, event: Action) -> None:
        if self._replying and isinstance(event, Started):  # the agent has said something and goes on working
            self._turn.wait_again()
            self._replying = self._announced = self._said_all = False
        if not self._working or isinstance(event, StateTransitioned | BehaviorSelected):
            self._working = True
            self._turn.milestone("llm_started")
        for step in self._spans.take(event):
            self._turn.milestone(step.milestone, tool=step.name)
        if isinstance(event, MessageFragment):
            self._announce()
        elif isinstance(event, ActionTooLong) and self._fillers != "ignore":
            self._offer(event.filler)

    def _offer(self, filler: str) -> None:
        """Offer the server's filler, unless there is nothing in it that could be played."""
        insist = self._fillers == "play"
        try:
            audio = filler_audio(filler)
            if audio is not None:
                if audio.remark is not None:
                    self._warn(f"a filler is played, although {audio.remark}")
                self._turn.offer_filler(audio.samples, audio.rate, insist=insist)
            elif filler.strip():
                self._turn.offer_filler(text=filler.strip(), insist=insist)
        except UsageError as exc:
            self._warn(f"a filler is left out: {exc}")

    def _message(self, event: NewMessage) -> None:
        for step in self._spans.take(event):
            self._turn.milestone(step.milestone, tool=step.name)
        self._announce()
        self._said_any = self._said_any or bool(event.message)
        if self._rate is not None:
            self._write(event.message, self._rate)
        self._said_all = event.stop
        if event.stop:
            self._half = b""

    def _write(self, message: str, rate: int) -> None:
        try:
            audio = self._half + base64.b64decode(message, validate=True)  # else text would be heard as noise
        except (binascii.Error, ValueError):
            self._warn("a piece of the answer is no base64 and is left out; is response_format=voice?")
            return
        whole = len(audio) // 2 * 2
        self._half = audio[whole:]
        if whole:
            self._replying = True
            self._turn.write(audio[:whole], rate)

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            self._turn.milestone("first_token")

    def _complete(self, event: InteractionComplete) -> None:
        self._over = True
        if self._rate is not None or not (self._said_any or event.full_message):
            self._finish()

    def _failed(self, event: InteractionFailed) -> None:
        code = event.http_error_code
        if self._over:
            logger.warning("amigo: error %s after the interaction was saved: %.200s", code, event.error_description)
            return
        self._over = True
        logger.warning("amigo: error %s, the interaction is void: %.200s", code, event.error_description)
        self._cancel(f"error {code}")

    def _finish(self) -> None:
        if self._turn.pending:
            self._turn.finish()

    def _cancel(self, reason: str) -> None:
        """Cancel the turn, unless the caller has ended it: what is heard after that is in the caller's hands."""
        if self._turn.pending:
            self._turn.cancel(reason)

    def _warn(self, what: str, *, trace: bool = False) -> None:
        """Log *what*, once in an interaction."""
        if what not in self._warned:
            self._warned.add(what)
            logger.warning("amigo: %s", what, exc_info=trace)

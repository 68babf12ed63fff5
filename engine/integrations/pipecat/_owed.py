"""What an agent is busy with: whether more is to come after what it has just said."""

from collections.abc import Hashable, Iterable

GRACE_S = 1.5
"""s for which something may still come after a tool with whose result nobody asks the model: an application that asks
it by itself, as Pipecat's flows do, does so a moment later."""


class Owed:
    """Follows tools and model responses that are under way.

    Tools that run in the background (Pipecat's ``cancel_on_interruption=False``) are known by name, but nobody waits
    for them: the conversation goes on meanwhile. Unless the model said nothing when it called them: then the user has
    heard nothing yet, and waits.
    """

    def __init__(self) -> None:
        self.unasked = False
        """Whether a tool has ended with whose result nobody asks the model, and nothing has begun since."""
        self._unasked_at: float | None = None
        """Since when nothing is to come for that reason."""
        self._called: set[str] = set()
        self._running: dict[str, str] = {}
        self._background: dict[str, str] = {}
        self._unspoken: set[str] = set()
        """Of those in the background the ones that were called without a word."""
        self._asked = False
        self._responding: dict[Hashable, bool] = {}
        self._spoke = False
        """Whether the newest response has said something."""
        self._unheard = False
        """Whether there is text whose audio was not seen yet."""

    @property
    def anew(self) -> bool:
        """Whether something will be said that has not begun to be: a tool runs, or the model has said nothing yet."""
        waited_for = bool(self._called) or bool(self._running) or bool(self._unspoken) or self._asked
        return waited_for or not all(self._responding.values())

    @property
    def anything(self) -> bool:
        """Whether the agent is not done: as `anew`, or a response is under way."""
        return self.anew or bool(self._responding)

    def turn_began(self) -> None:
        self.unasked = self._unheard = False

    def response_started(self, model: Hashable) -> None:
        self._asked = self._spoke = self.unasked = False
        self._responding[model] = False

    def response_text(self, model: Hashable) -> bool:
        """Take in a token of *model*; return whether it is its response's first.

        Text from where no response is under way is no news: a filter, for one, that passes a model's text on as its
        own.
        """
        if model not in self._responding:
            return False
        first = not self._responding[model]
        self._responding[model] = self._unheard = True
        self.said()
        return first

    def said(self) -> None:
        """The user hears something, or will: nobody waits for what runs in the background."""
        self._spoke = True
        self._unspoken.clear()

    def in_vain(self, now: float) -> bool:
        """Return whether for `GRACE_S` nothing has been to come, because nobody asks the model with a tool's result."""
        if not self.unasked or self.anything or self._unheard:
            self._unasked_at = None
        elif self._unasked_at is None:
            self._unasked_at = now
        return self._unasked_at is not None and now - self._unasked_at > GRACE_S

    def heard(self) -> None:
        """Audio of what was said is on its way, or none will be."""
        self._unheard = False

    def response_ended(self, model: Hashable) -> None:
        self._responding.pop(model, None)

    def called(self, calls: Iterable[str]) -> None:
        """Tools will be started, soon."""
        self._called.update(calls)

    def tool_started(self, call: str, name: str, *, background: bool) -> bool:
        """Take in that a tool runs; return whether that is news."""
        self._called.discard(call)
        if call in self._running or call in self._background:
            return False
        (self._background if background else self._running)[call] = name
        if background and not self._spoke:
            self._unspoken.add(call)
        return True

    def tool_ended(self, call: str, *, answered: bool) -> str | None:
        """Take in that a tool has ended; return its name if that is news.

        Args:
            call: Which one.
            answered: Whether the model will be asked with its result.
        """
        if call in self._called or call in self._running or call in self._unspoken:
            self._asked = self._asked or answered
            self.unasked = not self._asked
        self._called.discard(call)
        self._unspoken.discard(call)
        return self._running.pop(call, None) or self._background.pop(call, None)

    def interrupted(self) -> None:
        """Nothing is owed any more; tools in the background run on."""
        self._called.clear()
        self._running.clear()
        self._unspoken.clear()
        self._responding.clear()
        self._asked = self.unasked = self._unheard = False

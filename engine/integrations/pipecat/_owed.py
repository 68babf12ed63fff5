"""What an agent is busy with: whether more is to come after what it has just said."""

from collections.abc import Hashable, Iterable


class Owed:
    """Follows tools and model responses that are under way.

    Tools that run in the background (Pipecat's ``cancel_on_interruption=False``) are known by name, but nobody waits
    for them: the conversation goes on meanwhile.
    """

    def __init__(self) -> None:
        self._called: set[str] = set()
        self._running: dict[str, str] = {}
        self._background: dict[str, str] = {}
        self._asked = False
        self._responding: dict[Hashable, bool] = {}

    @property
    def anew(self) -> bool:
        """Whether something will be said that has not begun to be: a tool runs, or the model has said nothing yet."""
        waited_for = bool(self._called) or bool(self._running) or self._asked
        return waited_for or not all(self._responding.values())

    @property
    def anything(self) -> bool:
        """Whether the agent is not done: as `anew`, or a response is under way."""
        return self.anew or bool(self._responding)

    def response_started(self, model: Hashable) -> None:
        self._asked = False
        self._responding[model] = False

    def response_text(self, model: Hashable) -> bool:
        """Take in a token of *model*; return whether it is the response's first."""
        first = not self._responding.get(model, False)
        self._responding[model] = True
        return first

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
        return True

    def tool_ended(self, call: str, *, answered: bool) -> str | None:
        """Take in that a tool has ended; return its name if that is news.

        Args:
            call: Which one.
            answered: Whether the model will be asked with its result.
        """
        waited_for = call in self._called or call in self._running
        self._called.discard(call)
        name = self._running.pop(call, None) or self._background.pop(call, None)
        if waited_for and answered:
            self._asked = True
        return name

    def interrupted(self) -> None:
        """Nothing is owed any more; tools in the background run on."""
        self._called.clear()
        self._running.clear()
        self._responding.clear()
        self._asked = False

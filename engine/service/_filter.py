"""Which actions a caller wants to hear of."""

from functools import lru_cache

import regex

from ...fillers import UsageError

LONGEST = 200
"""Characters of an expression."""
PATIENCE_S = 0.01
"""s that one comparison may take: some expressions would take years."""


class ActionFilter:
    """``current_agent_action_type``: a regular expression on the type of an action.

    Args:
        expression: Searched for in the type; ``^.*$`` lets all pass, ``^$`` none.

    Raises:
        UsageError: if it is no regular expression, or too long.
    """

    def __init__(self, expression: str = "^.*$") -> None:
        if len(expression) > LONGEST:
            raise UsageError(f"current_agent_action_type has {len(expression)} characters; {LONGEST} are allowed")
        try:
            self._pattern = regex.compile(expression)
        except regex.error as exc:
            raise UsageError(f"current_agent_action_type is no regular expression: {exc}") from exc
        self._known: dict[str, bool] = {}

    def passes(self, action_type: str) -> bool:
        """Return whether actions of that type are wanted. An expression that takes too long wants none."""
        if action_type not in self._known:
            try:
                found = self._pattern.search(action_type, timeout=PATIENCE_S) is not None
            except TimeoutError:
                found = False
            self._known[action_type] = found
        return self._known[action_type]


@lru_cache(1024)
def action_filter(expression: str) -> ActionFilter:
    """Return the filter for *expression*: most callers have the same one.

    Raises:
        UsageError: if it is no regular expression, or too long.
    """
    return ActionFilter(expression)

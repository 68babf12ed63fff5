"""Which version of a behaviour each conversation counts under."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...fillers import UsageError
from ._facts import TurnFacts, by_conversation


@dataclass(frozen=True, slots=True)
class Versions:
    """Conversations by the version of one behaviour."""

    behavior: str
    randomized: bool
    """Whether they count under the version that they were dealt, in force or not (intention to treat); else under the
    one that was seen in force."""
    conversations: dict[int, list[list[TurnFacts]]]
    """The turns of each conversation of each version, the versions in their order."""
    several: int
    """Conversations that had more than one version and are left out."""
    without: int
    """Conversations that had none and are left out."""


def by_version(turns: Iterable[TurnFacts], behavior: str | None = None) -> Versions:
    """Return conversations by the version of a behaviour.

    Where any turn tells that a version of *behavior* was dealt to its conversation, all count under what they were
    dealt. Else they count under the version that was in force in any of their turns.

    Args:
        turns: Of any conversations, in any order.
        behavior: Its name; None: the only one that the turns tell of.

    Raises:
        UsageError: if the turns tell of no such behaviour, or of several and none was chosen.
    """
    every = list(turns)
    name = _chosen(every, behavior)
    randomized = any(dealt == name for turn in every for dealt, _ in turn.assigned)
    found: dict[int, list[list[TurnFacts]]] = {}
    several = without = 0
    for conversation in by_conversation(every).values():
        versions = _versions(conversation, name, randomized)
        match len(versions):
            case 0:
                without += 1
            case 1:
                found.setdefault(versions.pop(), []).append(conversation)
            case _:
                several += 1
    return Versions(name, randomized, dict(sorted(found.items())), several, without)


def _versions(conversation: Sequence[TurnFacts], name: str, randomized: bool) -> set[int]:
    if randomized:
        return {version for turn in conversation for dealt, version in turn.assigned if dealt == name}
    return {turn.behavior[1] for turn in conversation if turn.behavior is not None and turn.behavior[0] == name}


def _chosen(turns: Sequence[TurnFacts], wanted: str | None) -> str:
    dealt = {name for turn in turns for name, _ in turn.assigned}
    names = sorted(dealt | {turn.behavior[0] for turn in turns if turn.behavior is not None})
    if not names:
        raise UsageError(
            "no turn tells of a behaviour; give turn records, as TurnRecord.as_dict gives them, of conversations that "
            "had versions of one"
        )
    if wanted is None and len(names) > 1:
        raise UsageError(f"the turns tell of several behaviours; choose one of {', '.join(names)} (--behavior)")
    if wanted is not None and wanted not in names:
        raise UsageError(f"no turn tells of behaviour {wanted!r}; choose one of {', '.join(names)}")
    return names[0] if wanted is None else wanted

"""Every policy by its name: the product's modes, what others do, and bounds chosen in hindsight."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stopgap.engine.planning import Policy
from stopgap.fillers import ClipBank, Config, Kind, UsageError, load_config

from ..replays import POLICIES, ReplayedTurn, replay
from ..traces import TraceTurn
from ._baselines import BASELINES
from ._hindsight import OneSheet, Oracle
from ._ladders import LadderShape
from ._mediangate import MedianGate

BEST_LADDER = "best-ladder"
SAYS = {
    "none": "plays nothing",
    "ladder": "the configuration's ladder",
    "predictive": "the planner",
    **{baseline.name: baseline.says for baseline in BASELINES},
    "median-gate": "a phrase at 0.3 s where the median wait so far is at least 1.5 s",
    BEST_LADDER: "the best fixed ladder, chosen in hindsight on the same turns",
    "best-sheet": "the best single cue sheet, planned in hindsight for the waits of the same turns",
    "oracle": "the planner, told each wait: a bound",
}
"""What each policy does: the product's modes, what others do, bounds."""
NAMES = tuple(SAYS)
OTHERS = (*(baseline.name for baseline in BASELINES), "median-gate")
"""What products other than this one do."""
BOUNDS = (BEST_LADDER, "best-sheet", "oracle")
"""Those that know the trace beforehand."""
PLANNED = ("predictive", "best-sheet", "oracle")
"""Those that play something else when the weights of the costs change."""


def check_policies(names: Sequence[str]) -> None:
    """Raise `UsageError` for a name that is no policy's."""
    for name in names:
        if name not in SAYS:
            raise UsageError(f"policy {name!r} is unknown; choose {', '.join(NAMES)}")


@dataclass(frozen=True, slots=True)
class Contender:
    """A policy that can be replayed."""

    name: str
    config: Config
    """With what the policy lays over it."""

    def policy(self, turns: Sequence[TraceTurn]) -> Policy | None:
        """Return a new policy with no memory; None: the configuration's mode."""
        match self.name:
            case "median-gate":
                return MedianGate()
            case "best-sheet":
                return OneSheet(self.config, turns)
            case "oracle":
                return Oracle(self.config)
            case _:
                return None

    def replay(
        self,
        turns: Sequence[TraceTurn],
        *,
        bank: ClipBank,
        known_after_ms: float = 0.0,
        advance: Callable[[int], None] | None = None,
    ) -> list[ReplayedTurn]:
        """Replay *turns* under this policy; the arguments are those of `replay`."""
        policy = self.policy(turns)
        return list(
            replay(turns, self.config, policy=policy, known_after_ms=known_after_ms, bank=bank, advance=advance)
        )


def missing_kinds(name: str, config: Config, bank: ClipBank) -> tuple[Kind, ...]:
    """Return the kinds that a fixed timer asks for and no clip may be played of: there it stays silent."""
    if name not in ("ladder", *(baseline.name for baseline in BASELINES)):
        return ()
    there = {clip.kind for clip in bank.catalog if config.kind(clip.kind).enabled}
    asked = dict.fromkeys(step.kind for step in contender(name, config).config.ladder)
    return tuple(kind for kind in asked if kind not in there)


def contender(name: str, config: Config, ladder: LadderShape | None = None) -> Contender:
    """Return the policy called *name*.

    Args:
        name: One of `NAMES`.
        config: What all policies share.
        ladder: For ``best-ladder``: the one that was found.

    Raises:
        UsageError: for an unknown name.
    """
    check_policies([name])
    baseline = next((b for b in BASELINES if b.name == name), None)
    if name in POLICIES:
        config = config.model_copy(update={"mode": name})
    elif baseline is not None:
        config = load_config({**baseline.settings, "mode": "ladder"}, base=config.model_dump(exclude_unset=True))
    elif name == BEST_LADDER and ladder is not None:
        config = config.model_copy(update={"mode": "ladder", "ladder": ladder.steps()})
    elif name == BEST_LADDER:
        raise UsageError("best-ladder needs the ladder that was found")
    return Contender(name, config)

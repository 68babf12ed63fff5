"""All policies on the same turns, through the real engine, under every setting of the sweep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stopgap.fillers import ClipBank, Config, Costs

from ..policies import BEST_LADDER, PLANNED, LadderShape, best_ladders, contender, ladder_grid
from ..replays import Grounds, Heard, heard, working
from ..traces import TraceTurn
from ._settings import Setting, settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the policies reached under one setting."""

    setting: Setting
    heard: Mapping[str, Heard]
    """By the policy's name."""
    ladder: LadderShape | None
    """The best one in hindsight; None: not looked for."""


def compare(
    turns: Sequence[TraceTurn],
    config: Config,
    policies: Sequence[str],
    *,
    bank: ClipBank,
    known_after_ms: float = 0.0,
    quick: bool = False,
    advance: Callable[[int], None] | None = None,
    workers: int = 1,
) -> tuple[Outcome, ...]:
    """Replay *turns* under every policy and setting.

    A ladder plays the same whatever it is said to cost, so it is replayed once for all weights; what is planned is
    planned anew for each. The best ladder and the best sheet are chosen for each setting.

    Args:
        turns: As for `replay`.
        config: What all policies share.
        policies: Names of `NAMES`.
        bank: Ready clips: those of *config*'s packs, which every further process loads for itself.
        known_after_ms: As for `replay`.
        quick: Only two settings, and a coarse grid of ladders.
        advance: Called with 1 for each of `rounds` replays.
        workers: Processes. The result does not depend on it.
    """
    grounds = Grounds(turns, known_after_ms, config.packs)
    step = advance or (lambda steps: None)
    found: dict[str, LadderShape] = {}
    swept = settings(config, quick=quick)
    if BEST_LADDER in policies:
        shapes = list(ladder_grid(coarse=quick))
        for group in _groups(swept):
            costs = [setting.config.costs for setting in group]
            best = best_ladders(grounds, group[0].config, costs, shapes, bank=bank, advance=step, workers=workers)
            found |= {setting.name: shape for setting, (shape, _) in zip(group, best, strict=True)}
    reached: dict[tuple[str, str], Heard] = {}
    jobs = list(_jobs(swept, policies, found))
    with working(_do, grounds, bank, workers) as done:
        for job, results in zip(jobs, done(jobs), strict=True):
            reached |= {(name, job.policy): result for name, result in zip(job.settings, results, strict=True)}
            step(1)
    return tuple(Outcome(s, {policy: reached[s.name, policy] for policy in policies}, found.get(s.name)) for s in swept)


def rounds(config: Config, policies: Sequence[str], *, quick: bool = False) -> int:
    """Return how many replays `compare` makes of a trace."""
    swept = settings(config, quick=quick)
    ladders = len(list(ladder_grid(coarse=quick))) * len(_groups(swept)) if BEST_LADDER in policies else 0
    return ladders + len(list(_jobs(swept, policies, {})))


@dataclass(frozen=True, slots=True)
class _Job:
    """One replay, and the settings whose costs it is judged by."""

    policy: str
    config: Config
    ladder: LadderShape | None
    settings: tuple[str, ...]
    costs: tuple[Costs, ...]


def _groups(swept: Sequence[Setting]) -> list[list[Setting]]:
    """Return the settings that differ only in their costs together."""
    groups: list[list[Setting]] = []
    for setting in swept:
        alike = (g for g in groups if g[0].config.limits == setting.config.limits)
        group = next(alike, None)
        if group is None:
            groups.append([setting])
        else:
            group.append(setting)
    return groups


def _jobs(swept: Sequence[Setting], policies: Sequence[str], found: Mapping[str, LadderShape]) -> Iterator[_Job]:
    for policy in policies:
        for group in _groups(swept):
            alone = policy in PLANNED or policy == BEST_LADDER
            for part in [[setting] for setting in group] if alone else [group]:
                names = tuple(setting.name for setting in part)
                costs = tuple(setting.config.costs for setting in part)
                yield _Job(policy, part[0].config, found.get(names[0]), names, costs)


def _do(job: _Job, grounds: Grounds, bank: ClipBank) -> list[Heard]:
    chosen = contender(job.policy, job.config, job.ladder)
    replayed = chosen.replay(grounds.turns, bank=bank, known_after_ms=grounds.known_after_ms)
    return [heard(replayed, costs) for costs in job.costs]

"""What all sessions of a manager share."""

from dataclasses import dataclass, field
from typing import Protocol

from ..fillers import Clip, ClipBank, Config, Costs, Limits, Override
from ._behaving import InForce
from ._clock import Clock
from ._listeners import Listeners
from ._phrases import NamedPhrases
from ._work import Work
from .planning import Ladder, Mixture, Planner, Restraint, playable_clips
from .prediction import LatencyPredictor
from .turns import TurnRecord


class Judge(Protocol):
    """Finds out how the mixture's policies compare."""

    def draws(self) -> bool:
        """Return whether it wants to see the turn that is ending."""
        ...

    def judge(self, record: TurnRecord, rate: int, voice: str | None) -> None:
        """Tell the mixture what each of its policies would have cost in *record*'s turn.

        Args:
            record: Of a turn that is over.
            rate: Hz of its session.
            voice: Of its clips; None: any.
        """
        ...


class Log(Protocol):
    """Keeps what turns were."""

    def add(self, record: TurnRecord) -> None:
        """Write down a turn that is over and has taught something."""
        ...


@dataclass(frozen=True, slots=True)
class Repertoire:
    """What there is to play in a turn."""

    every: tuple[Clip, ...]
    """All of the bank's clips, as they were then."""
    clips: tuple[Clip, ...]
    """Those that may be played."""
    override: Override
    """What agent, tool and behaviour say of fillers; phrases that no clip has are not among the behaviour's."""


@dataclass(slots=True)
class Engine:
    """The parts of one manager."""

    config: Config
    clock: Clock
    bank: ClipBank
    predictor: LatencyPredictor
    mixture: Mixture
    work: Work
    fallback: Ladder
    """Armed at once where the policy's plan is not ready."""
    restraint: Restraint
    """Is told what the planner's fillers did to each reply."""
    listeners: Listeners
    """Are told what is heard."""
    learns: bool = True
    """Whether turns teach the predictor and the restraint."""
    judge: Judge | None = None
    """Where there are several policies."""
    log: Log | None = None
    """Where turns are recorded."""
    counters: dict[str, int] = field(default_factory=dict)
    _under: dict[tuple[str, int], tuple[Limits, Costs]] = field(default_factory=dict)
    _repertoires: dict[tuple[object, ...], Repertoire] = field(default_factory=dict)
    _phrases: NamedPhrases = field(default_factory=NamedPhrases)

    def count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1

    def under(self, behavior: InForce | None) -> tuple[Limits, Costs | None]:
        """Return the limits while *behavior* is in force, and the costs; None: those of the configuration.

        Raises:
            ValueError: as of `Config.under`.
        """
        if behavior is None:
            return self.config.limits, None
        found = self._under.get(behavior.key)
        if found is None:
            if len(self._under) > 1024:
                self._under.clear()
            found = self._under[behavior.key] = self.config.under(behavior.rule)
        return found

    def repertoire(
        self,
        rate: int,
        *,
        language: str,
        voice: str | None,
        agent: str | None,
        tool: str | None,
        tool_runs: bool,
        behavior: InForce | None,
    ) -> Repertoire:
        """Return what there is for such a turn; asked again, the same one, until the bank has other clips."""
        known, every = self._repertoires, self.bank.clips(rate)  # in this order: what is forgotten meanwhile stays so
        key = (rate, language, voice, agent, tool, tool_runs, None if behavior is None else behavior.key)
        found = known.get(key)
        if found is None or found.every is not every:
            if len(known) > 1024:
                known.clear()
            rule = None if behavior is None else self._phrases.present(behavior, every)
            override = self.config.override(agent, tool, rule)
            fitting = playable_clips(
                every,
                self.config,
                override,
                language=language,
                voice=voice,
                tool_runs=tool_runs,
            )
            found = known[key] = Repertoire(every, fitting, override)
        return found

    def forget_clips(self) -> None:
        """Let go of what was made of the bank's former clips."""
        self._repertoires = {}
        for policy in self.mixture.policies:
            if isinstance(policy, Planner):
                policy.forget_clips()

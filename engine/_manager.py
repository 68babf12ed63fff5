"""The manager: one per process, shared by its sessions."""

import itertools
import logging
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..fillers import Clip, ClipBank, Config, ConfigError, OutputError, absent_phrases, load_config
from ._clock import Clock, MonotonicClock, VirtualClock
from ._engine import Engine
from ._keeping import Keeper, WaitsKeeper
from ._listeners import Listener, Listeners
from ._packwatch import PackWatch
from ._rehearsal import Rehearsal
from ._session import Session
from ._turnlog import TurnLog
from ._work import InlineWork, ServiceThread
from .mixer import native_available
from .outputs import DeviceOutput, FileOutput, Output, SilentOutput
from .planning import Ladder, Mixture, NoFillers, Planner, Policy, Restraint
from .prediction import LatencyPredictor

logger = logging.getLogger("stopgap")

PolicyMaker = Callable[[Config, LatencyPredictor], Policy]


class FillerManager:
    """Holds what all conversations of a process share: configuration, clips, predictor, clock, service thread.

    Args:
        config: A `Config`; None: the defaults.
        clock: None: real time. With a `VirtualClock` nothing runs in the background: time passes when the
            clock is moved, and everything is done within the calls.
        bank: Ready clips; None: the configuration's packs are loaded.
        predictor: A predictor that has learned already, for whoever made it to keep; None: a new one, kept in
            ``prediction.file`` if the configuration names one.
        keeper: Keeps *predictor*: looked after on the thread that teaches it.
        make_policy: Makes what decides, given the configuration and the predictor; None: the configuration's mode.

    Raises:
        ConfigError: if the configuration names a phrase that no clip has.
        PackError: if a pack cannot be used.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        clock: Clock | None = None,
        bank: ClipBank | None = None,
        predictor: LatencyPredictor | None = None,
        keeper: Keeper | None = None,
        make_policy: PolicyMaker | None = None,
    ) -> None:
        config = config if config is not None else Config()
        bank = bank if bank is not None else ClipBank(config.packs)
        _check_phrases(config, bank.catalog)
        clock = clock if clock is not None else MonotonicClock()
        file = config.prediction.file if predictor is None else None
        predictor = predictor if predictor is not None else LatencyPredictor(config)
        restraint = Restraint(config.limits)
        if make_policy is not None:
            policies: tuple[Policy, ...] = (make_policy(config, predictor),)
        else:
            policies = policies_of_mode(config, predictor, restraint)
        work = InlineWork() if isinstance(clock, VirtualClock) else ServiceThread()
        self._engine = Engine(
            config=config,
            clock=clock,
            bank=bank,
            predictor=predictor,
            mixture=Mixture(policies, random.Random(config.seed)),
            work=work,
            fallback=Ladder(config),
            restraint=restraint,
            listeners=Listeners(work),
        )
        if len(policies) > 1:
            self._engine.judge = Rehearsal(self._engine, random.Random(config.seed))
        self._keeper = keeper if file is None else WaitsKeeper(predictor, file, clock)
        every_s = config.watch_packs_s
        self._packs = None if every_s is None else PackWatch(bank, self.reload_packs, clock, every_s)
        self._log = None if config.turn_log is None else TurnLog(config, clock, self._engine.count)
        self._engine.log = self._log
        self._ids = itertools.count(1)
        self._sessions: list[Session] = []
        self._xruns = 0.0
        """Of sessions that are no longer in the list."""
        self._warned = self._warned_of_handoff = False

    @classmethod
    def from_config(cls, source: str | Path | Mapping[str, Any] | None = None, *, clock: Clock | None = None) -> Self:
        """Make a manager from a TOML file, a mapping, or (None) the defaults.

        Raises:
            ConfigError: naming the key and what to write instead.
        """
        return cls(load_config(source), clock=clock)

    @property
    def config(self) -> Config:
        return self._engine.config

    @property
    def clock(self) -> Clock:
        return self._engine.clock

    @property
    def bank(self) -> ClipBank:
        return self._engine.bank

    @property
    def predictor(self) -> LatencyPredictor:
        return self._engine.predictor

    def session(
        self,
        output: Output | None = None,
        *,
        id: str | None = None,
        language: str | None = None,
        voice: str | None = None,
        listener: Listener | None = None,
    ) -> Session:
        """Open a conversation.

        Args:
            output: Where it sounds; None: the configured file or device. Where no device is named and none can be
                opened, the session is silent, with one logged warning.
            id: Name in records; None: counted.
            language: BCP 47 tag; None: the configuration's.
            voice: Voice of the clips; None: the configuration's.
            listener: Is told what is heard in it.

        Raises:
            OutputError: if *output*, or the file or device that the configuration names, cannot be opened.
            UsageError: if *listener* has not both methods of `Listener`.
        """
        config = self._engine.config
        number = next(self._ids)
        name = id or f"session-{number}"
        key = name.encode(errors="backslashreplace")
        seed = random.randrange(1 << 32) if config.seed is None else config.seed ^ zlib.crc32(key)
        chosen = output if output is not None else self._default_output()
        if not (chosen.owns_reply or self._warned_of_handoff) and "handoff" in config.model_fields_set:
            self._warned_of_handoff = True
            logger.warning(
                "[handoff] has no effect where the reply does not go through stopgap: fillers fade beneath it"
            )
        self._engine.bank.clips(chosen.rate)  # resampled here rather than in the first turn

        def open_on(output: Output) -> Session:
            return Session(
                self._engine, output, id=name, language=language or config.language, voice=voice or config.voice,
                seed=seed, listener=listener,
            )  # fmt: skip

        session = self._started(open_on, chosen, by_default=output is None)
        self._xruns += sum(_xruns(s) for s in self._sessions if s.closed)
        self._sessions = [s for s in self._sessions if not s.closed]
        self._sessions.append(session)
        self._engine.work.watch(session)
        for kept in (self._keeper, self._packs):
            if kept is not None:
                self._engine.work.watch(kept)
        return session

    def reload_packs(self) -> bool:
        """Take in packs whose files have changed: for turns from now on, and for what is planned next.

        What sounds or is armed goes on as it is. Reading takes as long as at the start, in this thread; sessions go on
        meanwhile. `Config.watch_packs_s` does this by itself.

        Returns:
            Whether any file had changed.

        Raises:
            ConfigError: if a pack cannot be used, or has no clip of a phrase that the configuration names; the former
                clips stay in use.
        """
        config = self._engine.config
        try:
            taken = self._engine.bank.reload(lambda clips: _check_phrases(config, clips))
        except ConfigError:
            self._engine.count("packs_refused")
            raise
        if taken:
            self._engine.work.submit(self._forget_clips)  # after what is being planned, which uses the former ones
            self._engine.count("packs_reloaded")
        return taken

    def _forget_clips(self) -> None:
        self._engine.forget_clips()
        for session in tuple(self._sessions):
            session.forget_clips()

    def add_listener(self, listener: Listener) -> None:
        """Have *listener* told what is heard in the sessions that are opened from now on.

        Raises:
            UsageError: if it has not both methods of `Listener`.
        """
        self._engine.listeners.add(listener)

    def statistics(self) -> dict[str, float]:
        """Return counters of the process: turns, fillers, skipped, reply_starved, reply_refused, silent_sessions,
        turns_logged, turns_unlogged (that could not be written to `Config.turn_log`), packs_reloaded, packs_refused,
        xruns (of devices).

        ``native_mixer`` is 1 where the C core was built, else 0. ``planned_share`` is the probability with which the
        next turn is planned rather than left to the ladder; it falls where predictions lie. ``drifts``: sudden changes
        of waits that were noticed. ``delay_factor`` and ``needless_s``: what the planner pays at present to keep
        ``limits.reply_delay_ms`` and ``limits.needless``, see `Prices`.
        """
        return {
            **self._engine.counters,
            "xruns": self._xruns + sum(map(_xruns, self._sessions)),
            "clip_bytes": self._engine.bank.nbytes,
            "native_mixer": int(native_available),
            "planned_share": self._planned_share,
            "drifts": self._engine.predictor.drifts,
            "delay_factor": self._engine.restraint.prices.delay_factor,
            "needless_s": self._engine.restraint.prices.needless_s,
        }

    @property
    def _planned_share(self) -> float:
        mixture = self._engine.mixture
        pairs = zip(mixture.policies, mixture.weights, strict=True)
        return sum(weight for policy, weight in pairs if isinstance(policy, Planner))

    def close(self) -> None:
        """Close all sessions, end the service thread, and save what was learned if the configuration names a file."""
        for session in self._sessions:
            session.close()
        self._engine.work.close()
        if self._keeper is not None:
            self._keeper.save()
        if self._log is not None:
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _default_output(self) -> Output:
        settings = self._engine.config.output
        if settings.file is not None:
            return FileOutput(settings.file, settings.rate)
        try:
            return DeviceOutput(
                settings.device, rate=settings.rate, block_frames=settings.block_frames,
                wait=settings.device is None, unattended_s=settings.unattended_s,
            )  # fmt: skip
        except OutputError as exc:
            if settings.device is not None:
                raise
            return self._silent(exc)

    def _started(self, open_on: Callable[[Output], Session], output: Output, *, by_default: bool) -> Session:
        session = open_on(output)
        try:
            output.start(session.source, self._engine.clock)
        except OutputError as exc:
            if not by_default or self._engine.config.output.device is not None:
                raise
            return self._started(open_on, self._silent(exc), by_default=False)
        return session

    def _silent(self, cause: OutputError) -> SilentOutput:
        self._engine.count("silent_sessions")
        if not self._warned:
            self._warned = True
            logger.warning("no sound: %s; turns go on without it", cause)
        return SilentOutput(self._engine.config.output.rate)


def _xruns(session: Session) -> float:
    return session.output.statistics().get("underruns", 0.0)


def policies_of_mode(config: Config, predictor: LatencyPredictor, restraint: Restraint) -> tuple[Policy, ...]:
    """Return what the configuration's mode chooses from: planning has the ladder beside it, lest predictions lie."""
    if config.mode == "none":
        return (NoFillers(),)
    ladder = Ladder(config)
    return (ladder,) if config.mode == "ladder" else (Planner(config, predictor, restraint), ladder)


def _check_phrases(config: Config, clips: Sequence[Clip]) -> None:
    """Raise `ConfigError` for a phrase in the configuration that no clip has."""
    wanted: list[tuple[str, tuple[str, ...] | None]] = []
    wanted += [(f"agents.{name}.phrases", override.phrases) for name, override in config.agents.items()]
    wanted += [(f"tools.{name}.phrases", override.phrases) for name, override in config.tools.items()]
    for name, rule in config.behaviors.items():
        wanted.append((f"behaviors.{name}.fillers.phrases", rule.fillers.phrases))
        for place, other in enumerate(rule.alternatives):
            wanted.append((f"behaviors.{name}.alternatives[{place}].fillers.phrases", other.fillers.phrases))
    wanted += [(f"ladder[{place}].phrases", step.phrases) for place, step in enumerate(config.ladder)]
    for where, phrases in wanted:
        absent = absent_phrases(clips, phrases or ())
        if phrases and absent:
            raise ConfigError(
                f"{where}[{phrases.index(absent[0])}] = {absent[0]!r} is the text or id of no clip in "
                f"{', '.join(config.packs)}; see `stopgap pack list`, or add a clip"
            )

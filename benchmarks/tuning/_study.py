"""Trials in a database that other processes and machines may share: Optuna's studies."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import optuna
from stopgap.fillers import Config, UsageError

from ..replays import Heard
from ..traces import TraceTurn
from ._space import Settings, starting_points, suggested
from ._trial import TRAIN_SHARE, Demands, Figures, Job, as_figures

FORMAT = 1
"""Of what is kept in a study: it grows when the space or the figures change their meaning."""
PATIENCE_S = 10
"""s that a database server may take to answer."""
_MADE_BY = "stopgap"
_DRIVER = "PostgreSQL: pip install 'stopgap[tune,postgres]'"

Submit = Callable[[Job], "Future[Heard]"]


@dataclass(frozen=True, slots=True)
class Tried:
    """A finished trial."""

    number: int
    settings: Settings
    figures: Figures
    """On the train part."""


class Study:
    """The trials of one mode on one trace, kept in a database.

    Args:
        storage: An open storage.
        name: Of the study.
        mode: ``ladder`` or ``predictive``.
        base: What is not searched.
        turns: The trace.
        demands: What steers the search.
        seed: Of the search.
        known_after_ms: As for `replay`.

    Raises:
        UsageError: if the study is of another version of stopgap, another trace or another configuration.
    """

    def __init__(
        self,
        storage: Any,
        name: str,
        mode: str,
        base: Config,
        turns: Sequence[TraceTurn],
        demands: Demands,
        seed: int,
        known_after_ms: float = 0.0,
    ) -> None:
        self.mode = mode
        self._base = base
        self._demands = demands
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(
            storage=storage, study_name=name, direction="minimize", load_if_exists=True, sampler=sampler
        )
        mark = {"format": FORMAT, "version": version("stopgap"), "mode": mode}
        mark["of"] = fingerprint(turns, base, known_after_ms)
        found = self._study.user_attrs.get(_MADE_BY)
        if found is None and not self._study.trials:
            self._study.set_user_attr(_MADE_BY, mark)
            for parameters in starting_points(mode, base):
                self._study.enqueue_trial(parameters)
        elif found != mark:
            raise UsageError(
                f"the study {name!r} in this storage is {_difference(found, mark)}; name another one with --study, or "
                "another --storage"
            )

    @property
    def tried(self) -> list[Tried]:
        """The finished trials, in order."""
        done = self._study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
        return [
            Tried(t.number, json.loads(t.user_attrs["settings"]), as_figures(t.user_attrs["figures"])) for t in done
        ]

    def search(self, until: int, submit: Submit, at_once: int, advance: Callable[[int], None]) -> None:
        """Try settings until *until* trials are finished, here and elsewhere, *at_once* at a time.

        A trial is in the database as soon as it is finished: whatever ends this process loses at most those that run.
        """
        begun: dict[int, Any] = {}
        running: dict[Future[Heard], tuple[Any, Settings]] = {}
        finished = len(self.tried)
        try:
            while finished < until:
                while len(running) < at_once and finished + len(running) < until:
                    trial = self._study.ask()
                    begun[trial.number] = trial
                    settings = suggested(trial, self.mode, self._base)
                    running[submit(Job(self._base, settings, "train"))] = trial, settings
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    trial, settings = running.pop(future)
                    figures = Figures.of(future.result())
                    trial.set_user_attr("settings", json.dumps(settings))
                    trial.set_user_attr("figures", figures.as_dict())
                    for demand, excess in self._demands.excess(figures).items():
                        trial.set_constraint(demand, excess)
                    self._study.tell(trial, figures.cost)
                    del begun[trial.number]
                    advance(1)
                finished = len(self.tried)
        finally:
            for trial in begun.values():  # interrupted: to be tried again
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                self._study.enqueue_trial(trial.params)


@contextmanager
def storage_at(url: str) -> Iterator[Any]:
    """Open the database at *url* (``sqlite:///FILE``, ``postgresql://…``, ``mysql://…``), made ready if it is empty.

    Raises:
        UsageError: if the URL is none, its driver is missing, or the server does not answer, also later on.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(
            "--storage is no database URL; write sqlite:///FILE or postgresql://USER@HOST:PORT/NAME"
        ) from None
    shown = parsed.render_as_string(hide_password=True)
    arguments = {} if parsed.get_backend_name() == "sqlite" else {"connect_timeout": PATIENCE_S}
    if parsed.drivername == "postgresql":  # which driver that means depends on SQLAlchemy's version
        parsed = parsed.set(drivername="postgresql+psycopg")
    whole = parsed.render_as_string(hide_password=False)
    storage = None
    try:
        storage = _opened(whole, {"connect_args": arguments})
        yield storage
    except (ImportError, ModuleNotFoundError) as exc:
        raise UsageError(f"--storage {shown} needs a driver: {exc.__cause__ or exc} ({_DRIVER})") from exc
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as exc:
        cause = str(exc.__cause__ or exc).strip().splitlines()[0]
        if parsed.get_backend_name() == "sqlite" and storage is None:
            raise UsageError(
                f"--storage {shown} cannot be opened ({cause}); give a file in a folder that exists"
            ) from exc
        raise UsageError(
            f"--storage {shown} does not answer ({cause}); start the server, or name another one: finished trials stay "
            "where they are"
        ) from exc
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def _opened(url: str, arguments: dict[str, Any]) -> Any:
    """Return the storage; of two processes that make its tables at once, one has to look again."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    for _ in range(2):
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=arguments)
        except (IntegrityError, OperationalError, ProgrammingError):  # SQLite's for a table that exists is the second
            continue
    return optuna.storages.RDBStorage(url, engine_kwargs=arguments)


def fingerprint(turns: Sequence[TraceTurn], base: Config, known_after_ms: float) -> str:
    """Return a short text that tells what trials are made on apart from anything else."""
    text = repr((known_after_ms, TRAIN_SHARE)) + repr(
        [(t.turn_id, t.started_at, t.agent, t.end_ms, t.cancelled_ms, t.news) for t in turns]
    )
    return hashlib.sha256((text + base.model_dump_json()).encode()).hexdigest()[:16]


def _difference(found: Any, mark: dict[str, Any]) -> str:
    if not isinstance(found, dict) or any(found.get(name) != mark[name] for name in ("format", "version")):
        return f"of another version of stopgap, or not stopgap's ({found!r})"
    return "about " + ("another policy" if found.get("mode") != mark["mode"] else "another trace or configuration")

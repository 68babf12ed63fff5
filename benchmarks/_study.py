"""Trials in a database that other processes and machines may share: Optuna's studies."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from stopgap.fillers import Config, UsageError

from ._heard import Heard
from ._space import Settings, starting_points, suggested
from ._trace import TraceTurn
from ._trial import Demands, Figures, Job, as_figures

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

    Raises:
        UsageError: if the study is of another version of stopgap, another trace or another configuration.
    """

    def __init__(
        self, storage: Any, name: str, mode: str, base: Config, turns: Sequence[TraceTurn], demands: Demands, seed: int
    ) -> None:
        self.mode = mode
        self._base = base
        self._demands = demands
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(
            storage=storage, study_name=name, direction="minimize", load_if_exists=True, sampler=sampler
        )
        mark = {"format": FORMAT, "mode": mode, "of": fingerprint(turns, base)}
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
        running: dict[Future[Heard], tuple[Any, Settings]] = {}
        finished = len(self.tried)
        try:
            while finished < until:
                while len(running) < at_once and finished + len(running) < until:
                    trial = self._study.ask()
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
                    advance(1)
                finished = len(self.tried)
        finally:
            for trial, _ in running.values():
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)


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
    except ArgumentError:
        raise UsageError(
            f"--storage {url!r} is no database URL; write sqlite:///FILE or postgresql://HOST/NAME"
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
        raise UsageError(
            f"--storage {shown} needs a driver ({exc}); for PostgreSQL: pip install psycopg2-binary"
        ) from exc
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as exc:
        cause = str(exc.__cause__ or exc).strip().splitlines()[0]
        raise UsageError(f"--storage {shown} does not answer ({cause}); finished trials stay in it") from exc
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def _opened(url: str, arguments: dict[str, Any]) -> Any:
    """Return the storage; of two processes that make its tables at once, one has to look again."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for _ in range(2):
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=arguments)
        except (IntegrityError, ProgrammingError):
            continue
    return optuna.storages.RDBStorage(url, engine_kwargs=arguments)


def fingerprint(turns: Sequence[TraceTurn], base: Config) -> str:
    """Return a short text that tells the trace and the configuration apart from others."""
    text = repr([(t.turn_id, t.started_at, t.agent, t.end_ms, t.cancelled_ms, t.news) for t in turns])
    return hashlib.sha256((text + base.model_dump_json()).encode()).hexdigest()[:16]


def _difference(found: Any, mark: dict[str, Any]) -> str:
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return f"of another version of stopgap, or not stopgap's ({found!r})"
    return "about " + ("another policy" if found.get("mode") != mark["mode"] else "another trace or configuration")

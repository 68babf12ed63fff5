"""What one process of the service has: agents, fillers, storage, identity."""

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ...fillers import load_config
from .. import FillerManager
from ..metrics import Targets
from ..prediction import LatencyPredictor
from ._interaction import Interaction, Service
from ._loading import load_agent
from ._pump import Pump
from ._rates import RateLimits
from ._sessions import SessionPool
from ._settings import ServiceConfig, service_id
from ._sites import RATE, FillerContents, filler_bank, filler_config
from ._storing import Stores
from ._waits import SharedWaits
from ._workers import Workers
from .behaviors._stored import StoredBehaviors
from .identity import Identity, Tokens, read_secret, secret_file
from .metrics._evaluating import Evaluating
from .metrics._reevaluating import Reevaluating
from .metrics._reporting import Reporting
from .rules._delivering import Delivering
from .rules._evaluates import Evaluates
from .rules._posting import Poster
from .rules._webhooks import Webhooks
from .storage import (
    Accounts,
    Arms,
    BehaviorSets,
    BehaviorVersions,
    Conversations,
    Database,
    Deliveries,
    History,
    Leases,
    Listing,
    MetricResults,
    Metrics,
    Rules,
    Turns,
    database_file,
)

logger = logging.getLogger("stopgap.service")

CLOSE_S = 3.0
"""s that interactions which were stopped are given to end; an agent may refuse to."""


@dataclass(slots=True, eq=False)
class Runtime:
    """The parts of a running service. Get them from `open`; the rest is for one event loop."""

    config: ServiceConfig
    manager: FillerManager
    services: dict[str, Service]
    """By service id."""
    database: Database
    identity: Identity
    rates: RateLimits
    history: History
    listing: Listing
    behavior_sets: BehaviorSets
    behavior_versions: BehaviorVersions
    stored_behaviors: StoredBehaviors
    metrics: Metrics
    metric_results: MetricResults
    evaluating: Evaluating
    turns: Turns
    reporting: Reporting
    reevaluating: Reevaluating
    rules: Rules
    deliveries: Deliveries
    webhooks: Webhooks
    delivering: Delivering
    stores: Stores
    sessions: SessionPool
    pump: Pump
    waits: SharedWaits
    signing_in: Workers
    """Where keys are checked: anybody may send some."""
    decoding: Workers
    """Where speech is decoded."""
    running: set[asyncio.Task[None]] = field(default_factory=set)
    stopping: bool = False
    """Whether no interaction may begin any more."""

    @classmethod
    def open(cls, config: ServiceConfig, *, evaluates: Evaluates | None = None) -> Self:
        """Load agents and clips and open the database. Takes a second: not on an event loop.

        Args:
            config: See `load_service_config`.
            evaluates: Evaluates the metrics of rules; None: as for anybody else.

        Raises:
            StopgapError: if anything of it cannot be used: one sentence says what.
        """
        agents = {name: load_agent(settings) for name, settings in config.services.items()}
        database = Database.open(config.database)
        signing = Path(config.secret_file) if config.secret_file else secret_file(database_file(config.database))
        secret = read_secret(signing)
        fillers = load_config(config.fillers)
        bank = filler_bank(fillers, config.services)
        bank.clips(RATE)
        tables = filler_config(fillers, config.services, bank.originals)
        predictor = LatencyPredictor(tables)
        waits = SharedWaits(predictor, database)
        manager = FillerManager(tables, bank=bank, predictor=predictor, keeper=waits)
        sets, metrics, arms = BehaviorSets(database), Metrics(database), Arms(database)
        pump, contents = Pump(manager.clock), FillerContents(bank)
        services = {
            service_id(name, settings): Service(
                name, settings, agents[name], contents, pump, manager.clock, config.answer_s
            )
            for name, settings in config.services.items()
        }
        deliveries, webhooks = Deliveries(database), Webhooks(secret, config.webhook_hosts)
        evaluating = Evaluating(database, Targets.of(fillers.limits))
        delivering = Delivering(deliveries, evaluates if evaluates is not None else evaluating, webhooks, Poster())
        return cls(
            config=config,
            manager=manager,
            services=services,
            database=database,
            identity=Identity(Accounts(database), Tokens(secret, lifetime_s=config.token_s)),
            rates=RateLimits(config.rate_storage, config.rates),
            history=History(database),
            listing=Listing(database),
            behavior_sets=sets,
            behavior_versions=BehaviorVersions(database),
            stored_behaviors=StoredBehaviors(sets, tables, manager.bank),
            metrics=metrics,
            metric_results=MetricResults(database),
            evaluating=evaluating,
            turns=Turns(database, on_enqueued=delivering.wake),
            reporting=Reporting(arms, sets, evaluating),
            reevaluating=Reevaluating(arms, metrics, evaluating),
            rules=Rules(database),
            deliveries=deliveries,
            webhooks=webhooks,
            delivering=delivering,
            stores=Stores(Conversations(database, on_enqueued=delivering.wake), Leases(database)),
            sessions=SessionPool(manager),
            pump=pump,
            waits=waits,
            signing_in=Workers("sign-in", threads=2, waiting=30),
            decoding=Workers("speech", threads=2, waiting=14),
        )

    def run(self, interaction: Interaction) -> None:
        """Start *interaction* and keep it until its end."""
        task = interaction.start()
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def stop(self) -> None:
        """Stop the interactions that run, and begin no more. Each of their streams ends with an ``error`` event."""
        self.stopping = True
        await asyncio.sleep(0)  # one that was only just begun has to be under way, or it could not end in order
        for task in self.running:
            task.cancel()

    async def close(self) -> None:
        """Stop what still runs, and close everything."""
        await self.stop()
        if self.running:
            _, left = await asyncio.wait(self.running, timeout=CLOSE_S)
            if left:
                logger.warning("%d agents go on though they were cancelled; they are left to themselves", len(left))
        await self.delivering.close()
        await self.reevaluating.close()
        self.signing_in.close()
        self.decoding.close()
        await self.pump.close()
        await asyncio.to_thread(self.manager.close)
        await asyncio.to_thread(self.waits.close)
        await asyncio.to_thread(self.database.close)

    @property
    def in_maintenance(self) -> bool:
        return Path(self.config.maintenance_file).exists()

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
from .behaviors._parts import BehaviorParts
from .identity import Identity, Tokens, read_secret, secret_file
from .metrics._evaluating import Evaluating
from .metrics._parts import MetricParts
from .rules._evaluates import Evaluates
from .rules._parts import RuleParts
from .storage import Accounts, Conversations, Database, History, Leases, Listing, database_file

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
    behaviors: BehaviorParts
    metrics: MetricParts
    rules: RuleParts
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
        tables = filler_config(fillers, config.services, bank.catalog)
        predictor = LatencyPredictor(tables)
        waits = SharedWaits(predictor, database)
        manager = FillerManager(tables, bank=bank, predictor=predictor, keeper=waits)
        behaviors = BehaviorParts.of(database, tables, bank)
        evaluating = Evaluating(database, Targets.of(fillers.limits))
        rules = RuleParts.of(database, secret, config.webhook_hosts, evaluates if evaluates is not None else evaluating)
        wake = rules.delivering.wake
        pump, contents = Pump(manager.clock), FillerContents()
        services = {
            service_id(name, settings): Service(
                name, settings, agents[name], contents, pump, manager.clock, config.answer_s
            )
            for name, settings in config.services.items()
        }
        return cls(
            config=config,
            manager=manager,
            services=services,
            database=database,
            identity=Identity(Accounts(database), Tokens(secret, lifetime_s=config.token_s)),
            rates=RateLimits(config.rate_storage, config.rates),
            history=History(database),
            listing=Listing(database),
            behaviors=behaviors,
            metrics=MetricParts.of(database, evaluating, behaviors.sets, on_enqueued=wake),
            rules=rules,
            stores=Stores(Conversations(database, on_enqueued=wake), Leases(database)),
            sessions=SessionPool(manager),
            pump=pump,
            waits=waits,
            signing_in=Workers("sign-in", threads=2, waiting=30),
            decoding=Workers("speech", threads=2, waiting=14),
        )

    def start(self) -> None:
        """Begin what goes on in the background, on the running event loop."""
        self.rules.delivering.start()
        self.metrics.reevaluating.start()

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
        await self.rules.delivering.close()
        await self.metrics.reevaluating.close()
        self.signing_in.close()
        self.decoding.close()
        await self.pump.close()
        await asyncio.to_thread(self.manager.close)
        await asyncio.to_thread(self.waits.close)
        await asyncio.to_thread(self.database.close)

    @property
    def in_maintenance(self) -> bool:
        return Path(self.config.maintenance_file).exists()

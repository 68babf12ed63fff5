"""What one process of the service has: agents, fillers, storage, identity."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ...fillers import load_config
from .. import FillerManager
from ..prediction import LatencyPredictor
from ._agents import load_agent
from ._interaction import Interaction, Service
from ._pump import Pump
from ._rates import RateLimits
from ._sessions import SessionPool
from ._settings import ServiceConfig, service_id
from ._sites import RATE, FillerContents, filler_bank, filler_config
from ._units import Stores
from ._waits import SharedWaits
from .identity import Identity, Tokens, read_secret, secret_file
from .storage import Accounts, Conversations, Database, History, Leases, database_file


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
    stores: Stores
    sessions: SessionPool
    pump: Pump
    waits: SharedWaits
    running: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    def open(cls, config: ServiceConfig) -> Self:
        """Load agents and clips and open the database. Takes a second: not on an event loop.

        Raises:
            StopgapError: if anything of it cannot be used: one sentence says what.
        """
        agents = {name: load_agent(settings) for name, settings in config.services.items()}
        database = Database.open(config.database)
        signing = Path(config.secret_file) if config.secret_file else secret_file(database_file(config.database))
        fillers = load_config(config.fillers)
        bank = filler_bank(fillers, config.services)
        bank.clips(RATE)
        tables = filler_config(fillers, config.services, bank.originals)
        predictor = LatencyPredictor(tables)
        waits = SharedWaits(predictor, database)
        manager = FillerManager(tables, bank=bank, predictor=predictor, keeper=waits)
        pump, contents = Pump(), FillerContents(bank)
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
            identity=Identity(Accounts(database), Tokens(read_secret(signing), lifetime_s=config.token_s)),
            rates=RateLimits(config.rate_storage, config.rates),
            history=History(database),
            stores=Stores(Conversations(database), Leases(database)),
            sessions=SessionPool(manager),
            pump=pump,
            waits=waits,
        )

    def run(self, interaction: Interaction) -> None:
        """Start *interaction* and keep it until its end."""
        task = interaction.start()
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def close(self) -> None:
        """Stop what still runs, and close everything."""
        for task in self.running:
            task.cancel()
        if self.running:
            await asyncio.wait(self.running)
        await self.pump.close()
        await asyncio.to_thread(self.manager.close)
        await asyncio.to_thread(self.waits.close)
        await asyncio.to_thread(self.database.close)

    @property
    def in_maintenance(self) -> bool:
        return Path(self.config.maintenance_file).exists()

"""The service's configuration: which agents answer, what they may say meanwhile, and what callers may do."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from ...fillers import ConfigError, Section, read_toml, validated
from ._perminute import PER_MINUTE
from .storage import is_id

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Id = Annotated[str, StringConstraints(pattern=r"^[a-f0-9]{24}$")]
Endpoint = Annotated[str, StringConstraints(pattern=f"^({'|'.join(PER_MINUTE)})$")]
Host = Annotated[
    str, StringConstraints(pattern=r"^(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:[0-9]{1,5})?$", max_length=300)
]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class SiteFillers(Section):
    """What may be said while one part of the agent works."""

    fillers: tuple[Line, ...] = Field(default=(), max_length=5)
    """At most 5 lines, none empty. None at all: nothing is said here."""
    after_s: float | None = Field(default=None, gt=0, le=10)
    """s, 0 < x <= 10. Nothing is said earlier; the planner decides from then on, a ladder speaks exactly then. None:
    the planner decides alone."""


class ServiceSettings(Section):
    """One agent, as callers know it by its service id."""

    id: Id | None = None
    """24 hexadecimal digits. None: made from the service's name, always the same."""
    agent: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """``module:function``, see `load_agent`."""
    agent_url: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    """Base URL of an OpenAI-compatible API, such as ``http://127.0.0.1:8000/v1``."""
    model: str = Field(default="default", min_length=1, max_length=200)
    """Model asked for at *agent_url*."""
    api_key_env: str = Field(default="OPENAI_API_KEY", pattern=r"^[A-Za-z_]\w*$")
    """Environment variable that holds the key for *agent_url*."""
    instructions: str = Field(default="", max_length=100_000)
    """System prompt for *agent_url*. Empty: where the agent is to speak first, it is asked for a greeting."""
    voice: bool = False
    """Whether the agent speaks: voice responses are refused (400) where it does not. Not with *agent_url*."""
    tools: dict[str, SiteFillers] = {}
    """By tool id."""
    decisions: dict[str, SiteFillers] = {}
    """By decision state."""
    reflections: dict[str, SiteFillers] = {}
    """By reflection state."""
    params: dict[str, SiteFillers] = {}
    """By tool id: while the parameters of its call are generated."""

    @model_validator(mode="after")
    def _has_one_agent(self) -> Self:
        if (self.agent is None) == (self.agent_url is None):
            raise ValueError('a service needs one agent: write either agent = "module:function" or agent_url = "http…"')
        if self.voice and self.agent_url is not None:
            raise ValueError("an agent behind a chat endpoint (agent_url) does not speak; leave voice out")
        return self


class ServiceConfig(Section):
    """All of it. Build it with `load_service_config`."""

    database: str = Field(default="sqlite:///stopgap-service.db", min_length=1)
    """SQLAlchemy URL: SQLite, or ``postgresql+psycopg://…``."""
    rate_storage: str = "memory://"
    """Where requests are counted: ``redis://…`` where there are several processes."""
    fillers: str | None = None
    """Path of a ``stopgap.toml``, relative to this file. None: the defaults."""
    secret_file: str | None = None
    """Path of the file with the secret that tokens are signed with. None: beside the database's file."""
    maintenance_file: str = Field(default="stopgap-maintenance", min_length=1)
    """While a file of that name exists, every request but health checks is answered 503."""
    token_s: float = Field(default=3600.0, ge=600, le=86_400)
    """s that a token is valid."""
    answer_s: float = Field(default=300.0, gt=0, le=3600)
    """s that an agent may take for a whole answer."""
    body_mb: float = Field(default=10.0, gt=0, le=100)
    """MB (10^6 bytes) of a request's body."""
    body_s: float = Field(default=30.0, gt=0, le=3600)
    """s from a request's beginning to its body's end; what is slower is answered 408."""
    drain_s: float = Field(default=30.0, ge=0, le=3600)
    """s that running answers are given to end when the service is stopped; then they end with an ``error`` event."""
    rates: dict[Endpoint, Annotated[int, Field(ge=1, le=100_000)]] = {}
    """Requests a minute and user, put over the API's own limits (5, 5, 15 and 5; 1000 to list a behavior
    set's versions, 200 to create some; 20 to evaluate metrics, 10 to list their results), over 60 to define metrics, to
    list them, to post turns and to read conversations, 200 to change rules and 1000 to read them, and over sign-ins of
    one address (60)."""
    webhook_hosts: tuple[Host, ...] = Field(default=(), max_length=100)
    """Hosts that rules may have called, lower case: ``hooks.example.com`` (on the scheme's own port), or with a port
    ``hooks.example.com:8443``. None by default: whoever may create rules would else have the service call what only the
    service can reach."""
    services: dict[Name, ServiceSettings] = Field(default={}, max_length=100)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [service_id(name, service) for name, service in self.services.items()]
        for place, found in enumerate(ids):
            if found in ids[:place]:
                raise ValueError(f"two services have the id {found}; change one of them")
        return self


def service_id(name: str, service: ServiceSettings) -> str:
    """Return the id by which callers know a service."""
    return service.id or hashlib.sha256(f"stopgap service {name}".encode()).hexdigest()[:24]


def behavior_id(name: str) -> str:
    """Return the id by which events name a behaviour: a stored one's own; else one is made of its name."""
    return name if is_id(name) else hashlib.sha256(f"stopgap behavior {name}".encode()).hexdigest()[:24]


def load_service_config(path: Path | None, **changes: Any) -> ServiceConfig:
    """Return the configuration in a TOML file (None: the defaults), with *changes* put over it.

    Raises:
        ConfigError: with the key's path, if anything in it cannot be used.
    """
    data = read_toml(path, what="service configuration") if path is not None else {}
    config = validated(ServiceConfig, {**data, **changes}, where=str(path or "service configuration"))
    if path is not None and config.fillers is not None and "fillers" not in changes:
        config = config.model_copy(update={"fillers": str(path.parent / config.fillers)})
    if not config.services:
        raise ConfigError(
            f'{path or "the service"} names no agent; write [services.NAME] with agent = "module:function", '
            "or start it with --agent or --agent-url"
        )
    return config

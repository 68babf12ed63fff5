"""Where agents come from."""

import importlib
import inspect
import os
import sys
from typing import Any

from ...fillers import ConfigError
from ._agents import Agent
from ._settings import ServiceSettings


def load_agent(settings: ServiceSettings) -> Agent:
    """Return the agent that *settings* name. ``module`` is looked for in the working directory, too.

    Raises:
        ConfigError: if there is no such module or async generator function, or the endpoint's client is missing.
    """
    if settings.agent_url is not None:
        from ._chat import ChatAgent  # takes half a second and 20 MB, which other agents need not pay

        return ChatAgent(
            settings.agent_url, settings.model, settings.instructions, os.environ.get(settings.api_key_env, "none")
        )
    module_name, _, name = (settings.agent or "").partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ImportError as exc:
        raise ConfigError(f"agent {settings.agent!r}: {exc}; give module:function, run where the module is") from exc
    finally:
        sys.path.remove(os.getcwd())
    agent: Any = getattr(module, name, None)
    if not inspect.isasyncgenfunction(agent):
        raise ConfigError(
            f"agent {settings.agent!r} is no async generator function; write `async def {name}(request): yield ...`"
        )
    found: Agent = agent
    return found

"""An agent that tells which process it runs in. A folder of its own may hold others of that name for one test."""

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from stopgap.service import AgentRequest, Answer


async def agent(request: AgentRequest) -> AsyncGenerator[Answer, None]:
    """Say the process's id at once; then, after a file that the message may name is there, what it was told before."""
    yield f"{os.getpid()} "
    match (request.text or "").split("="):
        case ["until", path]:
            while not Path(path).exists():
                await asyncio.sleep(0.01)
    yield f"{sum(message.role == 'user' for message in request.history)}"

"""The agent of the service's benchmark: waits as long as it is told, then says half a second."""

import asyncio
import json
from collections.abc import AsyncGenerator

import numpy as np
from stopgap.engine.service._actions import ToolCallEnded, ToolCallStarted
from stopgap.engine.service._agents import AgentRequest, Answer, Speech

SPEECH = Speech(np.tile((8000 * np.sin(np.arange(400) * 0.2)).astype(np.int16), 20), 16_000)


async def answer(request: AgentRequest) -> AsyncGenerator[Answer, None]:
    """Do what the message says: ``{"wait_s": …}``, and of a tool ``{"tool": …, "from_s": …, "to_s": …}``."""
    told = json.loads(request.text or '{"wait_s": 0}')
    began_at = asyncio.get_running_loop().time()

    async def until(after_s: float) -> None:
        await asyncio.sleep(max(0.0, began_at + after_s - asyncio.get_running_loop().time()))

    if "tool" in told:
        await until(told["from_s"])
        yield ToolCallStarted(tool_id=told["tool"])
        await until(told["to_s"])
        yield ToolCallEnded(tool_id=told["tool"], duration=told["to_s"] - told["from_s"])
    await until(told["wait_s"])
    yield "That is done."
    yield SPEECH

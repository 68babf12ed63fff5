"""An agent of your own in asyncio, with real services: type a question, hear the answer.

    pip install stopgap openai
    OPENAI_API_KEY=... python examples/asyncio_real.py

The language model may look up the weather, which takes a while; what you hear meanwhile is stopgap's.
"""

import asyncio
import json
import sys
from typing import Any

import stopgap
from openai import AsyncOpenAI

MODEL = "gpt-4o-mini"
TTS_RATE = 24_000  # of OpenAI's PCM
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather in a town, now.",
            "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
        },
    }
]


async def weather(town: str) -> str:
    """Ask a slow service; put your own here."""
    await asyncio.sleep(3.0)
    return f"Light rain in {town}, 12 degrees."


async def think(client: AsyncOpenAI, turn: stopgap.Turn, messages: list[Any]) -> str:
    """Return the answer to *messages*, with whatever tools the model asks for."""
    while True:
        stream = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, stream=True)
        text = ""
        calls: dict[int, dict[str, str]] = {}
        async for chunk in turn.watch_llm(stream, lambda chunk: chunk.choices[0].delta.content):
            delta = chunk.choices[0].delta
            text += delta.content or ""
            for part in delta.tool_calls or ():
                call = calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
                call["id"] += part.id or ""
                call["name"] += (part.function and part.function.name) or ""
                call["arguments"] += (part.function and part.function.arguments) or ""
        if not calls:
            return text
        called = [
            {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
            for c in calls.values()
        ]
        messages.append({"role": "assistant", "content": text or None, "tool_calls": called})
        for call in calls.values():
            with turn.tool(call["name"]):  # "let me check" may be said while it runs
                result = await weather(**json.loads(call["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})


async def main() -> None:
    client = AsyncOpenAI()
    messages: list[Any] = [{"role": "system", "content": "You are on the phone. Answer in one or two short sentences."}]
    with stopgap.FillerManager.from_config() as manager:  # or "stopgap.toml"
        async with manager.session() as session:
            while question := (await asyncio.to_thread(input, "> ")).strip():
                messages.append({"role": "user", "content": question})
                with session.begin(agent=MODEL) as turn:  # Enter stands for the end of speech; a failure ends the turn
                    text = await think(client, turn, messages)
                    async with client.audio.speech.with_streaming_response.create(
                        model="gpt-4o-mini-tts", voice="alloy", input=text, response_format="pcm"
                    ) as response:
                        await turn.watch(response.iter_bytes(), TTS_RATE)
                messages.append({"role": "assistant", "content": text})
                print(text)
                print(f"(fillers: {turn.record.filler_text or 'none'})", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main())

"""A conversation with an Amigo agent, whose waits are filled: the real SDK, and one line of stopgap around its stream.

    python examples/amigo_client.py --service SERVICE_ID    # needs AMIGO_API_KEY, AMIGO_API_KEY_ID, AMIGO_USER_ID,
                                                            # AMIGO_ORGANIZATION_ID and a loudspeaker
    python examples/amigo_client.py --selftest              # no keys: against a small fake server in this file
    python examples/amigo_client.py --selftest --out heard.wav

    pip install 'stopgap[amigo]'; the selftest also needs starlette and uvicorn

Prints what the user heard, and when.
"""

import argparse
import asyncio
import base64
import contextlib
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import soundfile
import stopgap
from amigo_sdk import AsyncAmigoClient
from amigo_sdk.generated.model import (
    ConversationCreateConversationRequest,
    CreateConversationParametersQuery,
    InteractWithConversationParametersQuery,
)
from stopgap.amigo import ConversationCreated, Fillers, InteractionComplete, parse_event, watch_interaction

REPLY_RATE = 16_000
"""Hz of the PCM that your service's voice sends."""
NEW = CreateConversationParametersQuery.model_validate({"response_format": "voice"})
SPOKEN = InteractWithConversationParametersQuery.model_validate({"request_format": "text", "response_format": "voice"})
TOOL_NAMES = {"0123456789abcdef01234567": "orders"}
"""What your tools are called in stopgap's configuration and records."""


async def greet(client: AsyncAmigoClient, session: stopgap.Session, service: str) -> str:
    """Open a conversation: the agent speaks first. Return the conversation's id."""
    conversation = ""
    request = ConversationCreateConversationRequest.model_validate({"service_id": service})
    stream = await client.conversations.create_conversation(request, NEW)
    async for event in watch_interaction(session, stream, reply_rate=REPLY_RATE):
        match parse_event(event):
            case ConversationCreated(conversation_id=id):
                conversation = id
    return conversation


async def ask(
    client: AsyncAmigoClient, session: stopgap.Session, conversation: str, text: str, fillers: Fillers
) -> None:
    """Say something to the agent, and have its answer heard."""
    turn = session.begin()  # the user has just stopped speaking
    stream = await client.conversations.interact_with_conversation(conversation, SPOKEN, text_message=text)
    watched = watch_interaction(turn, stream, reply_rate=REPLY_RATE, fillers=fillers, tool_names=TOOL_NAMES)
    async for event in watched:
        match parse_event(event):
            case InteractionComplete(full_message=said):
                print(f"the agent: {said}")


async def talk(client: AsyncAmigoClient, service: str, questions: list[str], fillers: Fillers, out: str | None) -> None:
    with stopgap.FillerManager.from_config({"output": {"file": out}} if out else None) as manager:
        async with manager.session() as session:
            conversation = await greet(client, session, service)
            await heard_out(session)
            for question in questions:
                print(f"the user: {question}")
                await ask(client, session, conversation, question, fillers)
                await heard_out(session)


async def heard_out(session: stopgap.Session) -> None:
    """Wait until the answer has been heard (here the user says nothing meanwhile), and tell what was."""
    await asyncio.sleep(2.0)
    turn = session.turn
    if turn is None:
        return
    for sound in turn.record.sounds:
        whose = "the server's" if sound.reason == "offered" else "ours"
        print(f"{sound.start_s:5.2f} s  {sound.kind:<10}  {sound.text or ''} ({whose})")
    if turn.record.reply_heard_s is not None:
        print(f"{turn.record.reply_heard_s:5.2f} s  the answer")


# A stand-in for the server ------------------------------------------------------------------------------------------


def murmur(seconds: float, pitch: float) -> np.ndarray[Any, np.dtype[np.int16]]:
    t = np.arange(round(seconds * REPLY_RATE)) / REPLY_RATE
    syllables = np.clip(np.sin(2 * np.pi * 4 * t), 0, None)
    return np.asarray(8_000 * syllables * np.sin(2 * np.pi * pitch * t), np.int16)


def filler() -> str:
    """Return a filler as the server sends it: a WAV, mono, 16-bit, 16 kHz, in base64."""
    file = io.BytesIO()
    soundfile.write(file, murmur(1.0, 220.0), 16_000, format="WAV")
    return base64.b64encode(file.getvalue()).decode()


def spoken(text: str) -> list[dict[str, Any]]:
    """Return the events of an answer: its audio in pieces, and the end."""
    pieces = np.array_split(murmur(1.2, 140.0), 4)
    return [
        {"type": "new-message", "message": base64.b64encode(piece.astype("<i2").tobytes()).decode(), "stop": n == 3,
         "transcript_alignment": None, "sequence_number": n, "message_id": "m2"}
        for n, piece in enumerate(pieces)
    ] + [{"type": "interaction-complete", "message_id": "m2", "interaction_id": "i1", "full_message": text,
          "conversation_completed": False}]  # fmt: skip


def action(type: str, **fields: Any) -> dict[str, Any]:
    return {"type": "current-agent-action", "action": {"type": type, **fields}}


async def opening() -> AsyncIterator[bytes]:
    yield line({"type": "conversation-created", "conversation_id": "00112233445566778899aabb"})
    await asyncio.sleep(0.3)
    for event in spoken("Hello, how can I help?"):
        yield line(event)


async def slow_answer() -> AsyncIterator[bytes]:
    """An answer whose tool takes 4 s; after 2 s of that the server sends its filler."""
    tool = {"tool_round_index": 0, "tool_id": next(iter(TOOL_NAMES)), "tool_version": "1.0"}
    yield line({"type": "user-message-available", "message_id": "m1", "user_message": "Where is my order?"})
    await asyncio.sleep(0.2)
    yield line(action("tool-call-started", **tool, input_params={}))
    await asyncio.sleep(2.0)
    yield line(
        action("action-too-long", filler=filler(), previously_started_event={"type": "tool-call-started", **tool})
    )
    await asyncio.sleep(2.0)
    yield line(action("tool-call-ended", **tool, input_parameters={}, result="on its way", duration=4.0))
    for event in spoken("It is on its way."):
        yield line(event)


def line(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"


@contextlib.asynccontextmanager
async def fake_server() -> AsyncIterator[str]:
    """Run a server with the least that a client needs, and give its address."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route

    async def sign_in(request: Request) -> Response:
        return JSONResponse({"id_token": "x", "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()})

    async def create(request: Request) -> Response:
        return StreamingResponse(opening(), 201, media_type="application/x-ndjson")

    async def interact(request: Request) -> Response:
        return StreamingResponse(slow_answer(), media_type="application/x-ndjson")

    app = Starlette(
        routes=[
            Route("/v1/org/user/signin_with_api_key", sign_in, methods=["POST"]),
            Route("/v1/org/conversation/", create, methods=["POST"]),
            Route("/v1/org/conversation/{id}/interact", interact, methods=["POST"]),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await running


async def main(service: str | None, questions: list[str], fillers: Fillers, out: str | None) -> None:
    if service is not None:
        async with AsyncAmigoClient() as client:
            await talk(client, service, questions, fillers, out)
        return
    async with (
        fake_server() as url,
        AsyncAmigoClient(api_key="k", api_key_id="i", user_id="u", organization_id="org", base_url=url) as client,
    ):
        await talk(client, "0123456789abcdef01234567", questions, fillers, out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--service", metavar="ID", help="the service to talk to")
    where.add_argument("--selftest", action="store_true", help="talk to a fake server, without keys")
    choices = ["candidate", "play", "ignore"]
    parser.add_argument("--fillers", choices=choices, default="candidate", help="what to do with the server's fillers")
    parser.add_argument("--out", metavar="FILE.wav", help="write there instead of playing")
    parser.add_argument("questions", nargs="*", default=["Where is my order?"], help="what the user says")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.service, arguments.questions, arguments.fillers, arguments.out))

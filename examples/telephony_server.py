"""A voice agent on the phone whose waits are filled: a WebSocket in the form of Twilio's Media Streams.

    pip install 'stopgap[telephony]'
    python examples/telephony_server.py

With a real provider: make the server reachable under a public address (a tunnel, or --host 0.0.0.0 behind TLS), check
the provider's signature, and answer the call's webhook with

    <Response><Connect><Stream url="wss://YOUR.HOST/media" /></Connect></Response>

(Twilio; with Telnyx set stream_url and stream_bidirectional_mode="rtp"). Then replace `Agent._answer` by your
recogniser, model and voice, and `EndPointer` by a real one. The rest stays as it is.
"""

import argparse
import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
import stopgap
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from stopgap.fillers import bundled_folder
from stopgap.telephony import MESSAGE_LONGEST, CallerAudio, StreamStopped, TelephonyCall

RATE = 8_000
REPLIES = ("hours-reply", "order-reply", "flight-reply")


@lru_cache
def reply_audio(number: int) -> npt.NDArray[np.float32]:
    """Return what the agent says in its turn *number*, from 0: the text-to-speech of this example."""
    path = bundled_folder() / "demo" / "reply" / f"{REPLIES[number % len(REPLIES)]}.flac"
    samples, rate = soundfile.read(path, dtype="float32")
    return np.asarray(soxr.resample(samples, rate, RATE), np.float32)


class EndPointer:
    """Says when the caller begins to speak and has ended, by loudness alone."""

    THRESHOLD = 0.01
    HANGOVER_S = 0.3
    """s of quiet that end it."""

    def __init__(self) -> None:
        self.spoken_s = 0.0
        """s of the present speech, or the last one."""
        self._speaking = False
        self._quiet_s = 0.0

    def hear(self, samples: npt.NDArray[np.float32], rate: int) -> str | None:
        """Return ``began``, ``ended`` or None."""
        length_s = len(samples) / rate
        if float(np.sqrt(np.mean(samples**2))) > self.THRESHOLD:
            if self._speaking:
                self.spoken_s, self._quiet_s = self.spoken_s + self._quiet_s + length_s, 0.0
                return None
            self._speaking, self.spoken_s, self._quiet_s = True, length_s, 0.0
            return "began"
        self._quiet_s += length_s
        if self._speaking and self._quiet_s >= self.HANGOVER_S:
            self._speaking = False
            return "ended"
        return None


class Agent:
    """A slow agent: 2.5 s for an answer, longer with a tool, and code that blocks the event loop.

    Args:
        call: The call.
        think_s: s for an answer.
    """

    def __init__(self, call: TelephonyCall, think_s: float) -> None:
        self._call = call
        self._think_s = think_s
        self._ears = EndPointer()
        self._turns = 0
        self._turn: stopgap.Turn | None = None
        self._answering: asyncio.Task[None] | None = None

    def hear(self, audio: CallerAudio) -> None:
        """Take in what the caller says."""
        session = self._call.session
        match self._ears.hear(audio.samples, audio.rate):
            case "began":
                session.user_speaking()  # whatever sounds stops within a frame
            case "ended":
                if self._ears.spoken_s < 0.3 and self._turn is not None:
                    session.resume()  # it was only an "ok"
                    return
                self.hang_up("barge-in")
                ended_at = time.monotonic() - EndPointer.HANGOVER_S
                self._turn = session.begin(speech_ended_at=ended_at, agent="example")  # fillers are armed
                self._answering = asyncio.create_task(self._answer(self._turn, self._turns))
                self._turns += 1

    def hang_up(self, reason: str = "hang-up") -> None:
        """Stop answering."""
        if self._turn is not None:
            self._turn.cancel(reason)
        if self._answering is not None:
            self._answering.cancel()

    async def _answer(self, turn: stopgap.Turn, number: int) -> None:
        with_tool = number % 2 == 1
        if with_tool:
            with turn.tool("lookup"):
                await asyncio.sleep(self._think_s)
        await asyncio.sleep(self._think_s)
        audio = reply_audio(number)
        for start in range(0, len(audio), RATE // 10):
            if with_tool and start == RATE:
                time.sleep(0.25)  # somebody's code blocks the event loop, while the reply sounds
            turn.write(audio[start : start + RATE // 10], rate=RATE)
            await asyncio.sleep(0.05)
        turn.finish()


async def messages(websocket: WebSocket) -> AsyncIterator[str | bytes]:
    """Yield what comes until the other end hangs up; `WebSocket.iter_text` raises at a binary frame."""
    while (message := await websocket.receive())["type"] == "websocket.receive":
        yield message.get("text") or message.get("bytes") or ""


def application(lead_ms: float, think_s: float, config: str | None) -> Starlette:
    """Return the web application."""
    manager = stopgap.FillerManager.from_config(config)

    async def phone(websocket: WebSocket) -> None:
        await websocket.accept()
        async with TelephonyCall(manager, websocket.send_text, lead_ms=lead_ms) as call:
            agent = Agent(call, think_s)
            async for message in messages(websocket):
                match await call.receive(message):
                    case CallerAudio() as heard:
                        agent.hear(heard)
                    case StreamStopped():
                        break
            agent.hang_up()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        manager.bank.clips(RATE)  # resampled now rather than in the first call
        with manager:
            yield

    return Starlette(routes=[WebSocketRoute("/media", phone)], lifespan=lifespan)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8770, help="0: any that is free")
    parser.add_argument("--lead-ms", type=float, default=400.0, help="0: frames are sent when they are due")
    parser.add_argument("--think-s", type=float, default=2.5)
    parser.add_argument("--config", help="stopgap's configuration")
    arguments = parser.parse_args()
    app = application(arguments.lead_ms, arguments.think_s, arguments.config)
    with socket.create_server((arguments.host, arguments.port)) as listening:
        host, port = listening.getsockname()[:2]
        print(f"ws://{host}:{port}/media", flush=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws_max_size=MESSAGE_LONGEST))
        asyncio.run(server.serve(sockets=[listening]))


if __name__ == "__main__":
    main()

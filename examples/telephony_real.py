"""A voice agent on the phone with real services: a provider's media WebSocket, and OpenAI for ears, mind and voice.

    pip install 'stopgap[telephony]' openai
    OPENAI_API_KEY=... python examples/telephony_real.py --host 0.0.0.0   # behind TLS, at the address of your <Stream>

How to point a number at it is told in examples/telephony_server.py, whose end-pointing by loudness this uses: put a
real one there. Check your provider's signature before you accept a socket.
"""

import argparse
import asyncio
import io
import time
from typing import Any

import numpy as np
import soundfile
import stopgap
import uvicorn
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from stopgap.telephony import MESSAGE_LONGEST, CallerAudio, TelephonyCall
from telephony_server import EndPointer, messages

MODEL = "gpt-4o-mini"
TTS_RATE = 24_000  # of OpenAI's PCM
LONGEST_S = 30.0
"""s of the caller's speech that are kept for the recogniser."""


class Agent:
    """One caller's: hears, thinks and speaks. The lines with `turn` and `session` are all that stopgap needs."""

    def __init__(self, client: AsyncOpenAI, session: stopgap.Session) -> None:
        self._client, self._session = client, session
        self._ears, self._said = EndPointer(), [np.zeros(0, np.float32)]
        self._messages: list[Any] = [{"role": "system", "content": "You are on the phone. Answer in a sentence."}]
        self._answering: asyncio.Task[None] | None = None

    def hear(self, audio: CallerAudio) -> None:
        """Take in what the caller says."""
        self._said.append(audio.samples)
        if len(self._said) > LONGEST_S * 50:
            del self._said[0]
        match self._ears.hear(audio.samples, audio.rate):
            case "began":
                self._session.user_speaking()  # whatever sounds stops within a frame
                self._said = self._said[-25:]  # half a second before it: the beginning was not loud yet
            case "ended" if self._ears.spoken_s < 0.3:
                self._session.resume()  # it was only an "ok"
            case "ended":
                self.hang_up()  # the turn ends with its block
                said = np.concatenate(self._said)
                self._answering = asyncio.create_task(self._answer(said, audio.rate))

    def hang_up(self) -> None:
        """Stop answering."""
        if self._answering is not None:
            self._answering.cancel()

    async def _answer(self, said: np.ndarray[tuple[int], np.dtype[np.float32]], rate: int) -> None:
        ended_at = time.monotonic() - EndPointer.HANGOVER_S
        with self._session.begin(speech_ended_at=ended_at, agent=MODEL) as turn:
            file = io.BytesIO()
            soundfile.write(file, said, rate, format="WAV")
            heard = await self._client.audio.transcriptions.create(
                model="whisper-1", file=("caller.wav", file.getvalue())
            )
            turn.milestone("transcript_final")
            self._messages.append({"role": "user", "content": heard.text})
            stream = self._client.chat.completions.create(model=MODEL, messages=self._messages, stream=True)
            text = ""
            async for chunk in turn.watch_llm(stream, lambda chunk: chunk.choices[0].delta.content):
                text += chunk.choices[0].delta.content or ""
            self._messages.append({"role": "assistant", "content": text})
            async with self._client.audio.speech.with_streaming_response.create(
                model="gpt-4o-mini-tts", voice="alloy", input=text, response_format="pcm"
            ) as response:
                await turn.watch(response.iter_bytes(), TTS_RATE)


def main(host: str, port: int) -> None:
    manager = stopgap.FillerManager.from_config()  # or "stopgap.toml"
    manager.bank.clips(8_000)  # resampled now rather than in the first call
    client = AsyncOpenAI()

    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        agent: Agent | None = None
        async with TelephonyCall(manager, websocket.send_text) as call:
            async for message in messages(websocket):
                heard = await call.receive(message)
                if isinstance(heard, CallerAudio):
                    agent = agent or Agent(client, call.session)
                    agent.hear(heard)
            if agent is not None:
                agent.hang_up()

    app = Starlette(routes=[WebSocketRoute("/media", media)])
    uvicorn.run(app, host=host, port=port, ws_max_size=MESSAGE_LONGEST)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765)
    arguments = parser.parse_args()
    main(arguments.host, arguments.port)

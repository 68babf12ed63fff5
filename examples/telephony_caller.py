"""A simulated caller: speaks to a media WebSocket as a provider would, plays what comes back, and says what it heard.

In one terminal ``python examples/telephony_server.py``, in another ``python examples/telephony_caller.py``; or
``python examples/telephony_caller.py --selftest``, which starts the server itself. It prints who was heard when, and
for each question the time to the first sound and to the answer, which it knows by its sound. What was heard is written
to heard.wav: left the caller, right the other end.

    pip install 'stopgap[telephony]'
"""

import argparse
import asyncio
import base64
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from stopgap.fillers import bundled_folder
from stopgap.telephony import AudioFormat
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Sound = npt.NDArray[np.float32]

RATE = 8_000
FRAME = 160
MULAW = AudioFormat("mulaw", RATE)


def sound_of(path: Path) -> Sound:
    """Return the sound of a mono file at 8 kHz."""
    samples, rate = soundfile.read(path, dtype="float32")
    return np.asarray(soxr.resample(samples, rate, RATE), np.float32)


def clip(name: str) -> Sound:
    """Return a sentence of the bundled demo, such as ``user/order``, at 8 kHz."""
    return sound_of(bundled_folder() / "demo" / f"{name}.flac")


@dataclass(frozen=True)
class Happening:
    """Something on the line."""

    at: int
    """Samples played before it."""
    what: str
    samples: int = 0


class Provider:
    """The provider's end of a stream: a queue of sound and marks, played at its own pace.

    Time is the number of samples played; sound that is not there is silence. ``clear`` empties the queue and, as
    Twilio and Telnyx document, gives its marks back at once.

    Args:
        stream: Its name.
        format: Of what it is sent.
    """

    def __init__(self, stream: str = "MZ0", format: AudioFormat = MULAW) -> None:
        self.stream, self.format = stream, format
        self.happenings: list[Happening] = []
        self.held = self.held_most = 0
        """Samples in the queue, and the most there ever were."""
        self.played = 0
        self._queue: deque[Sound | str] = deque()
        self._heard: list[Sound] = []

    @property
    def heard(self) -> Sound:
        """Everything that was played, silence included."""
        return np.concatenate([np.zeros(0, np.float32), *self._heard])

    @property
    def next_mark(self) -> int | None:
        """Sample at which the next mark will be played; None without one."""
        at = self.played
        for item in self._queue:
            if isinstance(item, str):
                return at
            at += len(item)
        return None

    def advance(self, to: int) -> list[str]:
        """Play up to the sample *to*; return the messages that this gives rise to."""
        echoes: list[str] = []
        while self._queue and (self.played < to or isinstance(self._queue[0], str)):
            item = self._queue.popleft()
            if isinstance(item, str):
                echoes.append(self._echo(item))
                continue
            count = min(len(item), to - self.played)
            self._play(item[:count])
            self.held -= count
            if count < len(item):
                self._queue.appendleft(item[count:])
        if self.played < to:
            self._play(np.zeros(to - self.played, np.float32))
        return echoes

    def take(self, text: str) -> list[str]:
        """Take in a message; return the answers to it."""
        message = json.loads(text)
        assert message["streamSid"] == self.stream
        match message["event"]:
            case "media":
                sound = self.format.decode(base64.b64decode(message["media"]["payload"]))
                self.happenings.append(Happening(self.played, "media" if self.held else "begins", len(sound)))
                self._queue.append(sound)
                self.held += len(sound)
                self.held_most = max(self.held_most, self.held)
            case "mark":
                self._queue.append(message["mark"]["name"])
                return self.advance(self.played)
            case "clear":
                self.happenings.append(Happening(self.played, "clear", self.held))
                names = [item for item in self._queue if isinstance(item, str)]
                self._queue.clear()
                self.held = 0
                return [self._echo(name) for name in names]
        return []

    def _play(self, sound: Sound) -> None:
        self._heard.append(sound)
        self.played += len(sound)

    def _echo(self, name: str) -> str:
        return json.dumps({"event": "mark", "streamSid": self.stream, "mark": {"name": name}})


@dataclass(frozen=True)
class Wait:
    """What came after a question, in samples of the call."""

    asked: int
    """When its last word was over."""
    sounded: int | None
    """When anything was heard next; None: nothing was."""
    answered: int | None
    """When the answer began; None: it was not heard, or does not sound as expected."""

    def __str__(self) -> str:
        first, answer = (
            "none" if at is None else f"after {(at - self.asked) / RATE:.2f} s" for at in (self.sounded, self.answered)
        )
        return f"asked until {_seconds(self.asked)}: first sound {first}, answer {answer}"


class Caller:
    """Speaks what it is told to, when it is told to, and listens.

    Args:
        script: s from the start, and what is said then.
        lasts_s: s until it hangs up.
    """

    def __init__(self, script: Sequence[tuple[float, Sound]], lasts_s: float) -> None:
        self.provider = Provider()
        self.said: Sound = np.zeros(round(lasts_s * RATE) // FRAME * FRAME, np.float32)
        for at_s, sound in script:
            at = round(at_s * RATE)
            self.said[at : at + len(sound)] = sound[: len(self.said) - at]
        self._asked = [round(at_s * RATE) + spans(sound)[-1][1] for at_s, sound in script]
        self._began_at = 0.0

    async def call(self, url: str) -> None:
        """Have the call, from the handshake to hanging up."""
        async with connect(url) as socket:
            await self._say(socket, event="connected", protocol="Call", version="1.0.0")
            start = {
                "streamSid": self.provider.stream, "callSid": "CA0", "tracks": ["inbound"], "customParameters": {},
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE, "channels": 1},
            }  # fmt: skip
            await self._say(socket, event="start", sequenceNumber="1", streamSid=self.provider.stream, start=start)
            self._began_at = time.monotonic()
            listening = asyncio.create_task(self._listen(socket))
            await self._speak(socket)
            await self._say(socket, event="stop", streamSid=self.provider.stream, stop={"callSid": "CA0"})
            listening.cancel()

    async def _speak(self, socket: ClientConnection) -> None:
        for number in range(len(self.said) // FRAME):
            sound = MULAW.encode(self.said[number * FRAME : (number + 1) * FRAME])
            media = {
                "track": "inbound", "chunk": str(number + 1), "timestamp": str(20 * number),
                "payload": base64.b64encode(sound).decode(),
            }  # fmt: skip
            await self._say(socket, event="media", streamSid=self.provider.stream, media=media)
            await self._answer(socket, self.provider.advance(self._due()))
            await asyncio.sleep(max(0.0, self._began_at + 0.02 * (number + 1) - time.monotonic()))

    async def _listen(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                assert isinstance(text, str)
                echoes = self.provider.advance(self._due())
                await self._answer(socket, echoes + self.provider.take(text))
        except ConnectionClosed:
            pass

    def _due(self) -> int:
        return max(self.provider.played, round((time.monotonic() - self._began_at) * RATE))

    async def _answer(self, socket: ClientConnection, texts: list[str]) -> None:
        for text in texts:
            await socket.send(text)

    async def _say(self, socket: ClientConnection, **message: Any) -> None:
        await socket.send(json.dumps(message))

    def timeline(self) -> list[str]:
        """Return, in words, who was heard when."""
        lines = [(start, f"{_seconds(start)} to {_seconds(end)}  caller") for start, end in spans(self.said)]
        heard = spans(self.provider.heard)
        lines += [(start, f"{_seconds(start)} to {_seconds(end)}          other end") for start, end in heard]
        lines += [
            (happening.at, f"{_seconds(happening.at)}   clear: {happening.samples / RATE:.2f} s taken back")
            for happening in self.provider.happenings
            if happening.what == "clear"
        ]
        return [line for _, line in sorted(lines)]

    def waits(self, answers: Sequence[Sound]) -> list[Wait]:
        """Return how long the caller waited after each question, where the answers are to sound like *answers*."""
        heard = self.provider.heard
        waits = []
        for asked, answer in zip(self._asked, answers, strict=False):
            sounds = spans(heard[asked:])
            answered = found(answer, heard[asked:])
            first = sounds[0][0] if sounds else None
            waits.append(Wait(asked, *(None if at is None else asked + at for at in (first, answered))))
        return waits

    def write(self, path: Path) -> None:
        """Write both ends to *path*, a stereo WAV."""
        length = max(len(self.said), self.provider.played)
        both = [np.pad(sound, (0, length - len(sound))) for sound in (self.said, self.provider.heard)]
        soundfile.write(path, np.stack(both, axis=1), RATE, subtype="PCM_16")


def spans(sound: Sound, pause_s: float = 0.15) -> list[tuple[int, int]]:
    """Return where *sound* sounds, from and to which sample, over pauses shorter than *pause_s*."""
    loud = np.flatnonzero(np.abs(sound) > 0.003)
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > pause_s * RATE)
    return list(zip(loud[[0, *(breaks + 1)]].tolist(), (loud[[*breaks, -1]] + 1).tolist(), strict=True))


def found(sound: Sound, heard: Sound) -> int | None:
    """Return where in *heard* *sound* begins: reckoned from the first tenth of a second of it that is there to the bit.

    So pauses do not matter, nor does what may sound beneath its beginning. None: it is not there.
    """
    as_heard = MULAW.decode(MULAW.encode(sound))
    wanted, there = np.flatnonzero(as_heard), np.flatnonzero(heard)
    whole = heard[there].tobytes()
    for start in range(0, len(wanted) - RATE // 10, RATE // 10):
        at = whole.find(as_heard[wanted[start : start + RATE // 10]].tobytes())
        if at >= 0:
            return int(there[at // heard.itemsize] - (wanted[start] - wanted[0]))
    return None


def _seconds(samples: int) -> str:
    return f"{samples / RATE:6.2f} s"


class Server:
    """telephony_server.py in a process of its own, on a free port.

    Args:
        arguments: More of its command line.
    """

    def __init__(self, *arguments: str) -> None:
        path = Path(__file__).with_name("telephony_server.py")
        command = [sys.executable, str(path), "--port", "0", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> str:
        """Return its address, once it listens."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ws://"):
            self.__exit__()
            raise RuntimeError(f"the server did not start: {line!r}")
        return line.strip()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def main() -> None:
    """Call, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", default="ws://127.0.0.1:8770/media")
    parser.add_argument("--selftest", action="store_true", help="start the server, too")
    parser.add_argument("--lead-ms", default="400", help="of the server that --selftest starts")
    parser.add_argument("--out", type=Path, default=Path("heard.wav"))
    parser.add_argument("--say", type=Path, help="a mono WAV with the first question")
    arguments = parser.parse_args()
    question = clip("user/hours") if arguments.say is None else sound_of(arguments.say)
    second_at_s = len(question) / RATE + 7.0
    caller = Caller([(0.5, question), (second_at_s, clip("user/order"))], lasts_s=second_at_s + 11.5)
    if arguments.selftest:
        with Server("--lead-ms", arguments.lead_ms) as url:
            asyncio.run(caller.call(url))
    else:
        asyncio.run(caller.call(arguments.url))
    print("\n".join(caller.timeline()))
    for wait in caller.waits([clip("reply/hours-reply"), clip("reply/order-reply")]):
        print(wait)
    caller.write(arguments.out)
    print(f"{arguments.out}: left the caller, right what the caller heard")


if __name__ == "__main__":
    main()

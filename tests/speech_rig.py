"""What tests of recording share: a speech endpoint on loopback, a clock that does not wait, audio, specs."""

import io
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import soundfile
from stopgap.fillers import PackError, validated
from stopgap.fillers.recording import Recorded, RecordOptions, TtsOptions, open_tts, record
from stopgap.fillers.texts import Spec


def wav(hz: float = 300.0, *, rate: int = 24_000, seconds: float = 0.5, level: float = 0.3) -> bytes:
    """Return a WAV file with a tone."""
    file = io.BytesIO()
    at = np.arange(round(rate * seconds)) / rate
    soundfile.write(file, level * np.sin(2.0 * np.pi * hz * at), rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def a_spec(*texts: str, takes: int = 1, **more: Any) -> Spec:
    """Return a spec of phrases."""
    lines = [{"kind": "phrase", "text": text} for text in texts]
    data = {"name": "mine", "language": "en", "takes": takes, "lines": lines, **more}
    return validated(Spec, data, where="spec", error=PackError)


def need(*programs: str) -> None:
    """Skip without these programs, unless STOPGAP_REQUIRE_TTS=1 forbids that."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        reason = f"not installed: {', '.join(missing)}"
        pytest.fail(reason) if os.environ.get("STOPGAP_REQUIRE_TTS") == "1" else pytest.skip(reason)


def a_script(path: Path, content: str) -> Path:
    """Write a shell script that can be run."""
    path.write_text(f"#!/bin/sh\n{content}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


class FakeClock:
    """Time passes when somebody waits, at once."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds


@dataclass
class Answer:
    """What the endpoint does with a request."""

    body: bytes = field(default_factory=wav)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    way: Literal["whole", "chunked", "cut", "hang", "endless"] = "whole"


class SpeechServer:
    """An OpenAI-compatible endpoint that answers each text as it was told to, and else with a tone of its own."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        """By text; each is given once, the last one for ever."""
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.released = threading.Event()
        self._lock = threading.Lock()
        rig = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                rig._note(self.path, self.headers.get("authorization"), body)
                rig._give(self, rig._answer(body["input"]))

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.origin}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def texts(self) -> list[str]:
        """What was asked for, in order."""
        return [body["input"] for body in self.asked]

    def _note(self, path: str, key: str | None, body: dict[str, Any]) -> None:
        with self._lock:
            self.paths.append(path)
            self.keys.append(key)
            self.asked.append(body)

    def _answer(self, text: str) -> Answer:
        with self._lock:
            planned = self.answers.get(text, [])
            if planned:
                return planned.pop(0) if len(planned) > 1 else planned[0]
        return Answer(wav(200.0 + 10.0 * len(text)))

    def _give(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.close_connection = True
        if answer.way == "hang":
            self.released.wait(60)
            return
        handler.send_response_only(answer.status)
        handler.send_header("connection", "close")
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if answer.way in ("chunked", "endless"):
            handler.send_header("transfer-encoding", "chunked")
        else:
            handler.send_header("content-length", str(len(answer.body)))
        handler.end_headers()
        with suppress(OSError):  # who asked has gone
            self._send(handler, answer)

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.way == "cut":
            handler.wfile.write(answer.body[: len(answer.body) // 2])
            return
        if answer.way == "whole":
            handler.wfile.write(answer.body)
            return
        for piece in chunks(answer.body, 4096):
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        while answer.way == "endless":
            handler.wfile.write(b"%x\r\n%b\r\n" % (1 << 20, bytes(1 << 20)))
        handler.wfile.write(b"0\r\n\r\n")


@contextmanager
def speech_server() -> Iterator[SpeechServer]:
    """Yield a running one."""
    server = SpeechServer()
    server.start()
    try:
        yield server
    finally:
        server.close()


def chunks(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def recorded(
    spec: Spec, tts: str, folder: Path, *, asked: TtsOptions | None = None, clock: FakeClock | None = None, **how: Any
) -> Recorded:
    """Record *spec* with the TTS that *tts* means, without waiting between tries."""
    if asked is None and tts.startswith("http"):
        asked = TtsOptions(voice="me")
    return record(spec, open_tts(tts, asked), folder, options=RecordOptions(**how), clock=clock or FakeClock())


def reasons(result: Recorded) -> list[str]:
    """Return why takes are missing; each is one line."""
    found = [failure.reason for failure in result.failures]
    assert not any("\n" in reason for reason in found)
    return found


def files(folder: Path) -> list[str]:
    """Return what lies in the pack's originals."""
    return sorted(path.name for path in (folder / "originals").iterdir())

"""A command that is run and, if need be, killed with all that it has started."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from ._trouble import NotSpoken, OutOfOrder

_MOST_ERRORS = 8192
_STILL_OPEN_S = 0.5
"""s. How long output may go on after a command ended: what it left running holds its pipes open."""
_DYING_S = 2.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command said."""

    code: int
    out: bytes
    errors: str
    """The end of its standard error."""


async def run_command(words: list[str], given: str | None, most_bytes: int) -> Ended:
    """Run *words* without a shell. When this is cancelled, the command's whole process group is killed.

    Args:
        words: The program and its arguments.
        given: For standard input; None: nothing.
        most_bytes: What it may print.

    Raises:
        NotSpoken: if it cannot be started or prints more; `OutOfOrder` if the event loop can start none.
    """
    transport, run = await _started(words, given is not None, most_bytes)
    ended = False
    try:
        if given is not None:
            pipe = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
            pipe.write(given.encode())
            pipe.write_eof()
        await asyncio.shield(run.exited)  # this may be cancelled, what it waits for may not
        with suppress(TimeoutError):
            async with asyncio.timeout(_STILL_OPEN_S):
                await asyncio.shield(run.closed)
        ended = True
    finally:
        await _let_go(transport, run, kill=not ended)
    if run.too_much:
        raise NotSpoken(f"the command printed more than {most_bytes // 1_000_000} MB")
    return Ended(transport.get_returncode() or 0, bytes(run.out), run.errors.decode(errors="replace"))


async def _started(words: list[str], reads: bool, most_bytes: int) -> "tuple[asyncio.SubprocessTransport, _Run]":
    """Start a command. If this is cancelled meanwhile, asyncio would kill the command alone, not its children."""
    loop = asyncio.get_running_loop()
    stdin = subprocess.PIPE if reads else subprocess.DEVNULL
    starting = asyncio.ensure_future(
        loop.subprocess_exec(lambda: _Run(most_bytes), *words, stdin=stdin, start_new_session=sys.platform != "win32")
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError, ValueError):
            transport, run = await starting
            await _let_go(transport, run, kill=True)
        raise
    except NotImplementedError as exc:
        raise OutOfOrder(
            "this event loop cannot run commands, as those of notebooks on Windows; run `stopgap pack record`"
        ) from exc
    except (OSError, ValueError) as exc:
        told = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise NotSpoken(f"the command {words[0]!r} cannot be run ({told})") from exc


async def _let_go(transport: asyncio.SubprocessTransport, run: "_Run", *, kill: bool) -> None:
    if kill:
        _kill(transport.get_pid())
        with suppress(TimeoutError):
            async with asyncio.timeout(_DYING_S):
                await asyncio.shield(run.exited)
    transport.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(_DYING_S):
            await asyncio.shield(run.closed)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, signal.SIGKILL)


class _Run(asyncio.SubprocessProtocol):
    """Collects what a command prints."""

    def __init__(self, most_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.out = bytearray()
        self.errors = bytearray()
        self.too_much = False
        self._most = most_bytes
        self._pid = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._pid = cast(asyncio.SubprocessTransport, transport).get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.errors = (self.errors + data)[-_MOST_ERRORS:]
        elif not self.too_much:
            self.out += data
            if len(self.out) > self._most:
                self.too_much = True
                _kill(self._pid)

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

"""PortAudio, through sounddevice: loaded, asked for devices, used by one thread at a time, survived.

PortAudio's calls are not safe to make from two threads, and each of them may wait for ever for a server that hangs.
So whoever opens, closes or looks for devices holds its lock, and those that may hang are threads that nobody waits for.
"""

import atexit
import contextlib
import gc
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ...fillers import OutputError

CLOSE_S = 2.0
"""s to wait for a call of PortAudio's: it waits for ever for a device that hangs."""
LOOK_AGAIN_S = 5.0
"""s between two looks for new devices."""

_lock = threading.RLock()
_looked_again_at = -math.inf

_waiting: set[threading.Thread] = set()
"""Threads that are in such a call."""
_loaded: Any = None
_forked_off = False


def load_sounddevice() -> Any:
    """Import sounddevice.

    Raises:
        OutputError: if PortAudio is not installed, does not start, or was taken along through a fork.
    """
    global _loaded
    if _forked_off:
        raise OutputError(
            "PortAudio was in use when this process was forked off, and is of no use here; "
            "start worker processes with multiprocessing's 'spawn', or write to a file"
        )
    try:
        import sounddevice
    except OSError as exc:
        raise OutputError(
            "PortAudio is not installed, so no audio device can be used; install it "
            "(Debian and Ubuntu: apt-get install libportaudio2) or write to a file"
        ) from exc
    except Exception as exc:  # PortAudio starts while it is imported, and its error's class is then not to be had
        raise OutputError(f"PortAudio does not start ({exc}); repair the audio system or write to a file") from exc
    if _loaded is None:
        _loaded = sounddevice
        atexit.unregister(sounddevice._exit_handler)
        atexit.register(_exit)
    return sounddevice


def find_device(sd: Any, device: str | int | None) -> dict[str, Any]:
    """Return PortAudio's facts on the output *device*.

    Raises:
        OutputError: if there is none such, or several match.
    """
    try:
        info: dict[str, Any] = sd.query_devices(device, "output")
    except (ValueError, sd.PortAudioError) as exc:
        names = [d["name"] for d in sd.query_devices() if d["max_output_channels"] > 0]
        there = (
            f"there are: {', '.join(names)}" if names else "there is no output device at all; write to a file instead"
        )
        if device is None:
            raise OutputError("there is no audio output device; write to a file instead") from exc
        raise OutputError(f"audio device {device!r} not found or not unique; {there}") from exc
    return info


def look_again(sd: Any) -> bool:
    """Let PortAudio learn what devices there are now; return whether that could be done.

    It learns that only when it starts anew, which would end every stream of this process: not done while there is
    one, whosever it is. Whoever calls holds the lock.
    """
    global _looked_again_at
    if time.monotonic() - _looked_again_at < LOOK_AGAIN_S:
        return False
    _looked_again_at = time.monotonic()
    for thing in gc.get_objects():
        if isinstance(thing, sd._StreamBase) and not thing.closed:
            return False
    try:
        sd._terminate()
        sd._initialize()
    except sd.PortAudioError:
        return False
    return True


@contextlib.contextmanager
def portaudio() -> Iterator[None]:
    """Have PortAudio to oneself.

    Raises:
        OutputError: if another thread hangs in it.
    """
    if not _lock.acquire(timeout=CLOSE_S):
        raise OutputError("the audio system does not answer; restart it, or write to a file")
    try:
        yield
    finally:
        _lock.release()


def in_background(job: Callable[[], None]) -> threading.Thread:
    """Do *job*, which calls PortAudio, in a thread of its own that does not hold up the process's exit."""

    def work() -> None:
        try:
            with _lock:
                job()
        finally:
            _waiting.discard(threading.current_thread())

    thread = threading.Thread(target=work, name="stopgap-portaudio", daemon=True)
    _waiting.add(thread)
    thread.start()
    return thread


def _exit() -> None:
    """End PortAudio, unless a thread hangs in it: then it would hang this one too."""
    for thread in list(_waiting):
        thread.join(CLOSE_S)
    if not _waiting and not _forked_off:
        _loaded._exit_handler()


def _in_child() -> None:
    global _lock, _forked_off
    _lock = threading.RLock()
    _waiting.clear()
    _forked_off = _forked_off or _loaded is not None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

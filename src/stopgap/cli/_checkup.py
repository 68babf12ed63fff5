"""The checks behind ``stopgap doctor``. None of them raises: what goes wrong is a finding."""

import platform
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import stopgap

FIRST_CALLBACK_S = 1.0
"""s within which an opened device must ask for sound."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    what: str
    state: Literal["ok", "warning", "error"]
    found: str
    advice: str = ""
    """What to do; empty if nothing."""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def checkup(config: Path | None) -> Iterator[Check]:
    """Yield all findings, with those on the configuration file *config* (None: the defaults) last."""
    yield Check("stopgap", "ok", stopgap.__version__)
    yield Check("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield _package("numpy", needed=True)
    yield _package("pydantic", needed=True)
    yield _package("soundfile", needed=True, detail=lambda module: f"libsndfile {module.__libsndfile_version__}")
    yield _package("soxr", needed=True)
    yield _package("pydub", needed=False, advice="only clips in m4a, aac or webm need it: pip install pydub")
    yield _ffmpeg()
    yield from _audio()
    yield _mixer()
    yield _plots()
    yield from _packs()
    yield _configuration(config)


def _package(name: str, *, needed: bool, advice: str = "", detail: Callable[[Any], str] | None = None) -> Check:
    state: Literal["warning", "error"] = "error" if needed else "warning"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydub's about ffmpeg, which has a line of its own
            module = import_module(name)
        more = f", {detail(module)}" if detail else ""
        return Check(name, "ok", f"{version(name)}{more}")
    except (ImportError, OSError, PackageNotFoundError) as exc:
        return Check(name, state, f"cannot be imported: {exc}", advice or f"pip install --force-reinstall {name}")


def _ffmpeg() -> Check:
    found = shutil.which("ffmpeg")
    if found:
        return Check("ffmpeg", "ok", found)
    return Check("ffmpeg", "warning", "not installed", "only clips in m4a, aac or webm need it: install ffmpeg")


def _mixer() -> Check:
    from stopgap.engine.mixer import native_available

    if native_available:
        return Check("mixer", "ok", "C core")
    advice = (
        "a device stutters while Python is busy: install a C compiler, then `pip install --force-reinstall stopgap`"
    )
    return Check("mixer", "warning", "numpy reference: the C core was not built", advice)


def _plots() -> Check:
    if find_spec("matplotlib") is not None:
        return Check("matplotlib", "ok", version("matplotlib"))
    return Check("matplotlib", "warning", "not installed", "only plots need it: pip install 'stopgap[plot]'")


def _audio() -> Iterator[Check]:
    """Yield whether PortAudio is there and the default device plays; a server needs neither."""
    if find_spec("sounddevice") is None:
        yield Check("sounddevice", "warning", "not installed", "only devices need it: pip install sounddevice")
        return
    yield Check("sounddevice", "ok", version("sounddevice"))
    try:
        from stopgap.engine.outputs import load_sounddevice

        sd = load_sounddevice()
    except Exception as exc:
        yield Check("PortAudio", "warning", "not found", f"only devices need it: {exc}")
        return
    yield Check("PortAudio", "ok", sd.get_portaudio_version()[1].split(",")[0])
    yield _default_device()


def _default_device() -> Check:
    from stopgap import DeviceOutput, MonotonicClock, OutputError
    from stopgap.engine.mixer import new_mixer

    what = "default device"
    try:
        output = DeviceOutput()
        output.start(new_mixer(output.rate), MonotonicClock())
    except OutputError as exc:
        return Check(what, "warning", f"none that opens: {exc}", "only playing sound here needs one")
    try:
        give_up_at = time.monotonic() + FIRST_CALLBACK_S
        while not output.statistics()["callbacks"] and time.monotonic() < give_up_at:
            time.sleep(0.01)
        if output.statistics()["callbacks"]:
            return Check(what, "ok", f"plays at {output.rate} Hz")
        return Check(what, "warning", "opens and asks for no sound", "try another one; see `stopgap devices`")
    finally:
        output.close()


def _packs() -> Iterator[Check]:
    from stopgap.fillers import ClipBank, PackError, bundled_packs

    names = bundled_packs()
    if not names:
        yield Check("bundled packs", "error", f"none beside {sys.prefix}", "install stopgap again")
    for name in names:
        try:
            yield Check(f"pack {name}", "ok", f"{len(ClipBank((name,)).catalog)} clips")
        except PackError as exc:
            yield Check(f"pack {name}", "error", str(exc), "install stopgap again")


def _configuration(file: Path | None) -> Check:
    from stopgap.fillers import ConfigError

    from ._configcheck import check_config

    what = "configuration"
    try:
        report = check_config(file)
    except ConfigError as exc:
        return Check(what, "error", str(exc))
    found = f"{file} is fine" if file is not None else "the defaults"
    if report.problems:
        return Check(what, "error", "; ".join(report.problems), "see `stopgap config check`")
    if report.warnings:
        return Check(what, "warning", "; ".join(report.warnings), "see `stopgap config check`")
    return Check(what, "ok", found)

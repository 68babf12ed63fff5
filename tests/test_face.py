"""The face: what `import stopgap` offers, and what it leaves alone."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import stopgap

HEAVY = ("sounddevice", "soundfile", "soxr", "pydub", "matplotlib", "typer", "rich", "numpy", "pydantic")


def in_a_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    """`import stopgap` loads no audio, plotting or command-line package; names are loaded when first used."""
    assert in_a_new_process(f"import sys, stopgap; print([n for n in {HEAVY!r} if n in sys.modules])") == "[]"


def test_import_opens_nothing() -> None:
    """Importing opens no file but Python's own modules, starts no process, and leaves no thread or socket behind."""
    code = """
import sys, threading
seen = []
def watch(event, arguments):
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".pth")):
        seen.append(str(arguments[0]))
    elif event.startswith(("socket.", "subprocess.", "os.fork", "os.exec", "os.posix_spawn", "ctypes.dlopen")):
        seen.append(event)
sys.addaudithook(watch)
import stopgap
print(seen, threading.active_count())
"""
    assert in_a_new_process(code) == "[] 1"


def test_engine_and_fillers_touch_no_device() -> None:
    """Also the classes themselves can be had without a device, or the library that speaks to it."""
    code = """
import sys, stopgap
for name in stopgap.__all__:
    getattr(stopgap, name)
print([n for n in ("sounddevice", "pydub", "matplotlib") if n in sys.modules])
"""
    assert in_a_new_process(code) == "[]"


def test_all_is_sorted_and_complete() -> None:
    """Every public name resolves, `dir` lists exactly these, and no name is listed twice."""
    assert stopgap.__all__ == sorted(set(stopgap.__all__))
    assert sorted(dir(stopgap)) == sorted([*stopgap.__all__, "__version__"])
    for name in stopgap.__all__:
        assert getattr(stopgap, name).__name__ == name


def test_what_checkers_see_is_what_there_is() -> None:
    """The names imported for type checkers are those that are loaded when used, from the same place."""
    tree = ast.parse(Path(stopgap.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stopgap.")
        for alias in node.names
    }
    assert sorted(seen) == stopgap.__all__
    for name, module in seen.items():
        assert getattr(import_module(str(module)), name) is getattr(stopgap, name)


def test_unknown_name() -> None:
    """A name that does not exist is an AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="module 'stopgap' has no attribute 'Fillers'"):
        stopgap.Fillers  # noqa: B018


@pytest.mark.parametrize(
    "name",
    [
        "fillers",
        "engine",
        "engine.prediction",
        "engine.planning",
        "engine.turns",
        "engine.metrics",
        "engine.mixer",
        "engine.outputs",
        "engine.integrations.amigo",
        "engine.integrations.telephony",
        "engine.service.identity",
        "engine.service.storage",
        "benchmarks",
    ],
)
def test_inner_faces(name: str) -> None:
    """The packages behind the face list what they offer, sorted in one way, and all of it is there."""
    module = import_module(f"stopgap.{name}")
    # constants, then classes, then functions
    assert module.__all__ == sorted(set(module.__all__), key=lambda n: (not n.isupper(), n.islower(), n))
    for public in module.__all__:
        assert getattr(module, public) is not None


def test_errors_have_one_root() -> None:
    """Everything raised on purpose can be caught as `StopgapError`; a wrong argument is a ValueError too."""
    for name in ("ConfigError", "OutputError", "PackError", "TraceError", "UsageError"):
        assert issubclass(getattr(stopgap, name), stopgap.StopgapError)
    assert issubclass(stopgap.UsageError, ValueError)
    assert issubclass(stopgap.PackError, stopgap.ConfigError)
    assert issubclass(stopgap.TraceError, stopgap.ConfigError)

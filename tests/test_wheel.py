"""What is installed: everything that belongs to the package, and nothing else."""

import os
import subprocess
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

import pytest
import stopgap
from stopgap.engine.mixer import native_available

NATIVE_REQUIRED = os.environ.get("STOPGAP_NATIVE") == "require"
ROOT = Path(__file__).resolve().parent.parent
PLACES = {
    "src/stopgap/": "stopgap/",
    "engine/": "stopgap/engine/",
    "fillers/": "stopgap/fillers/",
    "audio_assets/": "stopgap/audio_assets/",
    "benchmarks/": "stopgap/benchmarks/",
}


def repository(*options: str) -> set[str]:
    """Return what git lists, or skip where this is no git checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says what belongs to the package")
    command = ["git", "-c", "core.quotePath=off", "ls-files", *options]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.CalledProcessError) as exc:
        pytest.skip(f"git cannot list the files: {exc}")
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


def installed() -> set[str]:
    """Return the files of the installed package, or skip where they are links into the repository."""
    found = distribution("stopgap").files or []
    names = {PurePosixPath(file).as_posix() for file in found}
    if "stopgap/__init__.py" not in names:
        pytest.skip("an editable install: `make test` looks at the wheel")
    return {name for name in names if name.startswith("stopgap/") and "__pycache__" not in name}


def as_installed(names: set[str]) -> set[str]:
    """Return where the files of the package among *names* are installed."""
    return {
        place + name.removeprefix(folder)
        for name in names
        for folder, place in PLACES.items()
        if name.startswith(folder) and not name.endswith((".c", ".h"))
    }


def test_every_file_of_the_package_is_installed() -> None:
    """A new module, sound or table that no pattern in pyproject.toml covers is found here."""
    assert not as_installed(repository()) - installed()


def test_nothing_else_is_installed() -> None:
    """Leftovers of an earlier build stay out."""
    extra = installed() - as_installed(repository("-co", "--exclude-standard"))
    built = ("_native.", "_probe.")
    assert not {name for name in extra if not PurePosixPath(name).name.startswith(built)}


def test_sources_of_native_code_stay_out() -> None:
    """C files are for the source distribution."""
    assert not [name for name in installed() if name.endswith((".c", ".h"))]


@pytest.mark.parametrize(
    "name",
    [
        "stopgap/py.typed",
        "stopgap/cli/example.toml",
        "stopgap/audio_assets/en-us/pack.toml",
        "stopgap/audio_assets/en-us/LICENSE.txt",
        "stopgap/audio_assets/en-us/hesitation/um.flac",
        "stopgap/audio_assets/demo/demo.toml",
        "stopgap/audio_assets/demo/LICENSE.txt",
        "stopgap/engine/service/page/static/index.html",
        "stopgap/benchmarks/benchmark.toml",
        "stopgap/benchmarks/data/voice_mixed_dev.csv",
        "stopgap/benchmarks/data/SOURCE.md",
    ],
)
def test_data_is_installed(name: str) -> None:
    """Sounds, traces, settings and their licences come with the code."""
    assert name in installed()


def test_native_code_is_installed_where_it_must_be() -> None:
    """Where a missing C core is an error, it is in the wheel, and it is what mixes."""
    if not NATIVE_REQUIRED:
        pytest.skip("STOPGAP_NATIVE=require is not set: without a compiler the numpy reference serves")
    assert any(PurePosixPath(name).name.startswith("_native.") for name in installed())
    assert native_available


def test_the_licence_is_installed() -> None:
    """The licence is among the distribution's own files."""
    installed()
    assert any(PurePosixPath(file).name == "LICENSE" for file in distribution("stopgap").files or [])


def test_the_version_is_one() -> None:
    """The package and its metadata agree."""
    assert distribution("stopgap").version == stopgap.__version__


def test_all_is_what_there_is() -> None:
    """``__all__`` is sorted, and each of its names can be had."""
    assert stopgap.__all__ == sorted(stopgap.__all__)
    assert set(stopgap.__all__) <= set(dir(stopgap))
    for name in stopgap.__all__:
        assert getattr(stopgap, name).__name__ == name if name != "Samples" else True
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = stopgap.nonsense

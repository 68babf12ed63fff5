"""The README's examples run, and its settings load."""

import re
from pathlib import Path

import pytest
from stopgap import load_config

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the frameworks that they import
@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_example_runs(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python example runs as it stands (what needs a device is only defined)."""
    exec(compile(blocks("python")[number], "README.md", "exec"), {"__name__": "example"})


def parity_rows() -> list[tuple[str, str]]:
    section = README.read_text(encoding="utf-8").split("| system |")[1].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines()[2:]]
    return [(cells[0], cells[2]) for cells in rows]


@pytest.mark.parametrize(("system", "settings"), parity_rows())
def test_parity_settings_load(system: str, settings: str, tmp_path: Path) -> None:
    """Every setting that the README gives for another system is a valid configuration."""
    lines = re.findall(r"`([^`]+)`", settings)
    assert lines, system
    path = tmp_path / "stopgap.toml"
    path.write_text("\n".join(['mode = "ladder"', *lines]), encoding="utf-8")
    assert load_config(path).mode == "ladder"

"""The tuned configuration as a file, with what each choice bought."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stopgap.benchmarks.tuning._report import compared
from stopgap.benchmarks.tuning._search import Bought, Tuning
from stopgap.benchmarks.tuning._trial import Figures, split
from stopgap.fillers import Config, overlaid

from .._toml import as_toml


def tuned_toml(tuning: Tuning, trace: str, configured: Config) -> str:
    """Return the chosen configuration: what is *configured*, with what tuning changed and why."""
    data = overlaid(configured.model_dump(mode="json", exclude_unset=True), tuning.chosen.settings)
    if "packs" in data:  # as written, folders were relative to the user's own file
        data["packs"] = [str(Path(p).resolve()) if (Path(p) / "pack.toml").is_file() else p for p in data["packs"]]
    text = _without_empty_tables(as_toml(_only_set(data)))
    bought = {one.path: one for one in tuning.bought}
    return "\n".join([*_head(tuning, trace), "", *_commented(text.splitlines(), bought, tuning.chosen.test)]) + "\n"


def _head(tuning: Tuning, trace: str) -> Iterator[str]:
    before, after = tuning.before.test, tuning.chosen.test
    yield f"# stopgap tune {trace}: searched on {split(tuning.turns)} turns; all figures are from the other"
    yield f"# {len(tuning.turns) - split(tuning.turns)} turns, which were not searched on."
    yield f"# A turn costs {after.cost:.3f} s of plain waiting there, {before.cost:.3f} s before."
    if not tuning.bought:
        yield "# Nothing that was tried is better than what was configured: this is the configuration as it was."
    elif (verdict := compared(tuning, tuning.chosen)[0].verdict) != "better":
        yield f"# On those turns that is {verdict}: there is no reason to change to this configuration."


def _commented(lines: list[str], bought: Mapping[tuple[str, ...], Bought], after: Figures) -> Iterator[str]:
    """Yield *lines* of TOML with what was bought above each value that tuning changed."""
    table: tuple[str, ...] = ()
    told = set()
    for line in lines:
        if line.startswith("["):
            table = tuple(line.strip("[]").split("."))
            path = table
        elif " = " in line and not line.startswith("#"):
            path = (*table, line.split(" = ", 1)[0])
        else:
            path = ()
        if path in bought and path not in told:
            told.add(path)
            yield f"# {_words(bought[path], after)}"
        yield line


def _words(bought: Bought, after: Figures) -> str:
    cost = bought.without.cost - after.cost
    delay_ms = 1000.0 * (bought.without.reply_delay - after.reply_delay)
    talk = bought.without.spoken_per_minute - after.spoken_per_minute
    was = "another ladder" if bought.path == ("ladder",) else f"{bought.instead}"
    return (
        f"instead of {was}, with which a turn would cost {_more(cost, 's', 3)}, the reply be held back "
        f"{_more(delay_ms, 'ms', 1)}, and {_more(talk, 'fillers', 1)} be said a minute"
    )


def _more(value: float, unit: str, digits: int) -> str:
    if round(abs(value), digits) == 0.0:
        return f"as many {unit}" if unit == "fillers" else "the same"
    return f"{abs(value):.{digits}f} {unit} {'more' if value > 0.0 else 'less' if unit != 'fillers' else 'fewer'}"


def _without_empty_tables(text: str) -> str:
    """Return *text* without headers of tables that only hold tables."""
    lines = text.splitlines()
    kept = []
    for place, line in enumerate(lines):
        after = next((later for later in lines[place + 1 :] if later), "")
        if not (line.startswith("[") and not line.startswith("[[") and after.startswith(f"{line[:-1]}.")):
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept))


def _only_set(data: Any) -> Any:
    """Return *data* without what is not set: a file says nothing there."""
    if isinstance(data, Mapping):
        return {key: _only_set(value) for key, value in data.items() if value is not None}
    return [_only_set(item) for item in data] if isinstance(data, list) else data

"""``stopgap doctor``: what works here, what does not, and what to install."""

import typer

from ._console import new_table, print_json, print_table
from ._options import ConfigOption, JsonOption

STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check this computer: what works, what does not, what to install."""
    from rich.text import Text

    from ._checkup import checkup

    checks = list(checkup(config))
    healthy = all(check.state != "error" for check in checks)
    if as_json:
        print_json({"ok": healthy, "checks": [check.as_dict() for check in checks]})
    else:
        table = new_table("", "what", "found", "to do")
        for check in checks:
            table.add_row(Text(check.state, STYLES[check.state]), check.what, check.found, check.advice)
        print_table(table)
        typer.echo("stopgap works here." if healthy else "stopgap does not work here; see the errors above.")
    if not healthy:
        raise typer.Exit(1)

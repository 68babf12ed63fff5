"""``stopgap service import``: turns of agents that run elsewhere, from files into the service's database."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._console import print_json, progress
from .._extras import check_service_extra
from .._options import JsonOption
from ._options import DEFAULT_DATABASE, DEFAULT_ORGANIZATION, DatabaseOption, OrganizationOption

if TYPE_CHECKING:
    from stopgap.engine.service.storage import Database


def import_turns(
    turns: Annotated[
        list[str],
        typer.Argument(
            metavar="TURNS...", help="Turn records, one a line (.jsonl); turn logs or traces (CSV, SQLite, Parquet)."
        ),
    ],
    database: DatabaseOption = DEFAULT_DATABASE,
    organization: OrganizationOption = DEFAULT_ORGANIZATION,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Whose conversations they will be; default: the first user's.")
    ] = None,
    service: Annotated[
        str | None, typer.Option(metavar="ID", help="What the users talked to, 24 hexadecimal digits.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Store turns of agents that run elsewhere, for metrics, reports and the page; those that are there stay.

    All turns of a session are one conversation. A file's turns are stored a thousand at a time: what has been stored
    when one of them cannot be read stays, and the file can be given again.
    """
    check_service_extra()
    from stopgap.engine.service.metrics._postedturns import MOST_POSTED, new_turns
    from stopgap.engine.service.storage import Database, Turns
    from stopgap.fillers import UsageError

    from .._turnfiles import read_plain

    found = [(path, place, turn) for path in turns for place, turn in enumerate(read_plain(path), 1)]
    opened = Database.open(database)
    try:
        owner, store, new, conversations = user or _first_user(opened, organization), Turns(opened), 0, set[str]()
        with progress("storing turns", len(found)) as advance:
            for first in range(0, len(found), MOST_POSTED):
                some = found[first : first + MOST_POSTED]
                try:
                    ready = new_turns([turn for _, _, turn in some])
                except UsageError as exc:
                    raise UsageError(_placed(str(exc), some)) from None
                posted = store.post(organization, ready, user=owner, service=service)
                new, conversations = new + posted.new, conversations | set(posted.conversations)
                advance(len(some))
    finally:
        opened.close()
    if as_json:
        print_json({"turns": len(found), "new_turns": new, "conversations": len(conversations)})
    else:
        typer.echo(f"{new} of {len(found)} turns are new, in {len(conversations)} conversations")


def _first_user(database: "Database", organization: str) -> str:
    from stopgap.engine.service.storage import Accounts
    from stopgap.fillers import UsageError

    users = Accounts(database).users(organization)
    if not users:
        raise UsageError(f"{organization} has no user; `stopgap service user add` makes one")
    return users[0].id


def _placed(said: str, turns: list[tuple[str, int, dict[str, Any]]]) -> str:
    """Return what is said of ``turns.7`` with the file that it is in."""
    name, _, rest = said.partition(": ")
    place = name.removeprefix("turns.")
    if not place.isdecimal():
        return said
    path, number, _ = turns[int(place)]
    return f"{path}, turn {number}: {rest}"

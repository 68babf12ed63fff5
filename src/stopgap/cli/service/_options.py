"""What the commands of ``stopgap service`` have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._console import print_json
from .._extras import check_service_extra

if TYPE_CHECKING:
    from stopgap.engine.service.identity import IssuedKey
    from stopgap.engine.service.storage import Accounts

DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="STOPGAP_SERVICE_DATABASE",
        help="sqlite:///FILE, or postgresql://…; a URL with a password is better given as the variable.",
    ),
]
OrganizationOption = Annotated[str, typer.Option("--organization", metavar="ORG", help="The organization's id.")]

DEFAULT_DATABASE = "sqlite:///stopgap-service.db"
DEFAULT_ORGANIZATION = "default"


@contextmanager
def accounts_in(database: str) -> "Iterator[Accounts]":
    """Open *database*, for its accounts.

    Raises:
        StopgapError: if it cannot be used.
    """
    check_service_extra()
    from stopgap.engine.service.storage import Accounts, Database

    opened = Database.open(database)
    try:
        yield Accounts(opened)
    finally:
        opened.close()


def print_key(organization: str, issued: "IssuedKey", *, as_json: bool, **more: Any) -> None:
    """Print a key that has just been made, at the only time it can be.

    Args:
        organization: The user's.
        issued: The key.
        as_json: Whether as JSON.
        more: What else to print.
    """
    facts = {**more, "organization": organization, "user": issued.user, "key_id": issued.id, "key": issued.key}
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' '):<13}{value}")
    typer.echo("Keep the key: it is shown only now.", err=True)


def as_day(at: float | None) -> str:
    """Return a time in s since the epoch as a table shows it."""
    from datetime import UTC, datetime

    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")

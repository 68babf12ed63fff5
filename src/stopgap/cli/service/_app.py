"""``stopgap service``: the conversation service's database, organizations, users and keys."""

from pathlib import Path
from typing import Annotated

import typer

from .._console import print_json
from .._extras import check_service_extra
from .._options import JsonOption
from ._accounts import key_app, user_app
from ._import import import_turns
from ._options import (
    DEFAULT_DATABASE,
    DEFAULT_ORGANIZATION,
    DatabaseOption,
    OrganizationOption,
    accounts_in,
    print_key,
)
from ._report import report

service_app = typer.Typer(name="service", help="Set up the conversation service.", no_args_is_help=True)
service_app.add_typer(user_app)
service_app.add_typer(key_app)
service_app.command()(report)
service_app.command("import")(import_turns)


@service_app.command()
def init(
    database: DatabaseOption = DEFAULT_DATABASE,
    organization: OrganizationOption = DEFAULT_ORGANIZATION,
    secret: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write the secret that signs tokens; default: beside the database's file, else "
            "stopgap-service.secret.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the database, the first organization and user, and a key, which is shown only now."""
    check_service_extra()
    from stopgap.engine.service.identity import KeyChecker, Permission, create_secret, issue_key, secret_file
    from stopgap.engine.service.storage import Database, database_file, is_organization
    from stopgap.fillers import UsageError

    if not is_organization(organization):
        raise UsageError(f"--organization {organization[:80]!r}: write 1 to 64 letters, digits, _ or -")
    file = secret if secret is not None else secret_file(database_file(database))
    Database.migrate(database)
    with accounts_in(database) as accounts:
        there = accounts.organizations()
        if there:
            raise UsageError(
                f"{database_file(database) or 'this database'} is set up already, for {', '.join(there[:5])}; "
                "`stopgap service user add` and `stopgap service key add` add to it"
            )
        create_secret(file)
        accounts.add_organization(organization)
        user = accounts.add_user(organization, Permission)
        issued = issue_key(accounts, KeyChecker(), organization, user.id)
    print_key(organization, issued, as_json=as_json, secret_file=str(file))


@service_app.command()
def migrate(database: DatabaseOption = DEFAULT_DATABASE, as_json: JsonOption = False) -> None:
    """Bring the database to this version, all or nothing. Make a copy of it before."""
    check_service_extra()
    from stopgap.engine.service.storage import Database, database_file
    from stopgap.fillers import UsageError

    file = database_file(database)
    if file is not None and not file.exists():
        raise UsageError(f"{file} does not exist; `stopgap service init` makes a new one")
    before, after = Database.migrate(database)
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        typer.echo(f"schema {after}: nothing to do")
    else:
        typer.echo(f"schema {before or 'none'} is now {after}")

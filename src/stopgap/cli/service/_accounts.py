"""``stopgap service user`` and ``stopgap service key``: who may use the service."""

from typing import Annotated

import typer

from .._console import new_table, print_json, print_table
from .._options import JsonOption
from ._options import (
    DEFAULT_DATABASE,
    DEFAULT_ORGANIZATION,
    DatabaseOption,
    OrganizationOption,
    accounts_in,
    as_day,
    print_key,
)

user_app = typer.Typer(name="user", help="Users of the service.", no_args_is_help=True)
key_app = typer.Typer(name="key", help="API keys of the service's users.", no_args_is_help=True)

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]


@user_app.command("add")
def add_user(
    database: DatabaseOption = DEFAULT_DATABASE,
    organization: OrganizationOption = DEFAULT_ORGANIZATION,
    permission: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="What the user may do, repeatable; default: everything.")
    ] = None,
    new_organization: Annotated[bool, typer.Option("--new-organization", help="Make the organization first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a user with a key, which is shown only now."""
    with accounts_in(database) as accounts:
        from stopgap.engine.service.identity import KeyChecker, Permission, issue_key, parsed_permissions

        permissions = parsed_permissions(permission) if permission else frozenset(Permission)
        if new_organization:
            accounts.add_organization(organization)
        user = accounts.add_user(organization, permissions)
        issued = issue_key(accounts, KeyChecker(), organization, user.id)
    print_key(organization, issued, as_json=as_json)


@user_app.command("list")
def list_users(
    database: DatabaseOption = DEFAULT_DATABASE,
    organization: OrganizationOption = DEFAULT_ORGANIZATION,
    as_json: JsonOption = False,
) -> None:
    """List the organization's users."""
    with accounts_in(database) as accounts:
        users = accounts.users(organization)
    if as_json:
        print_json(
            [
                {
                    "user": user.id,
                    "permissions": sorted(user.permissions),
                    "created_at": user.created_at,
                    "disabled_at": user.disabled_at,
                }
                for user in users
            ]
        )
        return
    table = new_table("user", "created", "disabled", "permissions")
    for user in users:
        table.add_row(user.id, as_day(user.created_at), as_day(user.disabled_at), ", ".join(sorted(user.permissions)))
    print_table(table)


@user_app.command("disable")
def disable_user(
    user: UserArgument,
    database: DatabaseOption = DEFAULT_DATABASE,
    organization: OrganizationOption = DEFAULT_ORGANIZATION,
) -> None:
    """Let a user in no more; tokens that are still valid stop working at once."""
    with accounts_in(database) as accounts:
        accounts.disable_user(organization, user)
    typer.echo(f"user {user} is disabled")


@key_app.command("add")
def add_key(
    user: UserArgument,
    database: DatabaseOption = DEFAULT_DATABASE,
    organization: OrganizationOption = DEFAULT_ORGANIZATION,
    as_json: JsonOption = False,
) -> None:
    """Make another key for a user; it is shown only now."""
    with accounts_in(database) as accounts:
        from stopgap.engine.service.identity import KeyChecker, issue_key

        issued = issue_key(accounts, KeyChecker(), organization, user)
    print_key(organization, issued, as_json=as_json)


@key_app.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(metavar="KEY_ID", help="The key's id.")],
    database: DatabaseOption = DEFAULT_DATABASE,
    organization: OrganizationOption = DEFAULT_ORGANIZATION,
) -> None:
    """Let nobody sign in with a key any more; tokens it was exchanged for run out by themselves."""
    with accounts_in(database) as accounts:
        accounts.revoke_key(organization, key)
    typer.echo(f"key {key} is revoked")


@key_app.command("list")
def list_keys(
    database: DatabaseOption = DEFAULT_DATABASE,
    organization: OrganizationOption = DEFAULT_ORGANIZATION,
    as_json: JsonOption = False,
) -> None:
    """List the organization's keys: ids and times, never the keys."""
    with accounts_in(database) as accounts:
        keys = accounts.keys(organization)
    if as_json:
        print_json(
            [
                {
                    "key_id": key.id,
                    "user": key.user,
                    "created_at": key.created_at,
                    "last_used_at": key.last_used_at,
                    "revoked_at": key.revoked_at,
                }
                for key in keys
            ]
        )
        return
    table = new_table("key id", "user", "created", "last used", "revoked")
    for key in keys:
        table.add_row(key.id, key.user, as_day(key.created_at), as_day(key.last_used_at), as_day(key.revoked_at))
    print_table(table)

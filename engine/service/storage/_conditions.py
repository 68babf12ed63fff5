"""Conditions of the statements that every request runs.

Such statements are built once, when their modules are imported: building one takes longer than running it.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, or_, select
from sqlalchemy.orm import Session

from ._errors import NotFoundError
from ._ids import well_formed
from ._tables import CONVERSATIONS, USERS, Id

OWNED = and_(
    CONVERSATIONS.c.id == bindparam("conversation"),
    CONVERSATIONS.c.organization_id == bindparam("organization"),
    or_(bindparam("user", type_=Id).is_(None), CONVERSATIONS.c.user_id == bindparam("user", type_=Id)),
)
"""Finds the conversation that `named` names."""
_USER = select(USERS.c.id).where(
    USERS.c.id == bindparam("user"),
    USERS.c.organization_id == bindparam("organization"),
    USERS.c.disabled_at.is_(None),
)


def named(organization: str, conversation: str, user: str | None) -> dict[str, Any]:
    """Return the parameters of `OWNED`: a conversation of *organization*, and of *user* unless None.

    Raises:
        NotFoundError: if there can be none of that name.
    """
    if not well_formed(organization, conversation, user):
        raise missing(organization, conversation)
    return {"organization": organization, "conversation": conversation, "user": user}


def missing(organization: str, conversation: str) -> NotFoundError:
    """Return the error that says so."""
    return NotFoundError(f"there is no conversation {conversation} in {organization}")


def vacant(table: Table) -> ColumnElement[bool]:
    """Return what finds rows that nobody holds at the time ``now``."""
    return or_(table.c.lease_owner.is_(None), table.c.lease_until.is_(None), table.c.lease_until <= bindparam("now"))


def changed(session: Session | Connection, statement: Any, parameters: dict[str, Any] | None = None) -> bool:
    """Return whether *statement*, an UPDATE, found its row."""
    result: Any = session.execute(statement, parameters, execution_options={"synchronize_session": False})
    return bool(result.rowcount > 0)


def check_user(connection: Connection, organization: str, user: str) -> None:
    """Check that *organization* has *user*.

    Raises:
        NotFoundError: if it has not, or no longer.
    """
    if connection.scalar(_USER, {"organization": organization, "user": user}) is None:
        raise NotFoundError(f"there is no user {user} in {organization}")

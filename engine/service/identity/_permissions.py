"""Permissions, and who has them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ....fillers import UsageError
from ._errors import ForbiddenError


class Permission(StrEnum):
    """Names as the API that this service follows has them, in its published OpenAPI description."""

    CREATE_CONVERSATION = "Conversation:CreateConversation"
    INTERACT_WITH_CONVERSATION = "Conversation:InteractWithConversation"
    FINISH_CONVERSATION = "Conversation:FinishConversation"
    GET_CONVERSATION = "Conversation:GetConversation"
    GET_MESSAGE = "Conversation:GetMessage"
    GET_INTERACTION_INSIGHTS = "Conversation:GetInteractionInsights"
    """Without it a caller sees no action events either."""
    UPDATE_USER_INFO = "User:UpdateUserInfo"
    """There it is needed, too, for interacting and finishing, on the user who began the conversation."""
    GET_USER_INFO = "User:GetUserInfo"
    GET_DYNAMIC_BEHAVIOR_INSTRUCTION = "DynamicBehaviorInstruction:GetDynamicBehaviorInstruction"
    UPDATE_DYNAMIC_BEHAVIOR_INSTRUCTION = "DynamicBehaviorInstruction:UpdateDynamicBehaviorInstruction"
    CREATE_METRIC = "Metric:CreateMetric"
    GET_METRIC = "Metric:GetMetric"
    EVALUATE_METRIC = "Metric:EvaluateMetric"
    GET_METRIC_EVALUATION_RESULT = "Metric:GetMetricEvaluationResult"


_BY_NAME = {str(permission): permission for permission in Permission}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking."""

    organization: str
    """Which issued the token."""
    user: str
    permissions: frozenset[Permission]

    def may(self, permission: Permission, organization: str) -> bool:
        """Return whether the principal has *permission* on resources of *organization*.

        Nobody is granted anything in another organization than the own: there is no way yet to write such a grant.
        """
        return organization == self.organization and permission in self.permissions

    def require(self, permission: Permission, organization: str) -> None:
        """Check that the principal has *permission* on resources of *organization*.

        Raises:
            ForbiddenError: if not.
        """
        if not self.may(permission, organization):
            raise ForbiddenError(f"missing permission {permission} in {organization}")


def parsed_permissions(names: Iterable[str]) -> frozenset[Permission]:
    """Return the permissions of these names.

    Raises:
        UsageError: if there is no such permission.
    """
    found = set()
    for name in names:
        try:
            found.add(Permission(name))
        except ValueError:
            known = ", ".join(Permission)
            raise UsageError(f"there is no permission {name[:100]!r}; there are {known}") from None
    return frozenset(found)


def known_permissions(names: Iterable[str]) -> frozenset[Permission]:
    """Return the permissions among *names*: stored ones, which another version may have had more of."""
    return frozenset(_BY_NAME[name] for name in names if name in _BY_NAME)

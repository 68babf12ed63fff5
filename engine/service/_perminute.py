"""How many requests a minute each endpoint takes, unless the configuration says another number."""

from collections.abc import Mapping

PER_MINUTE: Mapping[str, int] = {
    "sign_in": 5,
    "create": 5,
    "interact": 15,
    "finish": 5,
    "insights": 20,
    "metric_evaluate": 20,
    "metric_results": 10,
    "behavior_versions": 1000,
    "behavior_create": 200,
    # the API that this service follows has the numbers above; those below are of this service alone
    "sign_in_origin": 60,
    "metric_create": 60,
    "metric_list": 60,
    "turns": 60,
    "conversations_read": 60,
    "rule_change": 200,
    "rule_read": 1000,
}
"""By endpoint. ``sign_in_origin`` is for all users and organizations at one address."""

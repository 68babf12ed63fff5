"""The weights that ``stopgap bench perceived`` sweeps: they are assumptions, so every figure is shown under others."""

from dataclasses import dataclass

from stopgap.fillers import Config, Limits

CREDITS = (0.0, 0.25, 0.5, 0.75)
FACTORS = (0.5, 2.0)
SPOKEN = ("backchannel", "hesitation", "phrase", "progress", "repeat")
"""Weights of what is said."""
DEFAULT = "as configured"
NO_CREDIT = "ambience_credit 0"
LIMITED = "default rate limits"


@dataclass(frozen=True, slots=True)
class Setting:
    """One configuration that all policies are compared under."""

    name: str
    config: Config


def settings(config: Config, *, quick: bool = False) -> tuple[Setting, ...]:
    """Return what is swept: the credit for beds first, 0 before all, then the other weights, and the rate limits.

    Args:
        config: What is varied.
        quick: Only the credit 0 and *config* itself.
    """
    swept = [_weighted(f"ambience_credit {credit:g}", config, ambience_credit=credit) for credit in CREDITS]
    swept = [s for s in swept if s.name == NO_CREDIT or s.config.costs != config.costs]
    swept.insert(1, Setting(DEFAULT, config))
    if quick:
        return tuple(swept[:2])
    costs = config.costs
    for factor in FACTORS:
        swept.append(_weighted(f"reply_delay × {factor:g}", config, reply_delay=factor * costs.reply_delay))
    for factor in FACTORS:
        spoken = {name: factor * getattr(costs, name) for name in SPOKEN}
        swept.append(_weighted(f"spoken costs × {factor:g}", config, **spoken))
    usual = Limits()
    rates = {"per_minute": usual.per_minute, "per_conversation": usual.per_conversation}
    limited = config.model_copy(update={"limits": config.limits.model_copy(update=rates)})
    return (*swept, Setting(LIMITED, limited)) if limited.limits != config.limits else tuple(swept)


def _weighted(name: str, config: Config, **weights: float) -> Setting:
    return Setting(name, config.model_copy(update={"costs": config.costs.model_copy(update=weights)}))

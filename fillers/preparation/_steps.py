"""What was done to a recording, for its entry in the manifest."""

from .._manifest import StepEntry


def step(name: str, **facts: float | str | bool) -> StepEntry:
    """Return the record of the step *name* with its figures."""
    return StepEntry.model_validate({"step": name, **facts})

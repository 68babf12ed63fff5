"""What the pump hands its sound to."""

from typing import Protocol

from ....fillers import Samples


class FillerSink(Protocol):
    """Takes what is to sound."""

    @property
    def fillers_until(self) -> float | None:
        """When the fillers that it holds, of a segment that is not complete, are heard out; loop time. None: none."""
        ...

    @property
    def heard_out_at(self) -> float:
        """When the fillers that speech would follow are heard out, if it came now; loop time. Past: there are none."""
        ...

    @property
    def kept_s(self) -> float:
        """s of what it was given that it keeps back: a resampler needs to know what follows."""
        ...

    @property
    def prebuffering(self) -> bool:
        """Whether it plays nothing of the fillers that it holds before it is given more."""
        ...

    async def put(self, samples: Samples, ahead_s: float) -> None:
        """Play *samples*, mono float32 at the session's rate, *ahead_s* from now."""
        ...

    async def put_rest(self) -> None:
        """Play what is kept back of a sound that is over."""
        ...

    def end_fillers(self) -> None:
        """Nothing follows for now."""
        ...

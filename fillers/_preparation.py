"""How recordings become clips: the settings."""

from typing import Annotated, Literal

from pydantic import Field

from ._validation import Section


class PreparationSettings(Section):
    """The ``[preparation]`` table of a manifest."""

    loudness: Annotated[float, Field(ge=-50, le=-10)] | Literal["own"] = "own"
    """LUFS (ITU-R BS.1770) that spoken clips are brought to. ``own``: the median of the pack's own recordings, which
    is how loud the agent's TTS speaks its replies. Beds lie below it."""
    peak_dbtp: float = Field(default=-1.0, ge=-20, le=0)
    """dBTP that no true peak may pass: a clip that would is left softer."""
    lead_ms: float = Field(default=10.0, ge=0, le=200)
    """ms kept before the first sound."""
    tail_ms: float = Field(default=30.0, ge=0, le=500)
    """ms kept after the last one."""
    fade_in_ms: float = Field(default=3.0, ge=0, le=100)
    fade_out_ms: float = Field(default=8.0, ge=0, le=500)
    crossfade_ms: float = Field(default=120.0, ge=5, le=2000)
    """ms over which a loop's end becomes its start, if it does not close already."""
    rate: int | None = Field(default=None, ge=8_000, le=192_000)
    """Hz of the prepared files; None: that of the recording, at most 48,000."""

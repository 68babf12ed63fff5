"""The kinds of filler."""

from enum import StrEnum


class Kind(StrEnum):
    """What a filler is; decides its cost, its handoff and where it may stand in a turn."""

    BACKCHANNEL = "backchannel"
    """Spoken: "mm-hm"; shows that the user was heard."""
    HESITATION = "hesitation"
    """Spoken: "um"; announces a short wait."""
    PHRASE = "phrase"
    """Spoken: "let me check that"; announces a longer wait."""
    PROGRESS = "progress"
    """Spoken: "still looking"; only after another spoken filler."""
    AMBIENCE = "ambience"
    """Bed: typing or room sound; loops."""
    TONE = "tone"
    """Bed: an earcon; plays once."""
    HOLD = "hold"
    """Bed: music; loops."""

    @property
    def spoken(self) -> bool:
        return self in SPOKEN_KINDS

    @property
    def loops(self) -> bool:
        return self in (Kind.AMBIENCE, Kind.HOLD)


SPOKEN_KINDS = (Kind.BACKCHANNEL, Kind.HESITATION, Kind.PHRASE, Kind.PROGRESS)
BED_KINDS = (Kind.AMBIENCE, Kind.TONE, Kind.HOLD)

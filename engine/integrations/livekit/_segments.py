"""Which part of a sink's playback segments is the reply's. Knows no time and no framework."""

from collections import deque
from dataclasses import dataclass

ROUNDING_S = 1e-3
"""s by which a sink may be off when it says that it played a segment to its end."""

LOST_S = 0.1
"""s by which what was played exceeds a segment that it cannot have been."""


@dataclass(slots=True)
class Segment:
    """What the sink was given between two flushes: fillers first, then a reply, or one of them."""

    filler_s: float = 0.0
    """s of fillers, all of them before the reply."""
    reply_s: float = 0.0
    """s of the reply."""
    replies: bool = False
    """Whether there is a reply in it."""
    started: bool = False
    """Whether the sink has told that it plays it."""
    emptied: bool = False
    """Whether the sink was told to drop it."""

    def reply_position(self, position: float) -> float:
        """Return how far the reply was played where the sink played up to *position*, both in s."""
        if abs(position - self.filler_s - self.reply_s) < ROUNDING_S:
            return self.reply_s
        return min(max(position - self.filler_s, 0.0), self.reply_s)

    def reply_stretch(self, offset: float, duration: float) -> tuple[float, float] | None:
        """Return offset and duration of what is the reply's within a stretch that was played; None: nothing."""
        begin = max(offset - self.filler_s, 0.0)
        end = offset + duration - self.filler_s
        return (begin, end - begin) if end > begin else None


class Segments:
    """The sink's segments that it has not told the end of."""

    def __init__(self) -> None:
        self.open: Segment | None = None
        """What was not flushed yet."""
        self._flushed: deque[Segment] = deque()

    @property
    def fillers_only(self) -> bool:
        """Whether what was not flushed yet is fillers alone."""
        return self.open is not None and not self.open.replies

    @property
    def unfinished(self) -> int:
        """Segments that were flushed, and whose end the sink has not told."""
        return len(self._flushed)

    @property
    def replying(self) -> bool:
        """Whether there is a reply among them that the sink plays to its end."""
        return any(segment.replies and not segment.emptied for segment in self._flushed)

    @property
    def playing(self) -> Segment | None:
        """What the sink plays, if anything."""
        return self._flushed[0] if self._flushed else self.open

    def started(self) -> Segment | None:
        """The sink tells that it plays a segment; return the first one of which it had not. None: there is none."""
        for segment in (*self._flushed, *([] if self.open is None else [self.open])):
            if not segment.started:
                segment.started = True
                return segment
        return None

    def filler(self, seconds: float) -> None:
        """The sink was given that much of a filler."""
        if self.open is None:
            self.open = Segment()
        self.open.filler_s += seconds

    def reply_begins(self) -> Segment:
        """The sink is about to be given a reply; return its segment."""
        if self.open is None:
            self.open = Segment()
        self.open.replies = True
        return self.open

    def reply(self, seconds: float) -> None:
        """The sink was given that much of a reply."""
        segment = self.open if self.open is not None else self.reply_begins()
        segment.reply_s += seconds

    def reply_refused(self) -> None:
        """The sink took nothing of the reply that was to begin."""
        if self.open is not None:
            self.open.replies, self.open.reply_s = False, 0.0
            if not self.open.filler_s:
                self.open = None

    def flush(self) -> None:
        """The sink is told that its segment is complete."""
        if self.open is not None:
            self._flushed.append(self.open)
            self.open = None

    def emptied(self) -> None:
        """The sink is told to drop all that it holds."""
        for segment in (*self._flushed, *([] if self.open is None else [self.open])):
            segment.emptied = True

    def finished(self, position: float) -> Segment | None:
        """The sink tells the end of a segment, of which it played up to *position*, in s: of the oldest one.

        One that was emptied may be told of before it is flushed. Fillers too short to have been played that far were
        forgotten by the sink.

        Returns:
            The segment; None: the sink was never given any.
        """
        while len(self._flushed) > 1 and not self._flushed[0].replies and position > self._flushed[0].filler_s + LOST_S:
            self._flushed.popleft()
        if self._flushed:
            return self._flushed.popleft()
        segment, self.open = self.open, None
        return segment

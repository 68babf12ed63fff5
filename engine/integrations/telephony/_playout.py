"""What a provider holds and has played, as far as can be known from here."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....fillers import Samples
from ...outputs import as_pcm16

MARK_PREFIX = "stopgap-"
_HISTORY_S = 3.0
"""s of played sound that is kept: so far the playing position may turn out to be further back."""
_FADE_S = 0.025
"""s. What becomes silent within this is being stopped."""
_EARLY_S = 0.005
"""s. A mark that comes back earlier than its sound can have been played tells nothing about playing."""
_FILL_UP_S = 0.1
"""s. Where only whole frames are taken, a sound's end is filled up with silence when no more than this is queued."""
_MARKS_PENDING = 64


@dataclass(frozen=True, slots=True)
class Clear:
    """Throw away all that is queued."""


@dataclass(frozen=True, slots=True)
class Play:
    """Queue this."""

    samples: Samples
    first: int
    """The number of the first one."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Tell when all before this was played."""

    name: str


Order = Clear | Play | Mark


@dataclass(slots=True)
class _Run:
    """Sound that plays without a pause."""

    first: int
    at: float
    """s at which the sample *first* was sent to an empty queue."""
    under_way: bool = False

    def played(self, at: float, rate: int) -> int:
        return self.first + int(max(0.0, at - self.at) * rate + 1e-4)


class Playout:
    """Turns "play this from sample *first* on" into orders for a queue that can only be appended to or emptied.

    The provider is taken to play at the sound's own pace from the moment at which sound was sent to its empty queue. So
    the way there need not be known, only stay the same: a clear takes as long to arrive as the sound did. Marks that
    come back tell when the provider is behind that (its queue began late, or paused); nobody needs to send any.

    Silence is not queued unless sound that is known follows. So a reply after silence, and more of a reply that had
    been sent to its end, are appended; `Clear` is ordered only where queued sound turns out different. Whatever was
    late catches up at the next silence.

    After a clear everything from the playing position on is sent again. The provider is really there plus or minus
    what the way's delay has changed by since the sound before was sent: that much of the sound around the seam is
    heard twice, or not at all, and nothing else. Where it is known to be behind, and what comes is not silence, the
    sound that it still owes comes first. News never loses its beginning.

    It does no I/O and reads no clock.

    Args:
        rate: Hz.
        frame: Samples in a message.
        lead: The most samples that the provider may hold.
        ahead: Samples by which what is taken in reaches beyond the time.
        mark_every: Samples of sound between two marks; 0: none.
        take_back: Whether queued sound may be cleared.
        whole_frames: Whether each message must have a whole frame; else the last one before silence is shorter.
    """

    def __init__(
        self,
        rate: int,
        frame: int,
        lead: int,
        ahead: int,
        *,
        mark_every: int = 0,
        take_back: bool = True,
        whole_frames: bool = False,
    ) -> None:
        self._rate, self._frame, self._lead, self._ahead = rate, frame, lead, ahead
        self._mark_every, self._take_back, self._whole_frames = mark_every, take_back, whole_frames
        self._track: Samples = np.zeros(0, np.float32)
        self._kept_from = 0
        self._sent = 0
        """Samples before this have been sent, or need not be."""
        self._run: _Run | None = None
        """None: the queue is empty."""
        self._past: deque[tuple[_Run, int]] = deque(maxlen=256)
        """Earlier ones, and the sample at which each ended."""
        self._clearing = False
        self._untaken: int | None = None
        """The first sample that was ordered and that the socket has not taken yet; None: it has taken all."""
        self._marks = 0
        self._marked = 0
        self._pending: dict[str, tuple[int, _Run]] = {}
        """Marks under way: the sample behind which each is."""
        self._trips: deque[float] = deque(maxlen=50)
        """s that marks were under way, of late."""
        self._trips_of_run: deque[float] = deque(maxlen=3)
        self._believes = True
        """Whether marks tell about playing."""
        self.clears = 0
        self.resent = 0
        """Samples that were sent a second time."""

    @property
    def resent_s(self) -> float:
        """s of sound that was sent a second time."""
        return self.resent / self._rate

    @property
    def behind_s(self) -> float:
        """s by which the provider is behind where the clock alone would have it; at most half the lead."""
        if not (self._believes and self._trips_of_run):
            return 0.0
        return min(min(self._trips_of_run) - min(self._trips), 0.5 * self._lead / self._rate)

    def position(self, now: float) -> int:
        """Return the sample that is played when a message sent at *now* arrives."""
        if self._run is None:
            return self._sent
        return min(self._sent, self._run.played(now - self.behind_s, self._rate))

    def owes_s(self, now: float) -> float:
        """Return by how many s of sound the provider is behind what was to be heard by now."""
        due = self._kept_from + len(self._track) - self._ahead
        return max(0, due - self.position(now)) / self._rate

    def take(self, first: int, samples: Samples, now: float) -> None:
        """Play *samples* from the number *first* on, in the place of what was to be played from there on."""
        position = self.position(now)
        samples = samples[max(0, self._kept_from - first) :]
        first = max(first, self._kept_from)
        before = self._track[first - self._kept_from : self._sent - self._kept_from]
        self._track = np.concatenate([self._track[: first - self._kept_from], samples])
        if self._take_back and len(before):
            self._reconsider(first, before, position)
        spare = max(0, min(position, self._sent) - round(_HISTORY_S * self._rate) - self._kept_from)
        self._track, self._kept_from = self._track[spare:], self._kept_from + spare

    def orders(self, now: float) -> list[Order]:
        """Return what to tell the provider, now and in this order. Say what of it was `taken`."""
        orders: list[Order] = [Clear()] if self._clearing else []
        self._clearing = False
        end = self._kept_from + len(self._track)
        audible = np.flatnonzero(as_pcm16(self._track[self._sent - self._kept_from :]))
        sounds_from = self._sent + int(audible[0]) if len(audible) else end
        sounds_until = self._sent + int(audible[-1]) + 1 if len(audible) else 0
        position = self.position(now)
        if position >= self._sent:  # silence that is over need not be sent
            self._end_run(position)
            self._sent = position = min(sounds_from, max(self._sent, end - self._ahead))
            if not len(audible):
                return orders
            self._run, self._marked = _Run(position, now), position
        while self._sent < sounds_until:
            size = self._next_size(sounds_until, end, position)
            if not size or self._sent + size > position + self._lead:
                break
            start = self._sent - self._kept_from
            orders.append(Play(self._track[start : start + size].copy(), self._sent))
            self._untaken = self._sent if self._untaken is None else self._untaken
            self._sent += size
            ended = self._sent >= sounds_until and sounds_until + self._frame <= end
            if self._mark_every and (ended or self._sent - self._marked >= self._mark_every):
                orders.append(self._mark())
        return orders

    def taken(self, play: Play, now: float) -> None:
        """Take in that the socket has taken *play*: a queue that begins with it, or had run dry before, begins now."""
        until = play.first + len(play.samples)
        self._untaken = until if until < self._sent else None
        run = self._run
        if run is None:
            return
        if not run.under_way:
            run.at, run.under_way = now, True
        elif run.played(now - self.behind_s, self._rate) > play.first:
            self._end_run(play.first)
            self._run = _Run(play.first, now, under_way=True)
            for name, (sample, _) in self._pending.items():
                if sample > play.first:
                    self._pending[name] = sample, self._run

    def echoed(self, name: str, now: float) -> None:
        """Take in that the mark *name* came back. Those of sound that was cleared, and unknown ones, say nothing."""
        if name not in self._pending:
            return
        sample, run = self._pending[name]
        self._pending = {other: mark for other, mark in self._pending.items() if mark[0] > sample}
        trip = now - run.at - (sample - run.first) / self._rate
        if trip < -_EARLY_S:
            self._believes = False
        self._trips.append(trip)
        if run is self._run:
            self._trips_of_run.append(trip)

    def lost(self, at: float) -> None:
        """Take in that the line was gone at *at* with all that it held: what was not played then will be sent again."""
        played = self._was_played(at) if self._untaken is None else min(self._was_played(at), self._untaken)
        self._sent = max(played, self._kept_from)
        self._untaken = None
        self._end_run(self._sent)
        self._past.clear()
        self._pending.clear()
        self._clearing = False

    def _next_size(self, sounds_until: int, end: int, position: int) -> int:
        """Return the samples of the next message; 0: it should wait.

        What ends within a frame may go on soon (text-to-speech comes in pieces): silence behind it would have to be
        taken back then.
        """
        if sounds_until - self._sent >= self._frame:
            return self._frame
        if not self._whole_frames:
            return sounds_until - self._sent
        urgent = self._sent - position <= _FILL_UP_S * self._rate
        return self._frame if urgent and self._sent + self._frame <= end else 0

    def _reconsider(self, first: int, before: Samples, position: int) -> None:
        """See whether what was sent from *first* on was right."""
        after = self._track[first - self._kept_from :]
        same = bool(np.array_equal(as_pcm16(before), as_pcm16(after[: len(before)])))
        if same:
            return
        back_to = min(position, first)
        if position < self._sent:
            now_due = self._kept_from + len(self._track) - self._ahead
            stops = first <= now_due + self._frame and not _audible(after[round(_FADE_S * self._rate) :])
            if stops and position < now_due:
                back_to = now_due  # what the provider still owes of this sound is not wanted any more
            self._clearing = True
            self.clears += 1
            self.resent += max(0, self._sent - max(back_to, position))
        self._sent = max(back_to, self._kept_from)
        self._end_run(position)
        self._pending.clear()

    def _end_run(self, until: int) -> None:
        if self._run is not None:
            self._past.append((self._run, until))
        self._run = None
        self._trips_of_run.clear()

    def _was_played(self, at: float) -> int:
        """Return the sample that was played at *at*, which may be before the queue last began."""
        if self._run is not None and at >= self._run.at:
            return self.position(at)
        for run, until in reversed(self._past):
            if at >= run.at:
                return min(until, run.played(at, self._rate))
        oldest = self._past[0][0] if self._past else self._run
        return self._sent if oldest is None else oldest.first

    def _mark(self) -> Mark:
        assert self._run is not None
        self._marks += 1
        self._marked = self._sent
        name = f"{MARK_PREFIX}{self._marks}"
        self._pending[name] = self._sent, self._run
        if len(self._pending) > _MARKS_PENDING:
            del self._pending[next(iter(self._pending))]
        return Mark(name)


def _audible(samples: Samples) -> bool:
    pcm: npt.NDArray[np.int16] = as_pcm16(samples)
    return bool(pcm.any())

"""What a device announces becomes a map that is right to a fraction of a millisecond."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from stopgap.engine.outputs._stream_clock import SETTLING, StreamClock

RATE = 48_000
LARGEST_OUTLIER = 1726
SETTLED = 64
"""Announcements after a start or a stop from which on the bound holds."""


@dataclass
class Device:
    """Announces its callbacks as the devices that were measured do: noisy, now and then far off, at first garbage."""

    sd: float
    """Frames."""
    block: int
    ppm: float
    seed: int
    frame: int = 0
    now: float = 5000.0
    _seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    @property
    def bound_s(self) -> float:
        """What `StreamClock` promises."""
        return 0.8 * self.sd / RATE + SETTLED * self.block / RATE * abs(self.ppm) * 1e-6

    def callback(self) -> tuple[int, float]:
        """Play a block; return what is announced of it."""
        noise = self._random.normal(0.0, self.sd)
        if self._random.random() < 0.02:
            noise += self._random.uniform(-LARGEST_OUTLIER, LARGEST_OUTLIER)
        announced = self.frame, self.now + noise / RATE
        if self._seen < SETTLING:
            announced = self.frame, float(self._random.choice([0.0, 89_478.0, self.now - 0.3, self.now + 0.9]))
        self._seen += 1
        self.frame += self.block
        self.now += self.block / (RATE * (1.0 + self.ppm * 1e-6))
        return announced

    def announce(self) -> Iterator[list[tuple[int, float]]]:
        """Play on; yield what is taken at each look, one to a few callbacks at a time."""
        while True:
            yield [self.callback() for _ in range(int(self._random.integers(1, 5)))]


def largest_error(clock: StreamClock, device: Device, callbacks: int) -> float:
    """Let *device* settle, then play *callbacks* more; return the largest error of what is heard next."""
    first, worst = device.frame // device.block, 0.0
    for announced in device.announce():
        clock.observe_all(announced)
        seen = device.frame // device.block - first
        if seen >= SETTLED + SETTLING:
            worst = max(worst, abs(clock.time_of(device.frame) - device.now))
        if seen >= SETTLED + SETTLING + callbacks:
            return worst
    raise AssertionError


@pytest.mark.parametrize("ppm", [-100.0, 0.0, 100.0])
@pytest.mark.parametrize("block", [64, 256, 1024])
@pytest.mark.parametrize("sd", [3.0, 4.0, 16.0, 67.0])
def test_error_stays_within_the_promise(sd: float, block: int, ppm: float) -> None:
    """Once settled, whatever the noise, the blocks and the drift, the map is right; and again after a stop of 1 s."""
    for seed in range(3):
        device = Device(sd, block, ppm, seed)
        clock = StreamClock(RATE, 4999.9)
        assert largest_error(clock, device, 400) < device.bound_s
        device.now += 1.0
        assert largest_error(clock, device, 200) < device.bound_s


def test_promise_in_figures() -> None:
    """At an sd of 4 frames and blocks of 256 that is 0.1 ms."""
    assert Device(4.0, 256, 100.0, 0).bound_s < 0.000_102


@pytest.mark.parametrize("block", [64, 256, 1024, 4096])
@pytest.mark.parametrize("stop_s", [-0.5, 0.3, 1.0, 40.0])
def test_stop_is_followed_at_once(block: int, stop_s: float) -> None:
    """Three announcements after the device stood still the map is within a few frames, however long its blocks are."""
    device, clock = Device(4.0, block, 0.0, 7), StreamClock(RATE, 4999.9)
    largest_error(clock, device, 300)
    device.now += stop_s
    clock.observe_all([(device.frame + block * number, device.now + block * number / RATE) for number in range(3)])
    assert clock.time_of(device.frame) == pytest.approx(device.now, abs=1e-6)


def test_single_announcements_move_nothing() -> None:
    """One or two that are off, by any amount, are not believed."""
    device, clock = Device(4.0, 256, 0.0, 3), StreamClock(RATE, 4999.9)
    largest_error(clock, device, 300)
    for off in (LARGEST_OUTLIER / RATE, -LARGEST_OUTLIER / RATE, 0.4, -5000.0, 1e6):
        for _ in range(2):
            frame, at = device.callback()
            clock.observe_all([(frame, at + off)])
            assert clock.time_of(device.frame) == pytest.approx(device.now, abs=device.bound_s)
        for _ in range(3):
            clock.observe_all([device.callback()])


def test_first_announcements_are_left_out() -> None:
    """Until the server's buffer is full the map is what was known when the stream was opened."""
    clock = StreamClock(RATE, 10.0)
    clock.restart(4800, 20.0)
    for number in range(SETTLING):
        clock.observe_all([(4800 + 256 * number, 0.0)])
        assert clock.time_of(4800) == pytest.approx(20.0)
    clock.observe_all([(9600, 20.13)])
    assert clock.time_of(9600) == pytest.approx(20.13)
    clock.observe_all([])
    assert clock.time_of(9600) == pytest.approx(20.13)


def test_restart_forgets_the_other_stream() -> None:
    """A device that was opened again goes on with the next frame, a little later; nothing of the old map stays."""
    clock = StreamClock(RATE, 4999.9)
    first = Device(4.0, 256, 100.0, 1)
    largest_error(clock, first, 300)
    again = Device(4.0, 512, -100.0, 2, frame=first.frame // 512 * 512, now=first.now + 0.06)
    clock.restart(again.frame, again.now + 0.02)
    assert clock.time_of(again.frame) == pytest.approx(again.now + 0.02)
    clock.observe_all([again.callback() for _ in range(SETTLING + 5)])
    assert clock.time_of(again.frame) == pytest.approx(again.now, abs=0.001)
    assert largest_error(clock, again, 300) < again.bound_s


def test_map_goes_both_ways() -> None:
    """While the map moves, a frame's time is that frame's, and a time's frame is heard at it or within a frame."""
    device, clock = Device(67.0, 256, 100.0, 5), StreamClock(RATE, 4999.9)
    for looks, announced in enumerate(device.announce()):
        clock.observe_all(announced)
        for frame in range(device.frame, device.frame + 5 * RATE, 9973):
            assert clock.frame_at(clock.time_of(frame)) == frame
            at = device.now + frame / 7e4
            assert -1e-9 <= clock.time_of(clock.frame_at(at)) - at <= 1.001 / RATE
        if looks == 60:
            return

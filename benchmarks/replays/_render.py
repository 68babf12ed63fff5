"""A traced turn as sound: what the user would have heard, with placeholders for what a trace does not hold."""

from dataclasses import dataclass

import numpy as np
from stopgap.engine import FillerManager, MemoryOutput, VirtualClock
from stopgap.engine.planning import Policy
from stopgap.engine.prediction import LatencyPredictor
from stopgap.fillers import ClipBank, Config, Samples

from ..traces import TraceTurn
from ._replay import ReplayedTurn

RATE = 24_000
USER_S = 1.5
"""s of the user's speech before time 0."""
REPLY_S = 1.5
"""s of the reply that are heard."""
LEVEL = 0.05
"""RMS of the placeholders, about -26 dBFS: as loud as the bundled clips."""
USER_HZ, REPLY_HZ = 130.0, 190.0
"""Pitch of the placeholders, apart so that they are told from each other."""
_SEED = 11


@dataclass(frozen=True)
class RenderedTurn:
    """A turn's sound."""

    samples: Samples
    """float32, mono, shape (frames,), at `RATE`."""
    zero_s: float
    """Where in *samples* the user's speech ends: time 0 of the turn."""
    replayed: ReplayedTurn


def render_turn(
    turn: TraceTurn,
    config: Config,
    *,
    bank: ClipBank,
    predictor: LatencyPredictor | None = None,
    policy: Policy | None = None,
) -> RenderedTurn:
    """Play *turn* through the real engine and return its sound: the user's speech, fillers, the reply.

    Args:
        turn: One of a trace's.
        config: Its mode is the policy.
        bank: The clips of its packs.
        predictor: What is known of waits; None: nothing. It learns nothing from this turn.
        policy: Decides instead of the mode.
    """
    clock, output = VirtualClock(), MemoryOutput(RATE)
    config = config.model_copy(update={"turn_log": None})  # no traffic
    make = None if policy is None else (lambda config, predictor: policy)
    known = LatencyPredictor(config)
    if predictor is not None:
        known.merge(predictor.snapshot())
    with (
        FillerManager(config, clock=clock, bank=bank, predictor=known, make_policy=make) as manager,
        manager.session(output, id=turn.conversation_id) as session,
    ):
        played = session.begin(agent=turn.agent, id=turn.turn_id, prompt_tokens=turn.prompt_tokens)
        for news in turn.news:
            clock.jump(max(clock.now(), news.at_ms / 1000.0))
            played.milestone(news.name, tool=news.tool)
        clock.jump(max(clock.now(), turn.end_ms / 1000.0))
        if turn.reply_ready_ms is None:
            played.cancel()
            clock.advance(0.5)
        else:
            played.write(placeholder(REPLY_HZ, REPLY_S))
            played.finish()
            while played.record.reply_heard_s is None:
                clock.advance(0.25)
            clock.jump(max(clock.now(), (played.record.reply_heard_s or 0.0) + REPLY_S))
        record = played.record
        samples = output.samples
    user = placeholder(USER_HZ, USER_S)
    return RenderedTurn(np.concatenate([user, samples]), USER_S, ReplayedTurn.of(turn, record))


def placeholder(pitch_hz: float, seconds: float) -> Samples:
    """Return a murmur that says nothing: a buzz of *pitch_hz* through two formants, in syllables of about 0.2 s.

    Returns:
        float32, shape (round(seconds * RATE),), RMS `LEVEL`.
    """
    frames = round(seconds * RATE)
    rng = np.random.default_rng(_SEED)
    at = np.arange(frames) / RATE
    glide = pitch_hz * (1.0 + 0.04 * np.sin(2.0 * np.pi * 0.9 * at)) * (1.0 - 0.08 * at / max(seconds, 1e-9))
    phase = 2.0 * np.pi * np.cumsum(glide) / RATE
    harmonics = np.arange(1, 25)
    heights = sum(1.0 / (1.0 + ((harmonics * pitch_hz - centre) / width) ** 2) for centre, width in _FORMANTS)
    voice = (heights / harmonics) @ np.sin(np.outer(harmonics, phase))
    syllables = np.interp(at, *_syllables(seconds, rng))
    murmur = voice * syllables
    edge = min(frames // 2, round(0.02 * RATE))
    if edge:
        murmur[:edge] *= np.linspace(0.0, 1.0, edge)
        murmur[-edge:] *= np.linspace(1.0, 0.0, edge)
    power = float(np.sqrt(np.mean(murmur * murmur))) if frames else 0.0
    return np.asarray(murmur * (LEVEL / power) if power else murmur, np.float32)


_FORMANTS = ((500.0, 120.0), (1500.0, 220.0))
"""Hz. Centre and half width: about those of a neutral vowel (a uniform tube of 17 cm)."""


def _syllables(seconds: float, rng: np.random.Generator) -> tuple[list[float], list[float]]:
    """Return the corners of an envelope that rises and falls with each syllable."""
    times, heights, at = [0.0], [0.2], 0.0
    while at < seconds:
        length = float(rng.uniform(0.14, 0.26))
        times += [at + 0.35 * length, at + length]
        heights += [float(rng.uniform(0.7, 1.0)), 0.2]
        at += length
    return times, heights

"""What other products do by default, and two plain timers, each as a configuration laid over the benchmark's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WHOLE = 600_000
"""ms. A filler with this ``min_play_ms`` is heard to its end, whatever its cut marks: the reply queues behind."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A fixed timer."""

    name: str
    says: str
    """What it does, in a few words."""
    source: str
    """Where its numbers come from."""
    settings: Mapping[str, Any]
    """Laid over the benchmark's configuration."""


BASELINES = (
    Baseline(
        "vocode",
        "a phrase at 0.5 s, which the reply waits for",
        # What the setting is meant to do: by a bug, phrases there are neither cut nor waited for.
        "vocode-core e054c33, FillerAudioConfig: silence_threshold_seconds 0.5, use_phrases, random.choice",
        {
            "ladder": [{"after_ms": 500, "kind": "phrase"}],
            "handoff": {"phrase": {"min_play_ms": WHOLE, "max_finish_ms": WHOLE}},
            "selection": {"order": "random"},
        },
    ),
    Baseline(
        "lex",
        "a melody from 2.5 s on, for at least 3 s, then 0.5 s of silence before the reply",
        "AWS Lex V2 AudioFillerSettings: startDelay 2500, minimumPlayDuration 3000, responseDeliveryDelay 500 ms",
        {
            "ladder": [{"after_ms": 2500, "kind": "hold"}],
            # the fade is the end of the minimum play: a reply at 2.51 s is heard at 2.5 + 3.0 + 0.5 = 6.0 s
            "handoff": {"hold": {"min_play_ms": 2980, "fade_ms": 20, "gap_ms": 500}},
        },
    ),
    Baseline(
        "agora",
        "a phrase at 1 s, the reply queues behind it",
        # No default is documented for response_wait_ms: 1 s is assumed.
        "Agora filler_words: trigger fixed_time, first in first out, selection_rule shuffle",
        {
            "ladder": [{"after_ms": 1000, "kind": "phrase"}],
            "handoff": {"phrase": {"min_play_ms": WHOLE, "max_finish_ms": WHOLE}},
            "selection": {"order": "shuffle"},
        },
    ),
    Baseline(
        "short",
        'one "um" at 0.7 s',
        "the first step of stopgap's default ladder, alone",
        {"ladder": [{"after_ms": 700, "kind": "hesitation"}]},
    ),
)

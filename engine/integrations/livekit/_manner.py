"""How a conversation's fillers are chosen, as far as its `AgentSession` has a say in it."""

import re
from dataclasses import dataclass
from typing import Any

from livekit.agents import AgentSession, tts

from ._pump import FRAME_MS

DEFAULT_RATE = 24_000
"""Hz of a room's track unless it is configured otherwise."""
LANGUAGE = re.compile(r"(?!und|mul)[a-z]{2,3}(-|$)", re.IGNORECASE)
"""The beginning of a tag that names a language."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What the application asks for; None: nothing special."""

    agent: str | None
    language: str | None
    voice: str | None
    lead_s: float
    """s of a filler that the sink is given ahead."""


def language_heard(heard: str, configured: str) -> str | None:
    """Return the language to speak to a user whom the STT hears speaking *heard*; None: the configured one.

    Where both are the same language the configured tag may say more. What is no language ("multi") says nothing.
    """
    same = heard.split("-")[0].lower() == configured.split("-")[0].lower()
    return None if same or LANGUAGE.match(heard) is None else str(heard)


def model_of(session: AgentSession[Any]) -> str | None:
    """Return the name of what answers: waits of different models are learned apart."""
    model = getattr(session.llm, "model", None)
    return model if isinstance(model, str) and model != "unknown" else None


def speech_of(session: AgentSession[Any]) -> tuple[int, int]:
    """Return the rate in Hz and the channels of the agent's speech, as its TTS has them."""
    voice: object = session.tts
    try:
        own: object = session.current_agent.tts
    except RuntimeError:  # the session has not started
        own = None
    voice = own if isinstance(own, tts.TTS) else voice
    return (voice.sample_rate, voice.num_channels) if isinstance(voice, tts.TTS) else (DEFAULT_RATE, 1)


def rate_of(session: AgentSession[Any]) -> int:
    """Return the Hz at which clips are best mixed: the sink's, if it is known by now."""
    sink = session.output.audio
    rate = DEFAULT_RATE if sink is None else sink.sample_rate or speech_of(session)[0]
    return rate if rate * FRAME_MS % 1000 == 0 else DEFAULT_RATE

"""Speech that users send: decoded, whatever it came in."""

import io
from typing import Annotated, Literal

import numpy as np
import soundfile
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ...fillers import UsageError
from ._agents import Speech

LONGEST_S = 600.0
"""s of speech in one message."""


class Mp3(BaseModel):
    type: Literal["mp3"]


class Pcm(BaseModel):
    """Raw little-endian samples; a WAV file's own header is believed instead, where there is one."""

    type: Literal["pcm"]
    frame_rate: int = Field(ge=4_000, le=44_100)
    """Hz."""
    n_channels: Literal[1]
    sample_width: Literal[2, 4]
    """Bytes."""


AudioConfig = Annotated[Mp3 | Pcm, Field(discriminator="type")]
_CONFIG: TypeAdapter[Mp3 | Pcm] = TypeAdapter(AudioConfig)


class AudioFormatError(ValueError):
    """Audio that is none (415)."""


def parsed_audio_config(text: str | None) -> Mp3 | Pcm | None:
    """Return what ``request_audio_config`` says.

    Raises:
        UsageError: if it is not of one of the two forms.
    """
    if text is None:
        return None
    try:
        return _CONFIG.validate_json(text)
    except ValidationError:
        raise UsageError(
            'request_audio_config is not possible; write {"type":"mp3"} or {"type":"pcm","frame_rate":4000..44100,'
            '"n_channels":1,"sample_width":2 or 4}'
        ) from None


def decoded(data: bytes, config: Mp3 | Pcm | None) -> Speech:
    """Return the speech in *data*, mono float32.

    Raises:
        AudioFormatError: if it cannot be decoded, or lasts longer than `LONGEST_S`.
    """
    if isinstance(config, Pcm) and data[:4] != b"RIFF":
        return _raw(data, config)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            most = round(LONGEST_S * file.samplerate)
            samples = file.read(most + 1, dtype="float32", always_2d=True)
            rate = file.samplerate
    except (soundfile.LibsndfileError, ValueError, RuntimeError) as exc:
        raise AudioFormatError("recorded_message is no audio that can be decoded; send MP3, WAV or PCM") from exc
    if len(samples) > most:
        raise AudioFormatError(f"recorded_message lasts longer than {LONGEST_S:g} s")
    return Speech(np.ascontiguousarray(samples.mean(axis=1)), int(rate))


def _raw(data: bytes, config: Pcm) -> Speech:
    if len(data) % config.sample_width:
        raise AudioFormatError(f"recorded_message is no whole number of samples of {config.sample_width} bytes")
    if len(data) > LONGEST_S * config.frame_rate * config.sample_width:
        raise AudioFormatError(f"recorded_message lasts longer than {LONGEST_S:g} s")
    samples = np.frombuffer(data, f"<i{config.sample_width}")
    return Speech((samples / np.float32(2 ** (8 * config.sample_width - 1))).astype(np.float32), config.frame_rate)

"""Speech that users send: decoded, whatever it came in."""

import io
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import soundfile
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ...fillers import UsageError
from ._agents import Speech

LONGEST_S = 300.0
"""s of speech in one message."""
RATES = (4_000, 48_000)
"""Hz, lowest and highest."""
MOST_CHANNELS = 2
FORMATS = ("WAV", "WAVEX", "MP3")
"""As libsndfile calls them: it reads many more, some of which hold hours in a few bytes."""
BLOCK_FRAMES = 65_536
"""Frames decoded at a time: what all channels of a whole message take is never needed at once."""
_NO_AUDIO = "recorded_message is no audio that can be decoded; send MP3, WAV or PCM"


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
    """Return the speech in *data*, mono float32. It takes a processor, some ms for each second of speech.

    Raises:
        AudioFormatError: if it cannot be decoded, lasts longer than `LONGEST_S`, or is not of what is supported.
    """
    if isinstance(config, Pcm) and data[:4] != b"RIFF":
        return _raw(data, config)
    if not _may_be_supported(data):
        raise AudioFormatError(_NO_AUDIO)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            return Speech(_mono(file), int(file.samplerate))
    except AudioFormatError:
        raise
    except (soundfile.LibsndfileError, ValueError, RuntimeError) as exc:
        raise AudioFormatError(_NO_AUDIO) from exc


def _may_be_supported(data: bytes) -> bool:
    """Return whether *data* begins as WAV or MP3: no other format's parser need see what a stranger has sent."""
    is_wav = data[:4] == b"RIFF" and data[8:12] == b"WAVE"
    return is_wav or data[:3] == b"ID3" or (len(data) > 1 and data[0] == 0xFF and data[1] >= 0xE0)


def _mono(file: soundfile.SoundFile) -> npt.NDArray[np.float32]:
    """Return what *file* holds, its channels averaged. Its header is believed in nothing that could cost memory."""
    rate = file.samplerate
    if file.format not in FORMATS:
        raise AudioFormatError(_NO_AUDIO)
    if not RATES[0] <= rate <= RATES[1] or file.channels > MOST_CHANNELS:
        raise AudioFormatError(
            f"recorded_message has {file.channels} channels at {rate} Hz; at most {MOST_CHANNELS}, at {RATES[0]} to "
            f"{RATES[1]} Hz, are decoded"
        )
    most = round(LONGEST_S * rate)
    samples = np.empty(most, np.float32)  # which takes no memory where nothing is written
    block = np.empty((BLOCK_FRAMES, file.channels), np.float32)
    frames = 0
    while len(read := file.read(out=block)):
        if frames + len(read) > most:
            raise AudioFormatError(f"recorded_message lasts longer than {LONGEST_S:g} s")
        read.mean(axis=1, out=samples[frames : frames + len(read)])
        frames += len(read)
    found = samples[:frames].copy()
    if not np.isfinite(found).all():
        raise AudioFormatError("recorded_message holds samples that are no numbers")
    return np.clip(found, -1.0, 1.0, out=found)


def _raw(data: bytes, config: Pcm) -> Speech:
    if len(data) % config.sample_width:
        raise AudioFormatError(f"recorded_message is no whole number of samples of {config.sample_width} bytes")
    if len(data) > LONGEST_S * config.frame_rate * config.sample_width:
        raise AudioFormatError(f"recorded_message lasts longer than {LONGEST_S:g} s")
    samples = np.frombuffer(data, f"<i{config.sample_width}")
    return Speech((samples / np.float32(2 ** (8 * config.sample_width - 1))).astype(np.float32), config.frame_rate)

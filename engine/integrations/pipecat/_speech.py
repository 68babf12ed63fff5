"""What is the bot's voice, among all audio that goes to the transport.

Streams of speech that never end (those of avatars and of speech-to-speech models) are silent most of the time. What
the transport takes for silence in them is no reply.
"""

from pipecat.audio.utils import is_silence
from pipecat.frames.frames import Frame, OutputAudioRawFrame, SpeechOutputAudioRawFrame, TTSAudioRawFrame


def is_reply(frame: Frame) -> bool:
    """Return whether in *frame* the bot speaks."""
    if isinstance(frame, SpeechOutputAudioRawFrame):
        return sounds(frame.audio)
    return isinstance(frame, TTSAudioRawFrame)


def sounds(pcm: bytes) -> bool:
    """Return whether *pcm*, 16-bit, is more than silence."""
    return pcm.count(0) < len(pcm) and not is_silence(pcm)


def without_claim(frame: Frame) -> Frame:
    """Return *frame*; of a silent part of a stream of speech, the same sound as a frame that is not called speech.

    The transport mixes fillers into a frame before it looks whether the bot speaks in it.
    """
    if not isinstance(frame, SpeechOutputAudioRawFrame) or is_reply(frame):
        return frame
    plain = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
    plain.pts, plain.metadata, plain.interruptible = frame.pts, frame.metadata, frame.interruptible
    plain.transport_source, plain.transport_destination = frame.transport_source, frame.transport_destination
    return plain

"""Where in a session's chain of audio outputs the fillers come in."""

from collections.abc import Callable, Iterator

from livekit.agents.voice import io

from ._gate import SpeechGate
from ._output import FillerAudioOutput

# Transcription is synchronised, and the agent recorded, by outputs in front of the sink. Fillers come in behind all of
# them: they are neither the agent's words nor its record. The framework keeps a place there at which a sink can be
# exchanged (`AgentOutput.replace_audio_tail`); where it keeps none the sink is alone, and is replaced itself.


PREBUFFER_S = {"Console": 0.3}
"""s, by label, of a segment that a sink wants to hold before it plays any of it, or the segment's end."""


def prebuffer_s(sink: io.AudioOutput) -> float:
    """Return the s of a segment that what plays in the end wants to hold before it begins."""
    return PREBUFFER_S.get(list(chain(sink))[-1].label, 0.0)


def chain(output: io.AudioOutput | None) -> Iterator[io.AudioOutput]:
    """Yield *output* and all outputs behind it."""
    while output is not None:
        yield output
        output = output.next_in_chain


def find(outputs: io.AgentOutput, gate: SpeechGate) -> FillerAudioOutput | None:
    """Return the output in the session's chain through which the fillers of *gate* come."""
    for output in chain(outputs.audio):
        if isinstance(output, FillerAudioOutput) and output.gate is gate:
            return output
    return None


def place(
    outputs: io.AgentOutput,
    gate: SpeechGate,
    make: Callable[[io.AudioOutput], FillerAudioOutput],
    *,
    speaks: bool,
) -> FillerAudioOutput | None:
    """Return the output of *gate* in the session's chain, after having put one there if there was none.

    Args:
        outputs: Of the session.
        gate: Whose fillers.
        make: Makes an output in front of another one.
        speaks: Whether the agent has something to say: else what an output seems to owe was never taken.

    Returns:
        None where the session has no audio output, or where it is in the midst of a segment: an exchange would cut
        that off. Try again later.
    """
    there = find(outputs, gate)
    if there is not None or outputs.audio is None:
        return there
    if speaks and any(_owes_end(output) for output in chain(outputs.audio)):
        return None
    output = make(_replaced(outputs.audio))
    outputs.replace_audio_tail(output)
    return output


def remove(outputs: io.AgentOutput, output: FillerAudioOutput) -> bool:
    """Take *output* out of the session's chain, unless that would cut something off; return whether it is done with."""
    if not output.idle or any(map(_owes_end, chain(outputs.audio))):
        return False
    if outputs.audio is output:
        outputs.audio = output.let_go()
    elif outputs.audio is not None and _replaced(outputs.audio) is output:
        outputs.replace_audio_tail(output.let_go())
    return True


def _replaced(top: io.AudioOutput) -> io.AudioOutput:
    """Return what `AgentOutput.replace_audio_tail` would replace."""
    for output in chain(top):
        if hasattr(output, "set_next_in_chain") and output.next_in_chain is not None:
            return output.next_in_chain
    return top


def _owes_end(output: io.AudioOutput) -> bool:
    return bool(getattr(output, "_pending_playback_count", 0) > 0)

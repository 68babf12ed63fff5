"""``stopgap play``: one clip, heard through the real mixer and output."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._options import ConfigOption

if TYPE_CHECKING:
    from stopgap import Output
    from stopgap.engine.mixer import ArmedCue, Mixer
    from stopgap.fillers import Clip, ClipBank, Config

START_S = 0.05
"""s from opening a device to the clip's start."""
PATIENCE_S = 5.0
"""s beyond the clip's length after which a device counts as stuck."""


def play(
    name: Annotated[str, typer.Argument(metavar="KIND|CLIP", help="A kind of filler, or a clip's id or text.")],
    config: ConfigOption = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME|INDEX", help="Output device; see `stopgap devices`.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write this .wav or .flac file instead of playing.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=600.0, help="Length of a loop (ambience, hold).")] = 5.0,
) -> None:
    """Play one filler, on a device or into a file."""
    from stopgap.engine.mixer import new_mixer
    from stopgap.fillers import ClipBank, UsageError, load_config

    if out is not None and device is not None:
        raise UsageError("--device and --out exclude each other; give one of them")
    settings = load_config(config)
    bank = ClipBank(settings.packs)
    rate = settings.output.rate
    clip = _chosen(name, bank, settings, rate)
    duration_s = seconds if clip.loops else clip.duration_s
    mixer = new_mixer(rate)
    if out is not None:
        _into_file(out, mixer, _cue(clip, settings, 0, duration_s), duration_s)
    else:
        _on_device(settings, device, mixer, clip, duration_s)
    said = f': "{clip.text}"' if clip.text else ""
    where = "" if out is None else f" -> {out}"
    typer.echo(f"{clip.id} ({clip.kind}, {duration_s:.2f} s){said}{where}")


def _chosen(name: str, bank: "ClipBank", config: "Config", rate: int) -> "Clip":
    import random

    from stopgap.fillers import Kind, Selector, UsageError, Wanted, matching_phrases, usable_clips

    clips = bank.clips(rate)
    if name in list(Kind):
        usable = usable_clips(clips, language=config.language, voice=config.voice)
        clip = Selector(config.selection.order, random.Random(config.seed)).choose(Wanted(Kind(name)), usable)
        if clip is None:
            raise UsageError(f"{', '.join(config.packs)}: no clip of the kind {name} for language {config.language}")
        return clip
    matching = matching_phrases(clips, (name,))
    if not matching:
        raise UsageError(
            f"{name!r} is neither a kind ({', '.join(Kind)}) nor a clip of {', '.join(config.packs)}; "
            "see `stopgap pack list`"
        )
    return matching[0]


def _cue(clip: "Clip", config: "Config", start: int, duration_s: float) -> "ArmedCue":
    from stopgap.engine.mixer import ArmedCue, HandoffFrames

    rule = HandoffFrames.at_rate(config.handoff.of(clip.kind), clip.rate)
    gain = 10.0 ** (config.kind(clip.kind).gain_db / 20.0)
    return ArmedCue(1, clip, start, rule, gain, start + round(duration_s * clip.rate))


def _into_file(path: Path, mixer: "Mixer", cue: "ArmedCue", duration_s: float) -> None:
    from stopgap import FileOutput, OutputError, VirtualClock
    from stopgap.engine.mixer import Arm

    clock = VirtualClock()
    output = FileOutput(path, mixer.rate)
    output.start(mixer, clock)
    mixer.post(Arm((cue,)))
    clock.advance(duration_s)
    output.catch_up(clock.now())
    output.close()
    if output.statistics()["failed"]:
        raise OutputError(f"{path} could not be written to its end; is the disk full?")


def _on_device(config: "Config", name: str | None, mixer: "Mixer", clip: "Clip", duration_s: float) -> None:
    from stopgap import DeviceOutput, MonotonicClock, OutputError

    wanted: str | int | None = int(name) if name is not None and name.isdecimal() else name
    settings = config.output
    clock = MonotonicClock()
    try:
        output = DeviceOutput(
            settings.device if wanted is None else wanted, rate=settings.rate, block_frames=settings.block_frames
        )
        output.start(mixer, clock)
    except OutputError as exc:
        hint = " (--out FILE.wav)" if "to a file" in str(exc) else "; --out FILE.wav writes a file instead"
        raise OutputError(f"{exc}{hint}") from exc
    try:
        _until_heard(output, mixer, _cue(clip, config, output.frame_at(clock.now() + START_S), duration_s), duration_s)
    finally:
        output.close()


def _until_heard(output: "Output", mixer: "Mixer", cue: "ArmedCue", duration_s: float) -> None:
    from stopgap import MonotonicClock, OutputError
    from stopgap.engine.mixer import Arm, Heard

    clock = MonotonicClock()
    mixer.post(Arm((cue,)))
    give_up_at = clock.now() + START_S + duration_s + PATIENCE_S
    while clock.now() < give_up_at and not output.statistics()["failed"]:
        output.catch_up(clock.now())
        ended = [event for event in mixer.take_events() if event.what is Heard.ENDED]
        if ended:
            time.sleep(max(0.0, output.time_of(ended[0].frame) - clock.now()))
            return
        time.sleep(0.02)
    raise OutputError("the audio device does not play; try another one (see `stopgap devices`) or --out FILE.wav")

"""``stopgap pack record``: a pack in the agent's own voice."""

import signal
import sys
from collections.abc import Coroutine
from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from .._options import JsonOption
from ._recordreport import print_plan, print_report
from ._settings import asked_settings

if TYPE_CHECKING:
    from stopgap.fillers import PreparationSettings
    from stopgap.fillers.making import Built
    from stopgap.fillers.recording import Recorded, RecordOptions, Tts, TtsFormat
    from stopgap.fillers.texts import Spec

_HOW, _ASKED, _PACK = "How it goes", "What an endpoint is asked for", "The pack"


class AudioFormat(StrEnum):
    """``TtsFormat``, whose module loads numpy."""

    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    OGG = "ogg"
    OPUS = "opus"
    AAC = "aac"
    M4A = "m4a"
    PCM = "pcm"


def record(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="A TOML file, or a language of the bundled texts: es, fr ...")
    ],
    tts: Annotated[
        str,
        typer.Option(
            metavar="TTS",
            help="URL of an OpenAI-compatible speech endpoint; a command with {text} and {out} (without them: standard "
            "input and output), and {alignment} for the ends of words; or package.module:function.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The pack's folder; default: the spec's name.")
    ] = None,
    tts_voice: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: the spec's.", rich_help_panel=_ASKED)
    ] = None,
    tts_model: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=_ASKED)] = None,
    tts_instructions: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How to speak.", rich_help_panel=_ASKED)
    ] = None,
    tts_speed: Annotated[
        float | None, typer.Option(min=0.25, max=4.0, help="1 is normal.", rich_help_panel=_ASKED)
    ] = None,
    tts_format: Annotated[
        AudioFormat,
        typer.Option(help="Of what comes, and of {out}. pcm: raw, 16 bits, mono.", rich_help_panel=_ASKED),
    ] = AudioFormat.WAV,
    tts_rate: Annotated[
        int | None, typer.Option(metavar="HZ", min=8_000, max=192_000, help="Of pcm.", rich_help_panel=_ASKED)
    ] = None,
    tts_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE",
            help="Where the key is; default: OPENAI_API_KEY for api.openai.com, no key for other hosts.",
            rich_help_panel=_ASKED,
        ),
    ] = None,
    takes: Annotated[
        int | None, typer.Option(min=1, max=20, help="Recordings of each line, whatever the spec says.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Record what is there, too; earlier recordings stay in originals/.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what is there and what is missing.")] = False,
    parallel: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Lines at a time; default: endpoints 2, commands one per processor, callables 1.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    per_minute: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Texts a minute, 0 for any number; default: 60 for endpoints elsewhere.", rich_help_panel=_HOW
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.01, help="For one text.", rich_help_panel=_HOW)] = 60.0,
    loudness: Annotated[
        str | None,
        typer.Option(
            metavar="LUFS|own",
            help="A number, or own: as loud as your TTS speaks. Default: the spec's.",
            rich_help_panel=_PACK,
        ),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="Of the clips; default: the spec's.", rich_help_panel=_PACK)
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Terms of use of the recordings; default: the spec's.", rich_help_panel=_PACK)
    ] = None,
    beds: Annotated[
        bool,
        typer.Option(
            help="Put the bundled typing, room sound, tones and music into the pack if it has none.",
            rich_help_panel=_PACK,
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Record a pack through your agent's own TTS, then prepare its clips.

    What is there is not asked for again: the same command goes on after an interruption, and retries what failed.
    """  # fmt: skip
    from stopgap.fillers.making import only_run
    from stopgap.fillers.recording import RecordOptions, TtsOptions, open_tts, tts_form

    wanted = _with_takes(_read(spec), takes)
    settings = asked_settings(wanted.preparation.model_dump(exclude_unset=True), loudness=loudness, rate=rate)
    voice = tts_voice if tts_voice is not None or tts_form(tts) != "endpoint" else wanted.voice
    asked = TtsOptions(
        model=tts_model, voice=voice, instructions=tts_instructions, speed=tts_speed, format=_format(tts_format),
        rate=tts_rate, key_env=tts_key_env,
    )  # fmt: skip
    with redirect_stdout(sys.stderr):  # modules of models like to say that they load; stdout is for the report
        speaker = open_tts(tts, asked)
    options = RecordOptions(again=again, parallel=parallel, per_minute=per_minute, timeout_s=timeout)
    folder = out if out is not None else _default_folder(wanted)
    if dry_run:
        print_plan(wanted, speaker, folder, options, as_json=as_json)
        return
    with only_run(folder):
        recorded = _recorded(wanted, speaker, folder, options)
        built = _built(wanted, recorded, folder, settings, voice=voice, licence=licence, label=speaker.label, beds=beds)
    print_report(folder, speaker.label, recorded, built, as_json=as_json)
    if recorded.failures or recorded.untried or built is None or built.failures:
        raise typer.Exit(1)


def _read(spec: str) -> "Spec":
    """Return the spec in a file, or the bundled one of a language."""
    from stopgap.fillers import PackError, validated
    from stopgap.fillers.texts import Spec, read_bank, read_spec

    path = Path(spec)
    if path.suffix == ".toml" or path.is_file():
        return read_spec(path)
    try:
        bank = read_bank(spec)
    except PackError as exc:
        raise PackError(f"{exc}, or the path of a spec, a TOML file") from None
    if "-" not in spec:
        return bank
    data = {**bank.model_dump(exclude_unset=True), "language": spec}  # the voice is of the region that was asked for
    return validated(Spec, data, where=f"bank {spec!r}", error=PackError)


def _with_takes(spec: "Spec", takes: int | None) -> "Spec":
    from stopgap.fillers import PackError, validated
    from stopgap.fillers.texts import Spec

    if takes is None:
        return spec
    data = spec.model_dump(exclude_unset=True)
    lines = [{**line, "takes": None} for line in data["lines"]]
    return validated(Spec, {**data, "takes": takes, "lines": lines}, where=f"--takes {takes}", error=PackError)


def _format(name: AudioFormat) -> "TtsFormat":
    from stopgap.fillers.recording import TtsFormat

    return next(known for known in get_args(TtsFormat) if known == name)


def _default_folder(spec: "Spec") -> Path:
    from stopgap.fillers.texts import slug

    return Path(slug(spec.name))


def _recorded(spec: "Spec", tts: "Tts", folder: Path, options: "RecordOptions") -> "Recorded":
    from asyncio import CancelledError, run

    from stopgap.fillers.recording import record_async

    from .._console import progress

    total = sum(spec.takes_of(line) for line in spec.lines)
    try:
        with progress("recording", total) as advance, redirect_stdout(sys.stderr):
            recording = record_async(spec, tts, folder, options=options, on_take=lambda outcome: advance(1))
            return run(_until_told_to_end(recording))
    except (KeyboardInterrupt, CancelledError):
        typer.echo("interrupted: what was recorded is kept, and the same command goes on", err=True)
        raise KeyboardInterrupt from None


async def _until_told_to_end(recording: "Coroutine[Any, Any, Recorded]") -> "Recorded":
    """Let SIGTERM do what Ctrl-C does: the commands that run are in sessions of their own, and would go on."""
    from asyncio import current_task, get_running_loop

    task = current_task()
    if task is not None and sys.platform != "win32":
        get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await recording


def _built(
    spec: "Spec",
    recorded: "Recorded",
    folder: Path,
    settings: "PreparationSettings",
    *,
    voice: str | None,
    licence: str | None,
    label: str,
    beds: bool,
) -> "Built | None":
    """Make the pack of what was recorded; None: of nothing."""
    from stopgap.fillers.making import PackHead, Source, build_pack, bundled_beds, has_beds, present_beds

    from .._console import progress

    if not recorded.takes:
        return None
    sources = [
        Source(
            original=take.original,
            id=take.line.clip_id(take.number),
            kind=take.line.kind,
            text=take.line.text,
            claims_work=take.line.claims_work,
            order=take.line.order,
            weight=take.line.weight,
            word_ends_ms=take.word_ends_ms,
            recorded_with=label,
        )
        for take in recorded.takes
    ]
    if has_beds(folder):
        sources += present_beds(folder)
    elif beds:
        sources += bundled_beds()
    head = PackHead(spec.name, spec.language, spec.voice or voice, licence or spec.licence)
    with progress("preparing", 2 * len(sources)) as advance:
        return build_pack(folder, head, sources, settings, progress=advance)

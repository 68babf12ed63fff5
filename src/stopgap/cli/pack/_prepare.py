"""``stopgap pack prepare``: clips are made of their originals once more."""

from pathlib import Path
from typing import Annotated

import typer

from .._console import print_json, progress
from .._options import JsonOption
from ._settings import asked_settings


def prepare(
    pack: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of the pack.")],
    loudness: Annotated[
        str | None,
        typer.Option(metavar="LUFS|own", help="How loud speech is to be; own: as loud as it was recorded."),
    ] = None,
    peak: Annotated[float | None, typer.Option(help="dBTP that no true peak may pass.")] = None,
    lead_ms: Annotated[float | None, typer.Option(help="ms kept before the first sound.")] = None,
    tail_ms: Annotated[float | None, typer.Option(help="ms kept after the last one.")] = None,
    crossfade_ms: Annotated[float | None, typer.Option(help="ms over which a loop's end becomes its start.")] = None,
    rate: Annotated[int | None, typer.Option(help="Hz of the clips' files.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Trim, level and mark the clips of a pack, from the originals that it keeps.

    Settings that are not given stay as they were. A pack that was made by hand keeps its files as originals. Running it
    twice gives the same clips.
    """
    from stopgap.fillers import PackError, PreparationSettings, find_pack, read_manifest
    from stopgap.fillers.making import only_run, prepare_pack

    from ._built import as_dict, tell

    folder = find_pack(str(pack))
    if not pack.is_dir():
        raise PackError(f"{pack} comes with stopgap and stays as it is; copy {folder} and prepare the copy")
    manifest = read_manifest(folder)
    present = manifest.preparation or PreparationSettings()
    settings = asked_settings(
        present.model_dump(), loudness=loudness, peak_dbtp=peak, lead_ms=lead_ms, tail_ms=tail_ms,
        crossfade_ms=crossfade_ms, rate=rate,
    )  # fmt: skip
    with only_run(folder), progress("preparing", 2 * len(manifest.clips)) as advance:
        built = prepare_pack(folder, settings, progress=advance)
    if as_json:
        print_json(as_dict(built, pack))
    else:
        tell(built, pack)
    if built.failures:
        raise typer.Exit(1)

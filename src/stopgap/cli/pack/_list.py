"""``stopgap pack list``: what is in the packs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._console import count, new_table, print_json, print_table
from .._options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from stopgap.fillers import Clip, Manifest


def list_packs(
    packs: Annotated[
        list[str] | None, typer.Argument(metavar="[PACK]...", help="Bundled packs or folders; default: all bundled.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List packs and their clips."""
    from stopgap.fillers import bundled_packs, find_pack, load_config, load_pack

    names = packs or (list(load_config(config).packs) if config is not None else bundled_packs())
    loaded = [(name, *load_pack(find_pack(name))) for name in names]
    if as_json:
        print_json([_as_dict(name, manifest, clips) for name, manifest, clips in loaded])
        return
    for name, manifest, clips in loaded:
        _print_pack(name, manifest, clips)


def _print_pack(name: str, manifest: "Manifest", clips: "tuple[Clip, ...]") -> None:
    voice = f", voice {manifest.voice}" if manifest.voice else ""
    table = new_table(
        "kind", "id", "s", "text", "claims work", "order", "dBFS", "licence",
        title=f"{name}: {count(len(clips), 'clip')}, {manifest.language}{voice}", right=("s", "order", "dBFS"),
    )  # fmt: skip
    for clip in clips:
        facts = _clip_as_dict(clip)
        table.add_row(
            clip.kind, clip.id, f"{clip.duration_s:.2f}", clip.text or "", "yes" if clip.claims_work else "",
            "" if clip.order is None else str(clip.order), f"{facts['loudness_dbfs']:.1f}", clip.licence,
        )  # fmt: skip
    print_table(table)


def _as_dict(name: str, manifest: "Manifest", clips: "tuple[Clip, ...]") -> dict[str, Any]:
    return {
        "pack": name,
        "language": manifest.language,
        "voice": manifest.voice,
        "licence": manifest.licence,
        "clips": [_clip_as_dict(clip) for clip in clips],
    }


def _clip_as_dict(clip: "Clip") -> dict[str, Any]:
    from stopgap.fillers import loudness_dbfs

    return {
        "id": clip.id,
        "kind": clip.kind.value,
        "duration_s": round(clip.duration_s, 3),
        "text": clip.text,
        "language": clip.language,
        "voice": clip.voice,
        "claims_work": clip.claims_work,
        "order": clip.order,
        "weight": clip.weight,
        "loudness_dbfs": round(loudness_dbfs(clip.samples, clip.rate), 1),
        "cut_marks": len(clip.cut_marks),
        "licence": clip.licence,
    }

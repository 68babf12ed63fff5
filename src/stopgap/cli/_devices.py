"""``stopgap devices``: what can be played on."""

from typing import Any

import typer

from ._console import new_table, print_json, print_table
from ._options import JsonOption


def devices(as_json: JsonOption = False) -> None:
    """List the audio output devices."""
    from stopgap.engine.outputs import load_sounddevice
    from stopgap.fillers import OutputError

    try:
        found = output_devices(load_sounddevice())
    except OutputError as exc:
        typer.echo(f"stopgap: {exc}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json(found)
    elif not found:
        typer.echo("There is no audio output device here.")
    else:
        table = new_table("", "index", "name", "host API", "rate (Hz)", "latency (ms)", right=("index", "rate (Hz)"))
        for device in found:
            low, high = device["latency_low_ms"], device["latency_high_ms"]
            table.add_row(
                "*" if device["default"] else "", str(device["index"]), device["name"], device["host_api"],
                f"{device['default_rate_hz']:.0f}", f"{low:.0f} to {high:.0f}",
            )  # fmt: skip
        print_table(table)
        typer.echo("* the default")


def output_devices(sd: Any) -> list[dict[str, Any]]:
    """Return what PortAudio knows about each output device."""
    from stopgap.engine.outputs import find_device
    from stopgap.fillers import OutputError

    try:
        default = find_device(sd, None)["index"]
    except OutputError:
        default = None
    return [
        {
            "index": info["index"],
            "name": info["name"],
            "host_api": sd.query_hostapis(info["hostapi"])["name"],
            "channels": info["max_output_channels"],
            "default_rate_hz": info["default_samplerate"],
            "latency_low_ms": round(1000 * info["default_low_output_latency"], 1),
            "latency_high_ms": round(1000 * info["default_high_output_latency"], 1),
            "default": info["index"] == default,
        }
        for info in sd.query_devices()
        if info["max_output_channels"] > 0
    ]

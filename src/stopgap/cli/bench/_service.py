"""``stopgap bench service``: the conversation service under load."""

from importlib.util import find_spec
from typing import Annotated

import typer

from .._console import new_table, print_json, print_table, progress
from .._extras import check_service_extra
from .._options import JsonOption


def service(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes of the service.")] = 2,
    conversations: Annotated[int, typer.Option(min=1, max=1000, help="Conversations at once.")] = 200,
    interactions: Annotated[int, typer.Option(min=10, max=1_000_000, help="Interactions in all.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the waits and pauses.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure the conversation service on this machine: how late fillers leave, what is lost, how memory grows.

    The service runs in processes of its own, its clients in this one; waits are drawn from a bundled trace.
    """
    check_service_extra()
    if find_spec("aiohttp") is None:
        from stopgap.fillers import UsageError

        raise UsageError("the clients of `stopgap bench service` need aiohttp; run pip install aiohttp")
    from stopgap.benchmarks.service._service import measure_service

    with progress("interactions", interactions) as advance:
        report = measure_service(
            workers=workers, conversations=conversations, interactions=interactions, seed=seed, advance=advance
        )
    if as_json:
        print_json(report.as_dict())
        return
    table = new_table("", "n", "median", "p99", "max", title="service", right=("n", "median", "p99", "max"))
    rows = (("filler planned → at the client, ms", report.late), ("client's own lag, ms", report.client_lag))
    for name, found in rows:
        table.add_row(name, f"{found.count:,}", f"{found.p50:.1f}", f"{found.p99:.1f}", f"{found.max:.1f}")
    print_table(table)
    typer.echo(
        f"{report.interactions:,} interactions in {report.conversations} conversations at once, "
        f"{report.interactions / report.seconds:.0f} a second; lost: {report.lost}; errors: {report.errors}"
    )
    typer.echo(
        f"{report.workers} {'process' if report.workers == 1 else 'processes'}, "
        f"{report.cpu_ms:.1f} ms of processor time an interaction"
    )
    typer.echo("memory, MB, after each tenth: " + " ".join(f"{found:.0f}" for found in report.memory_mb))
    typer.echo(f"measured on: {report.machine}")
    for target, met in report.targets.items():
        typer.echo(f"{'met' if met else 'MISSED'}: {target}")

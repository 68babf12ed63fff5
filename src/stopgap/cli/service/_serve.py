"""``stopgap serve``: the user's agent behind an HTTP API whose event streams carry fillers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .._extras import check_service_extra


def serve(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="TOML file of the service; see the README.", show_default=False),
    ] = None,
    agent: Annotated[str | None, typer.Option(metavar="MODULE:FUNCTION", help="An async generator function.")] = None,
    agent_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Or the base URL of an OpenAI-compatible chat API.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model asked for at --agent-url.")] = "default",
    instructions: Annotated[
        str | None, typer.Option(metavar="TEXT", help="System prompt for --agent-url.", show_default=False)
    ] = None,
    voice: Annotated[bool, typer.Option("--voice", help="The agent speaks: allow voice responses.")] = False,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="STOPGAP_SERVICE_DATABASE", help="Instead of the file's, or the default."),
    ] = None,
    fillers: Annotated[Path | None, typer.Option(metavar="FILE", help="A stopgap.toml.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on. Put TLS in front of anything but this machine.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any that is free.")] = 8080,
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes, one a core; count rates in Redis then (rate_storage).")
    ] = 1,
) -> None:
    """Serve an agent: conversations over HTTP, with fillers in the event stream.

    Make the database, the first user and their key with `stopgap service init` before. Logs are JSON lines on the error
    output. SIGTERM or Ctrl+C: no new requests, running answers end within drain_s (30 s).
    """
    check_service_extra()
    from stopgap.engine.service._settings import load_service_config, service_id

    changes: dict[str, Any] = {}
    if agent is not None or agent_url is not None:
        changes["services"] = {"default": _service(agent, agent_url, model, instructions, voice)}
    if database is not None:
        changes["database"] = database
    if fillers is not None:
        changes["fillers"] = str(fillers)
    settings = load_service_config(config, **changes)
    for name, service in settings.services.items():
        typer.echo(f"service {name}: id {service_id(name, service)}", err=True)
    if workers == 1:
        from stopgap.engine.service._server import run

        run(settings, host, port)
    else:  # the parent of workers does without most of what they import
        from stopgap.engine.service._supervisor import run_workers

        run_workers(settings, host, port, workers)


def _service(
    agent: str | None, agent_url: str | None, model: str, instructions: str | None, voice: bool
) -> dict[str, Any]:
    given = {"agent": agent, "agent_url": agent_url, "model": model, "instructions": instructions, "voice": voice}
    return {name: value for name, value in given.items() if value is not None}

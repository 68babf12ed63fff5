"""``stopgap bench``: measurements of this machine (what users feel is measured in ``_perceived``)."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .._console import print_json, print_table, progress
from .._options import JsonOption
from ._marks import marks
from ._metrics import metrics
from ._packs import packs
from ._perceived import perceived
from ._plugins import plugins
from ._service import service

bench_app = typer.Typer(name="bench", help="Measure this machine, and what users feel.", no_args_is_help=True)
bench_app.command()(marks)
bench_app.command()(metrics)
bench_app.command()(packs)
bench_app.command()(perceived)
bench_app.command()(plugins)
bench_app.command()(service)


class Server(StrEnum):
    """What is played to."""

    JACK = "jack"
    DEVICE = "device"


@bench_app.callback()
def _bench() -> None:
    pass


@bench_app.command()
def output(
    engine: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="native, numpy, plain, rtmixer or nothing; may be repeated. Default: all."),
    ] = None,
    load: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="idle, pyloop, gil, gilS or gc; may be repeated. Default: all."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1.0, max=600.0, help="s of each row.")] = 10.0,
    block: Annotated[int, typer.Option(min=32, max=1024, help="Frames of a callback, at 48 kHz.")] = 256,
    server: Annotated[
        Server | None,
        typer.Option(help="jack: a dummy server of its own, real-time where that is allowed; device: an audio device."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="Play to this device (audibly!); see `stopgap devices`.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of when the sounds begin.")] = 0,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the figures.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure output engines beside loads that keep the interpreter lock, each in a process of its own.

    A C probe between PortAudio and the engine stamps each callback and finds where a sound begins. Engines: native,
    stopgap's C core; numpy, its reference in a Python callback; plain, what one writes first; rtmixer, if it is
    installed; nothing, a C callback that writes zeros. Loads: idle; pyloop, a loop in pure Python; gil, C calls of up
    to a second; gilS, of some ms; gc, garbage collections with a million dicts alive.
    """
    from stopgap.benchmarks.output._engines import ENGINES
    from stopgap.benchmarks.output._loads import LOADS
    from stopgap.benchmarks.output._output import measure_output, missing_engines
    from stopgap.fillers import UsageError

    from ._outputtable import callback_table, delay_table, sentences, verdict_table

    if server is Server.JACK and device is not None:
        raise UsageError(f"--server jack plays to a server of its own; leave out --device {device} or --server")
    if plot is not None:
        from .._plot import load_pyplot
        from ._outputplot import plot_output

        load_pyplot()
        if not plot.parent.is_dir():
            raise UsageError(f"{plot} cannot be written: there is no folder {plot.parent}")
    rows = len(engine or set(ENGINES) - set(missing_engines())) * len(load or LOADS)
    with progress("measuring", rows) as advance:
        report = measure_output(
            engine or (), load or LOADS, seconds=seconds, block_frames=block, device=device,
            own_server=device is None and server is not Server.DEVICE, seed=seed, advance=advance,
        )  # fmt: skip
    if plot is not None:
        plot_output(report, plot)
    if as_json:
        print_json(report.as_dict())
        return
    print_table(callback_table(report))
    print_table(delay_table(report))
    if report.verdicts:
        print_table(verdict_table(report))
    for sentence in sentences(report):
        typer.echo(sentence)


@bench_app.command()
def mixing(
    sessions: Annotated[int, typer.Option(min=1, max=100_000, help="Sessions of a batch.")] = 2000,
    repeat: Annotated[int, typer.Option(min=1, max=100, help="Turns of each engine.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.001, max=60.0, help="s that an engine mixes for in a turn.")] = 1.0,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the figures.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how many sessions a core carries at 20 ms frames, and how long the render function takes.

    Two looping voices and a reply: the C core in batches, in single calls, and the numpy reference. One looping clip
    under speech: the same beside Pipecat's SoundfileMixer and LiveKit's AudioMixer, where they are installed. All in
    one process, turn by turn; the medians of the turns count. 2000 sessions take 3 GB of memory.
    """
    from stopgap.benchmarks.mixing._mixing import measure_mixing, steps

    from ._mixing import plot_mixing, render_table, sentences, sessions_tables, verdict_table

    if plot is not None:
        from stopgap.fillers import UsageError

        from .._plot import load_pyplot

        load_pyplot()
        if not plot.parent.is_dir():
            raise UsageError(f"{plot} cannot be written: there is no folder {plot.parent}")
    with progress("measuring", steps(repeat)) as advance:
        report = measure_mixing(sessions, repeat=repeat, seconds=seconds, advance=advance)
    if plot is not None:
        plot_mixing(report, plot)
    if as_json:
        print_json(report.as_dict())
        return
    for table in sessions_tables(report):
        print_table(table)
    times = render_table(report)
    if times is not None:
        print_table(times)
    print_table(verdict_table(report))
    for sentence in sentences(report):
        typer.echo(sentence)


@bench_app.command()
def planning(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help="What is known of waits.")] = "voice_mixed_dev",
    repeat: Annotated[int, typer.Option(min=10, max=100_000, help="Plans that are made anew.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """Measure how long deciding takes: to look a plan up, to make one anew, to begin a turn, to replay one."""
    from stopgap.benchmarks._planning import measure_planning

    from .._console import new_table

    with progress("measuring", 4) as advance:
        report = measure_planning(trace, repeat=repeat, advance=advance)
    if as_json:
        print_json(report.as_dict())
        return
    right = ("times", "median, µs", "p99, µs", "target, µs")
    table = new_table("", *right, "", title=f"deciding, knowing {trace}", right=right)
    for timed in report.timings:
        verdict = "" if timed.met is None else "met" if timed.met else "MISSED"
        limit = "" if timed.limit_us is None else f"{timed.limit_us:,.0f}"
        table.add_row(timed.what, f"{timed.count:,}", f"{timed.p50_us:,.1f}", f"{timed.p99_us:,.1f}", limit, verdict)
    print_table(table)
    met = report.turns_per_second >= report.least_turns_per_second
    typer.echo(
        f"replay: {report.turns_per_second:,.0f} turns per second and core "
        f"(target {report.least_turns_per_second:,.0f}: {'met' if met else 'MISSED'})"
    )

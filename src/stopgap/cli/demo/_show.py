"""The demo: what is printed, played, drawn and summed up."""

import json
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text
from stopgap.benchmarks import POLICIES, ReplayedTurn, score, sounds_of
from stopgap.engine import (
    DeviceOutput,
    FileOutput,
    FillerManager,
    MonotonicClock,
    Output,
    SilentOutput,
    Turn,
    VirtualClock,
)
from stopgap.engine.planning import silent_gaps
from stopgap.fillers import (
    ClipBank,
    Config,
    OutputError,
    UsageError,
    bundled_packs,
    find_pack,
    load_config,
    primary_language,
    read_manifest,
)

from .._plot import load_pyplot, plot_turns
from ._conversation import OnTurn, Pace, RealPace, VirtualPace, converse, scenario, taught
from ._timeline import LEAD_S, bar, caption, legend, totals

DEFAULT_FILE = Path("demo.wav")
FILE_RATE = 24_000
"""Hz of files and silent runs."""


class Show:
    """One run of the demo.

    Args:
        policy: What is heard.
        turns: How many turns.
        seed: Draws the turns and the clips.
        config: Configuration file, or None for the defaults.
        as_json: Print JSON to stdout and everything else to stderr.
        plot: Draw the timeline into this file.
        language: BCP 47 tag of what is said; None: the configuration's.

    Raises:
        UsageError: for an unknown policy or language, or a picture without matplotlib, before anything plays.
        ConfigError: for a configuration that cannot be used.
    """

    def __init__(
        self,
        policy: str,
        *,
        turns: int,
        seed: int,
        config: Path | None,
        as_json: bool,
        plot: Path | None,
        language: str | None = None,
    ) -> None:
        if policy not in POLICIES:
            raise UsageError(f"policy {policy!r} is unknown; choose {', '.join(POLICIES)}")
        if plot is not None:
            load_pyplot()
        self._policy = policy
        self._as_json = as_json
        self._plot = plot
        configured = load_config(config)
        spoken = configured.language if language is None else language
        update: dict[str, object] = {"seed": seed, "turn_log": None, "language": spoken}
        if "packs" not in configured.model_fields_set:  # beds are in the first one
            update["packs"] = tuple(dict.fromkeys([*configured.packs, *packs_of(spoken)]))
        self._config = configured.model_copy(update=update)
        self._bank = ClipBank(self._config.packs)
        self._scenario = scenario(turns, seed, spoken)
        self._console = Console(stderr=as_json, highlight=False)
        self._named_device = False

    def run(self, *, out: Path | None, device: str | None) -> None:
        """Play through *device*, or into the file *out*; then print the same turns under every policy."""
        console, exchanges = self._console, self._scenario.exchanges
        output = None if out is not None else self._device(device)
        console.print(
            f"{len(exchanges)} turns of real waits, policy [bold]{self._policy}[/bold]; "
            f"{self._scenario.learned_turns} earlier turns of the trace are known.\n"
        )
        console.print(legend(), "", sep="\n")
        file = out or DEFAULT_FILE
        heard = None if output is None else self._in_real_time(output)
        if heard is None:
            output = None
            heard = self._into(FileOutput(file, FILE_RATE))
        results = []
        for policy in POLICIES:
            turns = heard if policy == self._policy else self._silently(policy)
            results.append((policy, score(turns, self._config.costs), dead_air(turns)))
        console.print(totals(results, self._policy))
        if output is None:
            console.print(f"Sound: {file}")
        if self._plot is not None:
            plot_turns(heard, [exchange.question.text for exchange in exchanges], self._plot, self._policy)
            console.print(f"Picture: {self._plot}")
        if self._as_json:
            figures = {policy: {**reached.as_dict(), "dead_air": sum(gaps)} for policy, reached, gaps in results}
            print(json.dumps({"policy": self._policy, "turns": [item.as_dict() for item in heard], "totals": figures}))

    def _device(self, wanted: str | None) -> Output | None:
        """Return the device; None if none was asked for and none can be had."""
        settings = self._config.output
        device = settings.device if wanted is None else int(wanted) if wanted.isdigit() else wanted
        self._named_device = device is not None
        try:
            return DeviceOutput(device, rate=settings.rate, block_frames=settings.block_frames)
        except OutputError as exc:
            if device is not None:
                raise
            self._tell_file(exc)
            return None

    def _tell_file(self, why: OutputError) -> None:
        self._console.print(f"[yellow]{why}[/yellow]. Writing {DEFAULT_FILE}.\n")

    def _in_real_time(self, output: Output) -> list[ReplayedTurn] | None:
        """Play through *output*; None if it is the default device and does not open."""
        clock = MonotonicClock()
        playing: list[Turn] = []
        with Live(console=self._console, refresh_per_second=20, transient=True) as live:

            def look() -> None:
                for turn in playing:
                    record = turn.record
                    live.update(self._bar_of(turn, clock.now() - record.speech_ended_at))

            def on_turn(number: int, turn: Turn) -> None:
                if turn not in playing:
                    playing.append(turn)
                    return
                playing.clear()
                live.update("")
                self._print_turn(number, turn)

            try:
                return self._converse(self._policy, output, RealPace(clock, look), on_turn)
            except OutputError as exc:
                if self._named_device:
                    raise
                self._tell_file(exc)
                return None

    def _into(self, output: Output) -> list[ReplayedTurn]:
        begun: list[Turn] = []

        def on_turn(number: int, turn: Turn) -> None:
            if turn in begun:
                self._print_turn(number, turn)
            begun.append(turn)

        return self._converse(self._policy, output, VirtualPace(VirtualClock()), on_turn)

    def _silently(self, policy: str) -> list[ReplayedTurn]:
        return self._converse(policy, SilentOutput(FILE_RATE), VirtualPace(VirtualClock()))

    def _converse(
        self, policy: str, output: Output, pace: Pace, on_turn: OnTurn = lambda number, turn: None
    ) -> list[ReplayedTurn]:
        config: Config = self._config.model_copy(update={"mode": policy})
        predictor = taught(config, self._scenario.lessons)
        with FillerManager(config, clock=pace.clock, bank=self._bank, predictor=predictor) as manager:
            return converse(manager, output, self._scenario.exchanges, pace, on_turn)

    def _print_turn(self, number: int, turn: Turn) -> None:
        record = turn.record
        self._console.print(Text(f"{number + 1}. “{self._scenario.exchanges[number].question.text}”", "bold"))
        self._console.print(self._bar_of(turn, (record.reply_heard_s or 0.0) + LEAD_S))
        self._console.print(Text(f"  {caption(record)}\n", "dim"))

    def _bar_of(self, turn: Turn, now_s: float) -> Text:
        return Text("  ") + bar(turn.record, now_s, max(20, self._console.width - 4))


def packs_of(language: str) -> list[str]:
    """Return the bundled packs that speak *language*, whatever the region."""
    found = bundled_packs()
    wanted = primary_language(language)
    return [name for name in found if primary_language(read_manifest(find_pack(name)).language) == wanted]


def dead_air(turns: list[ReplayedTurn]) -> list[float]:
    """Return the stretches in s in which nothing sounded, over all turns."""
    ends = ((item.reply_start_ms or item.turn.end_ms) / 1000.0 for item in turns)
    return [gap for item, end in zip(turns, ends, strict=True) for gap in silent_gaps(sounds_of(item), end_s=end)]

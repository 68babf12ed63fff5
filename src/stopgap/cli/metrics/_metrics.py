"""``stopgap metrics``: what conversations were like, from records or a log of their turns."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._console import print_json, print_table, progress
from .._options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from stopgap.engine.metrics import Metric, MetricResult, TurnFacts

    from ._table import Summary


class By(StrEnum):
    """What the table has a row for, beside the metric."""

    AGENT = "agent"
    CONVERSATION = "conversation"


def metrics(
    turns: Annotated[
        str,
        typer.Argument(
            metavar="TURNS",
            help="A log of turns or a trace (.csv, .jsonl, .parquet, .sqlite), or turn records, one a line (.jsonl).",
        ),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", metavar="NAME", help="Only this metric; may be given more than once."),
    ] = None,
    definitions: Annotated[
        Path | None, typer.Option("--metrics", metavar="FILE", help="A TOML file with metrics of your own.")
    ] = None,
    conversation: Annotated[str | None, typer.Option(metavar="ID", help="Only this conversation.")] = None,
    by: Annotated[By | None, typer.Option(help="One row for each of them.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print figures of conversations: dead air, reply delay, needless fillers, targets, metrics of your own.

    A log of turns holds waits, not what was heard: for all else give records, as `TurnRecord.as_dict` gives them.

    How long replies may be held back for target_met is in the configuration, if one is given.
    """
    from .._turnfiles import read_facts
    from ._table import reasons, result_table, summary_table

    chosen = chosen_metrics(metric, definitions, config)
    found = read_facts(turns)
    if conversation is not None:
        found = _only(found, conversation, turns)
    summaries = _summaries(found, chosen, by)
    if as_json:
        print_json({"turns": turns, **_plain(summaries, by)})
        return
    if by is By.CONVERSATION:
        print_table(result_table(turns, summaries))
        return
    print_table(summary_table(turns, summaries, groups=by is By.AGENT))
    for reason in reasons(summaries):
        typer.echo(reason)


def chosen_metrics(names: list[str] | None, definitions: Path | None, config: Path | None) -> "dict[str, Metric]":
    """Return the metrics that were asked for: all, if none was named."""
    from stopgap.engine.metrics import Targets, builtin_metrics, load_metrics
    from stopgap.fillers import UsageError, load_config

    targets = None if config is None else Targets.of(load_config(config).limits)
    known = builtin_metrics(targets)
    if definitions is not None:
        known |= load_metrics(definitions)
    for name in names or ():
        if name not in known:
            raise UsageError(f"metric {name!r} is unknown; choose {', '.join(known)}, or define it: --metrics FILE")
    return {name: known[name] for name in names} if names else known


def _only(found: "list[TurnFacts]", conversation: str, turns: str) -> "list[TurnFacts]":
    from stopgap.fillers import UsageError

    wanted = [turn for turn in found if turn.conversation == conversation]
    if not wanted:
        there = list(dict.fromkeys(turn.conversation for turn in found))
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        raise UsageError(f"{turns} has no conversation {conversation!r}; it holds {', '.join(there[:3])}{more}")
    return wanted


def _summaries(found: "list[TurnFacts]", chosen: "Mapping[str, Metric]", by: By | None) -> "list[Summary]":
    from stopgap.engine.metrics import by_conversation

    from ._table import Summary

    groups: dict[str | None, list[TurnFacts]] = {}
    for turn in found:
        groups.setdefault((turn.agent or "") if by is By.AGENT else None, []).append(turn)
    split = {name: by_conversation(group) for name, group in sorted(groups.items(), key=lambda item: item[0] or "")}
    with progress("conversations", sum(map(len, split.values()))) as advance:
        return [
            Summary(name, metric, results)
            for name, conversations in split.items()
            for metric, results in _results(conversations, chosen, advance)
        ]


def _results(
    conversations: "Mapping[str, list[TurnFacts]]", chosen: "Mapping[str, Metric]", advance: Callable[[int], None]
) -> "Iterator[tuple[Metric, tuple[MetricResult, ...]]]":
    rows = []
    for turns in conversations.values():
        rows.append([metric.evaluate(turns) for metric in chosen.values()])
        advance(1)
    yield from zip(chosen.values(), zip(*rows, strict=True), strict=True)


def _plain(summaries: "list[Summary]", by: By | None) -> dict[str, object]:
    """Return the summaries, and one result for each conversation and metric."""

    def of_group(summary: "Summary") -> dict[str, object]:
        return {"agent": summary.group or None} if by is By.AGENT else {}

    return {
        "metrics": [{**of_group(summary), **summary.as_dict()} for summary in summaries],
        "results": [{**of_group(s), **result.as_dict()} for s in summaries for result in s.results],
    }

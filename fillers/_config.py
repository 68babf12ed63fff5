"""The typed configuration. Every duration says its unit; every default says where it comes from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from ._kinds import BED_KINDS, Kind
from ._override import Behavior, ConfiguredBehavior, Count, Override, Text
from ._validation import Section, read_toml, validated

Milliseconds = Annotated[float, Field(ge=0, le=600_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Costs(Section):
    """What is felt, in seconds of plain waiting, summed over a turn. Declared assumptions: sweep them."""

    silence_free_s: float = Field(default=0.4, ge=0, le=10)
    """s. A gap up to this costs nothing (turn-taking gaps of people are mostly below 0.5 s)."""
    silence_slope: float = Field(default=1.5, ge=0, le=100)
    """Cost per s of a long gap. From *silence_free_s* on the cost is quadratic, until its slope reaches this."""
    reply_delay: float = Field(default=1.5, ge=0, le=100)
    """Cost per s by which a filler held back a reply that was available."""
    backchannel: float = Field(default=0.10, ge=0, le=100)
    hesitation: float = Field(default=0.10, ge=0, le=100)
    phrase: float = Field(default=0.22, ge=0, le=100)
    progress: float = Field(default=0.22, ge=0, le=100)
    repeat: float = Field(default=0.10, ge=0, le=100)
    """Cost of a spoken filler per earlier one in its turn."""
    repeat_free_per_minute: int = Field(default=5, ge=0)
    """Spoken fillers of earlier turns within 60 s that cost nothing; each further one counts like an earlier one
    of the turn (Laske & DiGennaro Reed 2024: up to 5 a minute carry no penalty)."""
    phrase_cut: float = Field(default=0.15, ge=0, le=100)
    """A phrase or progress line cut by the reply."""
    bed: float = Field(default=0.05, ge=0, le=100)
    """Starting a bed."""
    bed_per_s: float = Field(default=0.08, ge=0, le=100)
    """Cost per s of a bed playing."""
    ambience_credit: float = Field(default=0.5, ge=0, le=1)
    """Share of the time covered by a bed that does not count as silence. Evidence is weak: report 0 beside it."""

    def spoken(self, kind: Kind) -> float:
        """Return the cost of one spoken filler of *kind*, before repeats."""
        return float(getattr(self, kind.value))


class Limits(Section):
    """Hard limits; planner and ladder obey them."""

    per_turn: Count = 5
    """Spoken fillers in one turn."""
    per_minute: Count = 8
    """Spoken fillers within 60 s in one conversation."""
    per_conversation: Count = "unlimited"
    """Spoken fillers in one conversation."""
    min_gap_ms: Milliseconds = 300.0
    """ms of silence between two spoken fillers."""
    max_wait_s: float = Field(default=60.0, gt=0, le=3600)
    """s into the wait after which nothing new starts and beds end: a stuck agent must not hum for ever."""
    reply_delay_ms: Milliseconds | Literal["unlimited"] = 7.0
    """ms by which fillers may hold replies back on average. Not a hard limit: the planner pays more for delay while it
    is exceeded."""
    needless: Annotated[float, Field(ge=0, le=1)] | Literal["unlimited"] = 0.02
    """Share of answered turns whose first filler may begin less than 0.25 s before the reply; likewise on average."""


class Handoff(Section):
    """How a playing filler of one kind yields to the reply."""

    min_play_ms: Milliseconds = 0.0
    """Once started, the filler sounds at least this long."""
    max_finish_ms: Milliseconds = 0.0
    """Play on to the next cut mark if it is at most this far away (to play to the end always: a long *min_play_ms*)."""
    fade_ms: Milliseconds = 40.0
    """No mark near enough: fade over this long."""
    gap_ms: float = Field(default=0.0, ge=-10_000, le=10_000)
    """Silence between the filler and the reply; negative: they overlap by that much."""
    fade_in_ms: Milliseconds = 0.0
    """The filler's own start."""


_QUICK = Handoff(min_play_ms=200, fade_ms=40)
_FINISH = Handoff(max_finish_ms=600, fade_ms=60)
_BED = Handoff(fade_ms=20, gap_ms=-20, fade_in_ms=80)  # its fade lies under the reply and holds nothing back


class Handoffs(Section):
    """The handoff rule's numbers, per kind."""

    backchannel: Handoff = _QUICK
    hesitation: Handoff = _QUICK
    phrase: Handoff = _FINISH
    progress: Handoff = _FINISH
    ambience: Handoff = _BED
    tone: Handoff = _BED
    hold: Handoff = _BED

    @model_validator(mode="before")
    @classmethod
    def _keep_other_defaults(cls, data: Any) -> Any:
        """A table that gives one number of a kind keeps that kind's other defaults."""
        if not isinstance(data, Mapping):
            return data
        defaults = {name: field.default for name, field in cls.model_fields.items()}
        return {
            name: {**defaults[name].model_dump(), **value} if name in defaults and isinstance(value, Mapping) else value
            for name, value in data.items()
        }

    def of(self, kind: Kind) -> Handoff:
        handoff: Handoff = getattr(self, kind.value)
        return handoff

    def beneath(self) -> "Handoffs":
        """Return what is left of the rule where the reply sounds by a path of its own and cannot be held: every filler
        fades at once, beneath the reply's first 20 ms."""
        faded = {k.value: Handoff(fade_ms=20, gap_ms=-20, fade_in_ms=self.of(k).fade_in_ms) for k in Kind}
        return Handoffs(**faded)


class Reply(Section):
    """The reply's own audio."""

    preroll_ms: Milliseconds = 0.0
    """ms of reply audio to hold before it starts, for TTS that delivers in bursts."""


class KindSettings(Section):
    """How one kind of filler is used."""

    enabled: bool = True
    gain_db: float = Field(default=0.0, ge=-60, le=12)
    """dB, added to the clip's own level."""


class LadderStep(Section):
    """One step of a hand-written cue sheet."""

    after_ms: Milliseconds
    """ms from *since* to the filler's start."""
    kind: Kind
    since: Literal["speech_ended", "tool_started"] = "speech_ended"
    repeat_ms: float | None = Field(default=None, ge=100, le=600_000)
    """ms. Again and again at this distance, until a limit ends it."""
    phrases: tuple[Text, ...] | None = None
    """Texts or ids of clips; only these are said."""


class Selection(Section):
    """Which clip of a kind is taken."""

    order: Literal["shuffle", "round_robin", "random"] = "shuffle"
    """``shuffle``: weighted, none again until its kind's others were used; ``round_robin``: in the pack's order;
    ``random``: weighted, repeats allowed."""


class Prediction(Section):
    """How waits are learned."""

    expected_ms: float = Field(default=1500.0, gt=0, le=600_000)
    """ms. Median of the prior before anything was learned."""
    spread: float = Field(default=0.6, gt=0, le=3)
    """Standard deviation of the prior's logarithm."""
    half_life: int = Field(default=400, ge=10)
    """Waits after which an observation counts half."""
    pseudo_count: float = Field(default=8.0, gt=0, le=1000)
    """Weight of what is known in general, in observations, before it is known how much contexts differ."""
    file: str | None = Field(default=None, min_length=1)
    """Path of a JSON file in which learned waits are kept; several processes may share it. None: a new process begins
    anew."""


class OutputSettings(Section):
    """Where the sound goes unless the application passes an output."""

    device: str | int | None = None
    """Name (a unique part will do) or index; see ``stopgap devices``. None: the system's default."""
    file: str | None = None
    """Write to this WAV or FLAC file instead of a device."""
    rate: int = Field(default=48_000, ge=8_000, le=192_000)
    """Hz."""
    block_frames: int = Field(default=0, ge=0, le=16_384)
    """Frames per device callback; 0 lets the device choose."""
    unattended_s: float = Field(default=10.0, gt=0, le=3600)
    """s that a device plays armed fillers on while the process gives no sign of life (a debugger, a deadlock)."""


class Config(Section):
    """Everything that can be configured. Build it with `load_config`, or directly."""

    mode: Literal["predictive", "ladder", "none"] = "predictive"
    packs: tuple[Name, ...] = ("en-us",)
    """Names of bundled packs, or paths of folders with a ``pack.toml``."""
    watch_packs_s: float | None = Field(default=None, ge=0.1, le=3600)
    """s between two looks at whether the packs' files have changed; changed packs are then taken in while conversations
    go on. None: never, but for `FillerManager.reload_packs`."""
    language: Name = "en-US"
    """BCP 47 tag of what the agent speaks; a turn may say another."""
    voice: Name | None = None
    """Only clips of this voice; None: any."""
    seed: int | None = None
    """Seed of the clip selection; None: a new one each time."""
    turn_log: str | None = Field(default=None, min_length=1)
    """Path of a file in which turns are recorded as a latency trace, without any text but the names of agents and
    tools: SQLite where it ends in .sqlite, .sqlite3 or .db, else CSV. Several processes may share it. None: nothing."""
    turn_log_mb: float = Field(default=64.0, gt=0, le=1000)
    """MB (10^6 bytes) after which a CSV log is put aside as ``….1.csv`` and a new one begun; of an SQLite log the
    oldest turns are deleted then. Traces above 1 GiB are not read."""
    turn_log_files: int = Field(default=8, ge=1, le=1000)
    """CSV logs put aside that are kept."""
    costs: Costs = Costs()
    limits: Limits = Limits()
    handoff: Handoffs = Handoffs()
    tentative_kinds: tuple[Kind, ...] = ()
    """Kinds that may sound before the end of speech is confirmed (``backchannel`` at most makes sense)."""
    reply: Reply = Reply()
    selection: Selection = Selection()
    prediction: Prediction = Prediction()
    output: OutputSettings = OutputSettings()
    kinds: dict[Kind, KindSettings] = {Kind.TONE: KindSettings(enabled=False)}
    """``[kinds.ambience]``-style tables; a kind that is not named is enabled (tones are not by default)."""
    agents: dict[Name, Override] = {}
    tools: dict[Name, Override] = {}
    behaviors: dict[Name, ConfiguredBehavior] = Field(default={}, max_length=200)
    """The first one that is triggered is in force for the rest of the turn, or until an earlier one is."""
    ladder: tuple[LadderStep, ...] = (
        LadderStep(after_ms=700, kind=Kind.HESITATION),
        LadderStep(after_ms=2200, kind=Kind.PHRASE),
        LadderStep(after_ms=5500, kind=Kind.PROGRESS, repeat_ms=6000),
    )
    """The cue sheet of ladder mode."""

    @field_validator("kinds")
    @classmethod
    def _tone_stays_off(cls, value: dict[Kind, KindSettings]) -> dict[Kind, KindSettings]:
        return {Kind.TONE: KindSettings(enabled=False), **value}

    @field_validator("turn_log")
    @classmethod
    def _log_is_csv_or_sqlite(cls, value: str | None) -> str | None:
        if value is not None and value.lower().endswith((".jsonl", ".parquet")):
            raise ValueError(f"{value}: logs are CSV or SQLite; name it .csv or .sqlite, and convert it afterwards")
        return value

    @model_validator(mode="after")
    def _bed_kinds_make_no_phrases(self) -> Self:
        for place, step in enumerate(self.ladder):
            if step.kind in BED_KINDS and step.repeat_ms is not None and step.kind.loops:
                raise ValueError(f"ladder[{place}].repeat_ms: {step.kind} loops by itself; leave repeat_ms out")
        return self

    def kind(self, kind: Kind) -> KindSettings:
        return self.kinds.get(kind, _ENABLED)

    @model_validator(mode="after")
    def _behaviors_fit(self) -> Self:
        for name, behavior in self.behaviors.items():
            places = [name, *(f"{name}.alternatives[{place}]" for place in range(len(behavior.alternatives)))]
            for place, version in zip(places, (behavior, *behavior.alternatives), strict=True):
                try:
                    self.under(version)
                except ValueError as exc:
                    raise ValueError(f"behaviors.{place}.{exc}") from None
        return self

    def override(self, agent: str | None, tool: str | None, behavior: Behavior | None = None) -> Override:
        """Return what holds for *agent* while *tool* runs and *behavior* is in force: each one's keys win over those of
        the ones before."""
        merged: dict[str, Any] = {}
        for table, name in ((self.agents, agent), (self.tools, tool)):
            found = table.get(name) if name is not None else None
            if found is not None:
                merged.update(found.model_dump(exclude_unset=True))
        if behavior is not None:
            merged.update(behavior.fillers.model_dump(exclude_unset=True))
        return Override(**merged) if merged else _NOTHING_ELSE

    def under(self, behavior: Behavior) -> tuple[Limits, Costs]:
        """Return the limits and costs while *behavior* is in force.

        Raises:
            ValueError: if it changes a cost that there is not, or makes it what it cannot be.
        """
        limits = self.limits.model_copy(update=behavior.limits.model_dump(exclude_none=True))
        unknown = behavior.costs.keys() - Costs.model_fields.keys()
        if unknown:
            raise ValueError(f"costs.{min(unknown)[:40]} is no cost; write one of {', '.join(Costs.model_fields)}")
        try:
            return limits, Costs(**{**self.costs.model_dump(), **behavior.costs}) if behavior.costs else self.costs
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            wrong, said = str(first["loc"][0]), first["msg"][:1].lower() + first["msg"][1:]
            raise ValueError(f"costs.{wrong} = {behavior.costs[wrong]} is no cost: {said}") from None


_ENABLED = KindSettings()
_NOTHING_ELSE = Override()


def load_config(
    source: str | Path | Mapping[str, Any] | Config | None = None, *, base: Mapping[str, Any] | None = None
) -> Config:
    """Return the configuration in *source*: a TOML file's path, a mapping, a ready `Config`, or None for the defaults.

    Args:
        source: What to read.
        base: A mapping that *source* is laid over, key by key.

    Raises:
        ConfigError: with the key's path, if anything in it cannot be used.
    """
    if isinstance(source, Config):
        return source
    where = "configuration"
    data: Mapping[str, Any] = {}
    if isinstance(source, str | Path):
        where = str(source)
        data = read_toml(Path(source))
        data = {**data, "packs": _beside(data["packs"], Path(source).parent)} if "packs" in data else data
    elif source is not None:
        data = source
    return validated(Config, overlaid(base or {}, data), where=where)


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return *base* with the values of *over* put over it, table by table; lists are replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = overlaid(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _beside(packs: Any, folder: Path) -> Any:
    """Resolve pack folders that are written relative to the configuration file."""
    if not isinstance(packs, list):
        return packs
    return [str(folder / p) if isinstance(p, str) and (folder / p / "pack.toml").is_file() else p for p in packs]

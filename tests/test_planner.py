"""The planner: its sheets are the best ones, and stay within the limits."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopgap.engine.mixer import HandoffFrames, clip_length, ending, mark_frames
from stopgap.engine.planning import (
    GRID_S,
    CastCue,
    Induction,
    Ladder,
    NoFillers,
    PlannedCue,
    Planner,
    Policy,
    Situation,
    Sound,
    Start,
    cast,
    clip_classes,
    playable_clips,
    turn_cost,
)
from stopgap.engine.planning._induction import BED_DELAYS
from stopgap.engine.prediction import Context, LatencyPredictor, Lesson, WaitDistribution, log_normal
from stopgap.engine.prediction._buckets import EDGES
from stopgap.fillers import (
    Clip,
    ClipBank,
    Config,
    Costs,
    CutMark,
    Handoff,
    Handoffs,
    Kind,
    LadderStep,
    Limits,
    Override,
    Selector,
    load_config,
)

RATE = 1000
MIN_GAP = 6
"""Grid steps: the default 300 ms."""

Sheet = list[tuple[int, Clip | None]]
"""Grid step and clip of each filler; None: the bed."""


def plain_clip(id: str, kind: Kind, frames: int, marks: tuple[int, ...] = ()) -> Clip:
    cuts = tuple(CutMark(frame, 1) for frame in (*marks, frames))
    return Clip(id, kind, np.zeros(frames, np.float32), RATE, "some words", cut_marks=cuts)


# Lengths are whole grid steps and each clip is a class of its own, so that the classes' means are exact.
CLIPS = (
    plain_clip("b", Kind.BACKCHANNEL, 400),
    plain_clip("h", Kind.HESITATION, 500),
    plain_clip("p", Kind.PHRASE, 900, (300, 600)),
    plain_clip("P", Kind.PHRASE, 1400, (400,)),  # cut if the reply comes between 0.4 and 0.8 s of it
    plain_clip("g", Kind.PROGRESS, 1500, (500, 1000)),
)


def steps_of(clip: Clip) -> int:
    return round(clip.duration_s / GRID_S)


# Playing a sheet out: an oracle that shares only the handoff rule and the cost model ----------------------------


def cost_of(sheet: Sheet, wait_s: float, config: Config, excess: int = 0) -> float:
    """Return what it costs when *sheet* plays and the reply is available after *wait_s*."""
    sounds, last_word, bed_from = [], wait_s, None
    for step, clip in sheet:
        start = step * GRID_S
        if start >= wait_s:
            break
        if clip is None:
            bed_from = start
            continue
        end, cut = start + clip.duration_s, False
        if end > wait_s:
            rule = HandoffFrames.at_rate(config.handoff.of(clip.kind), RATE)
            how = ending(round((wait_s - start) * RATE), clip_length(clip), mark_frames(clip), rule)
            end, cut = start + how.end / RATE, how.cut
            last_word = end + rule.gap / RATE
        sounds.append(Sound(clip.kind, start, end, cut))
    reply_at = last_word
    if bed_from is not None:
        bed = config.handoff.ambience
        stop = max(wait_s + bed.fade_ms / 1000.0, last_word)
        sounds.append(Sound(Kind.AMBIENCE, bed_from, stop))
        reply_at = max(reply_at, stop + bed.gap_ms / 1000.0)
    recent = [config.costs.repeat_free_per_minute + excess] * len(sounds)
    return turn_cost(config.costs, sounds, end_s=reply_at, reply_ready_s=wait_s, recent=recent).total


def expected_cost(sheet: Sheet, wait: WaitDistribution, config: Config, excess: int = 0, since: int = 0) -> float:
    """Return the mean cost of *sheet* over the waits longer than *since* grid steps, the reply arriving in the middle
    of a step (the induction takes it as spread evenly over the step)."""
    ended = -np.diff(wait.survival(np.arange(since, 601, dtype=np.float64) * GRID_S))
    likely = np.nonzero(ended > 0.0)[0]
    total = sum(ended[i] * cost_of(sheet, float((since + i + 0.5) * GRID_S), config, excess) for i in likely)
    return float(total / ended[likely].sum())


def planned(induction: Induction, clips: Sequence[Clip], start: Start) -> Sheet:
    """Return the induction's sheet, each class replaced by its clip."""
    clip_of = {(clip.kind, steps_of(clip)): clip for clip in clips}
    return [
        (step.at, None if step.clip_class is None else clip_of[step.clip_class.kind, step.clip_class.steps])
        for step in induction.sheet(start)
    ]


# Rival sheets of the same action space -------------------------------------------------------------------------


def may_follow(kind: Kind, place: int) -> bool:
    """Return whether *kind* may come after *place* spoken fillers: a backchannel first, progress never first,
    phrases among the first three."""
    rules = {Kind.BACKCHANNEL: place == 0, Kind.PROGRESS: place >= 1, Kind.PHRASE: place <= 2}
    return rules.get(kind, True)


def random_sheet(rng: random.Random, most: int, *, start: int = 0, spoken: int = 0, beds: bool = True) -> Sheet:
    """Return any sheet that the planner might have chosen, from a gap that opens at *start*."""
    sheet: Sheet = []
    at, place = start, spoken
    while True:
        gap = rng.choice([rng.randint(0 if not spoken and not sheet else MIN_GAP, 20), rng.randint(MIN_GAP, 60)])
        if beds and rng.random() < 0.3:
            sheet.append((at + rng.choice([delay for delay in BED_DELAYS if delay <= gap]), None))
            beds = False
        if place >= most or rng.random() < 0.2:
            return sheet
        clip = rng.choice([clip for clip in CLIPS if may_follow(clip.kind, place)])
        sheet.append((at + gap, clip))
        at, place = at + gap + steps_of(clip), place + 1
        if at > 550:
            return sheet


def variations(rng: random.Random, sheet: Sheet, count: int) -> Iterator[Sheet]:
    """Yield sheets like *sheet*: cut short, a filler exchanged, or everything from one filler on put off or forward."""
    for _ in range(count if sheet else 0):
        place = rng.randrange(len(sheet))
        yield sheet[:place]
        by = rng.choice([-4, -2, -1, 1, 2, 4])
        moved = [(step + by if i >= place else step, clip) for i, (step, clip) in enumerate(sheet)]
        if all(clip is not None for _, clip in moved) and _allowed(moved):
            yield moved
        number = sum(clip is not None for _, clip in sheet[:place])
        step, old = sheet[place]
        if old is not None:
            new = rng.choice([clip for clip in CLIPS if may_follow(clip.kind, number)])
            exchanged = [*sheet[:place], (step, new), *sheet[place + 1 :]]
            if _allowed(exchanged):
                yield exchanged


def _allowed(sheet: Sheet) -> bool:
    spoken = [(step, clip) for step, clip in sheet if clip is not None]
    gaps = [b - (a + steps_of(clip)) for (a, clip), (b, _) in pairwise(spoken)]
    return (not spoken or spoken[0][0] >= 0) and all(gap >= MIN_GAP for gap in gaps) and len(spoken) == len(sheet)


@st.composite
def waits(draw: st.DrawFn) -> WaitDistribution:
    """Return a wait with one or two humps that is over within the 30 s that are planned ahead."""
    alive = log_normal(draw(st.floats(0.3, 3.5)), draw(st.floats(0.1, 0.6))).survival(EDGES)
    if draw(st.booleans()):
        second, share = log_normal(draw(st.floats(2.0, 8.0)), draw(st.floats(0.1, 0.4))), draw(st.floats(0.2, 0.9))
        alive = share * alive + (1 - share) * second.survival(EDGES)
    left = float(np.interp(29.0, EDGES, alive))
    return WaitDistribution(np.maximum(alive - left, 0.0) / (1.0 - left))


CONFIGS = st.builds(
    Config,
    costs=st.builds(
        Costs,
        ambience_credit=st.sampled_from([0.0, 0.5, 1.0]),
        phrase=st.sampled_from([0.05, 0.22]),
        silence_slope=st.sampled_from([0.8, 1.5, 3.0]),
    ),
    handoff=st.sampled_from([Handoffs(), Handoffs(phrase=Handoff(max_finish_ms=600_000))]),
)

TOLERANCE = 0.003
"""s of plain waiting. The induction takes the cost of silence as linear within a grid step (at most 0.0006 a gap)."""


def bed_tolerance(config: Config) -> float:
    """Return what the induction may be off by where there is a bed: it charges its fade even where the bed is gone
    with the last word, and not what it sounds on beneath a clip that the reply waits for."""
    costs = config.costs
    return 0.02 * (costs.silence_slope * (1.0 - costs.ambience_credit) + costs.bed_per_s) + TOLERANCE


# The best sheet ------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    wait=waits(),
    config=CONFIGS,
    most=st.sampled_from([1, 2, 5, 8]),
    excess=st.sampled_from([0, 2]),
    bed=st.booleans(),
    seed=st.integers(),
)
def test_no_other_sheet_is_better(
    wait: WaitDistribution, config: Config, most: int, excess: int, bed: bool, seed: int
) -> None:
    """Played out over all waits, the planned sheet costs no more than any of a sample of others, near ones too."""
    rng = random.Random(seed)
    classes = clip_classes(CLIPS, config)
    induction = Induction(wait, classes, config, excess=excess, most=most, last_start=600, bed=bed)
    sheet = planned(induction, CLIPS, Start(0))
    cost = expected_cost(sheet, wait, config, excess)
    tolerance = bed_tolerance(config) if bed else TOLERANCE
    assert induction.expected_cost(Start(0)) == pytest.approx(cost, abs=tolerance)
    rivals = [[], *(random_sheet(rng, most, beds=bed) for _ in range(20)), *variations(rng, sheet, 6)]
    assert cost <= min(expected_cost(rival, wait, config, excess) for rival in rivals) + tolerance


@settings(max_examples=25)
@given(wait=waits(), config=CONFIGS, seed=st.integers(), silence=st.integers(0, 30))
def test_no_other_rest_is_better(wait: WaitDistribution, config: Config, seed: int, silence: int) -> None:
    """Planned anew in the middle of a wait, after any fillers and some silence, the rest is the best one still."""
    rng = random.Random(seed)
    before = random_sheet(rng, 2)
    ends = [step + steps_of(clip) for step, clip in before if clip is not None]
    beds = [step for step, clip in before if clip is None]
    opened = max(ends, default=0)
    now = max(opened, *beds, 0) + silence
    if float(wait.survival(now * GRID_S)) < 0.02:
        return
    covered = now - max(opened, beds[0]) if beds else 0
    start = Start(
        at=now,
        spoken=len(ends),
        bed=bool(beds),
        silent_s=(now - opened - config.costs.ambience_credit * covered) * GRID_S,
        since_spoken_s=(now - opened) * GRID_S if ends else math.inf,
    )
    classes = clip_classes(CLIPS, config)
    induction = Induction(wait, classes, config, excess=0, most=5, last_start=600)
    rest = planned(induction, CLIPS, start)
    cost = expected_cost(before + rest, wait, config, since=now)
    for _ in range(20):
        rival = random_sheet(rng, 5, start=now, spoken=len(ends), beds=not beds)
        first = next((step for step, clip in rival if clip is not None), None)
        if ends and first is not None and first - opened < MIN_GAP:
            continue
        assert cost <= expected_cost(before + rival, wait, config, since=now) + bed_tolerance(config)


@settings(max_examples=50)
@given(wait=waits(), config=CONFIGS)
def test_planning_anew_changes_nothing(wait: WaitDistribution, config: Config) -> None:
    """Without news the plan made while its own cue sounds is the rest of the first plan."""
    classes = clip_classes(CLIPS, config)
    induction = Induction(wait, classes, config, excess=0, most=5, last_start=600)
    sheet = planned(induction, CLIPS, Start(0))
    spoken, bed = 0, False
    for place, (step, clip) in enumerate(sheet):
        bed = bed or clip is None
        if clip is not None:
            spoken += 1
            start = Start(step + steps_of(clip), spoken, bed, sounding=True, since_spoken_s=0.0)
            assert planned(induction, CLIPS, start) == sheet[place + 1 :]


@pytest.mark.parametrize("bed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_brute_force_agrees(seed: int, bed: bool) -> None:
    """In a small world every sheet is tried: the planned one is the cheapest."""
    rng = np.random.default_rng(seed)
    clips = (plain_clip("h", Kind.HESITATION, 150), plain_clip("p", Kind.PHRASE, 300, (200,)))[: 1 + seed % 2]
    costs = Costs(silence_free_s=0.1, silence_slope=float(rng.uniform(3, 8)), hesitation=0.02, phrase=0.03, repeat=0.01)
    config = Config(costs=costs, limits=Limits(min_gap_ms=100), handoff=Handoffs(ambience=Handoff(fade_ms=0)))
    classes = clip_classes(clips, config)
    knots = np.sort(rng.uniform(0.1, 1.0, 4))  # a wait of at most 1 s
    wait = WaitDistribution(np.interp(EDGES, [0.0, *knots], [1.0, 0.9, 0.6, 0.3, 0.0]))
    induction = Induction(wait, classes, config, excess=0, most=2, last_start=600, bed=bed)
    cheapest = min(expected_cost(sheet, wait, config) for sheet in every_sheet(clips, 20, 2, bed))
    mine = expected_cost(planned(induction, clips, Start(0)), wait, config)
    assert mine <= cheapest + 0.002
    assert induction.expected_cost(Start(0)) == pytest.approx(cheapest, abs=0.01)


def every_sheet(clips: Sequence[Clip], last: int, min_gap: int, bed: bool) -> Iterator[Sheet]:
    """Yield every sheet of up to two fillers, with a bed at every place where it may start."""
    spoken: list[Sheet] = [[]]
    for step, clip in product(range(last + 1), clips):
        spoken.append([(step, clip)])
        for second, other in product(range(step + steps_of(clip) + min_gap, last + 1), clips):
            spoken.append([(step, clip), (second, other)])
    for sheet in spoken:
        yield sheet
        opened = 0
        for place in range(len(sheet) + 1) if bed else ():
            closed = sheet[place][0] if place < len(sheet) else last
            for delay in BED_DELAYS:
                if opened + delay <= closed:
                    yield [*sheet[:place], (opened + delay, None), *sheet[place:]]
            if place < len(sheet):
                step, said = sheet[place]
                assert said is not None
                opened = step + steps_of(said)


# What is and is not played -------------------------------------------------------------------------------------


def sheet_for(wait: WaitDistribution, config: Config | None = None, clips: Sequence[Clip] = CLIPS) -> Sheet:
    config = config or Config()
    classes = clip_classes(clips, config)
    return planned(Induction(wait, classes, config, excess=0, most=5, last_start=600), clips, Start(0))


@pytest.mark.parametrize("median", [0.15, 0.3, 0.5])
def test_a_short_certain_wait_gets_nothing(median: float) -> None:
    """Where the reply is about to come, silence is best."""
    assert sheet_for(log_normal(median, 0.1)) == []


def test_a_long_certain_wait_gets_a_phrase() -> None:
    """Where the reply certainly takes 5 s, something is said, soon, and not a hesitation alone."""
    sheet = sheet_for(log_normal(5.0, 0.05), Config(costs=Costs(ambience_credit=0)))
    assert sheet
    assert sheet[0][0] * GRID_S < 1.2
    assert {Kind.PHRASE, Kind.PROGRESS} & {clip.kind for _, clip in sheet if clip is not None}


@given(wait=waits())
@settings(max_examples=30)
def test_a_bed_without_credit_never_starts(wait: WaitDistribution) -> None:
    """If a bed takes nothing away from the silence, it only costs."""
    sheet = sheet_for(wait, Config(costs=Costs(ambience_credit=0)))
    assert all(clip is not None for _, clip in sheet)


@given(wait=waits())
@settings(max_examples=30)
def test_no_bed_where_there_is_none(wait: WaitDistribution) -> None:
    """Without a looping clip no bed is planned."""
    classes = clip_classes(CLIPS, Config())
    induction = Induction(wait, classes, Config(), excess=0, most=5, last_start=600, bed=False)
    assert all(clip is not None for _, clip in planned(induction, CLIPS, Start(0)))


@pytest.mark.parametrize("median", [0.05, 0.2, 0.6])
def test_clips_longer_than_any_wait(median: float) -> None:
    """A clip that outlasts every possible wait does not upset the planner."""
    assert sheet_for(log_normal(median, 0.02), clips=(plain_clip("long", Kind.PHRASE, 5000),)) == []


@given(wait=waits(), config=CONFIGS, spoken=st.integers(0, 5), most=st.integers(0, 5), first=st.integers(0, 200))
@settings(max_examples=60)
def test_limits_of_the_induction(wait: WaitDistribution, config: Config, spoken: int, most: int, first: int) -> None:
    """Never more than allowed, never before first_start or after last_start, never closer than the minimum gap."""
    classes = clip_classes(CLIPS, config)
    last = first + 100
    induction = Induction(wait, classes, config, excess=0, most=most, last_start=last, first_start=first)
    sheet = planned(induction, CLIPS, Start(0, spoken=min(spoken, most)))
    assert sum(clip is not None for _, clip in sheet) <= most - min(spoken, most)
    assert all(first <= step <= last for step, _ in sheet)
    assert _allowed([(step, clip) for step, clip in sheet if clip is not None])


# From situation to clips ---------------------------------------------------------------------------------------

SITUATION = Situation(
    context=Context("a"),
    milestone="speech_ended",
    milestone_age_s=0.0,
    wait_age_s=0.0,
    tool_age_s=None,
    clips=(),
    override=Override(),
    spoken=0,
    spoken_left=5,
    recent=0,
    silent_s=0.0,
    sounding_s=0.0,
    since_spoken_s=math.inf,
    bed=False,
    phrases_said=0,
    progress_said=0,
    horizon_s=60.0,
    first=True,
)


@pytest.fixture(scope="module")
def slow() -> LatencyPredictor:
    """A predictor that has learned waits of 1 to 20 s."""
    predictor = LatencyPredictor(Config())
    rng = np.random.default_rng(1)
    for milestone, tool in [("speech_ended", None), ("tool_started", "t"), ("first_token", None)]:
        predictor.learn(
            Lesson(milestone, Context("a", tool), float(wait), True) for wait in rng.lognormal(1.6, 0.5, 300)
        )
    return predictor


def playable(
    bank: ClipBank, config: Config, override: Override | None = None, *, tool_runs: bool = False
) -> tuple[Clip, ...]:
    override = override if override is not None else Override()
    return playable_clips(bank.clips(24_000), config, override, language="en-US", voice=None, tool_runs=tool_runs)


def sheet_of(policy: Policy, situation: Situation, config: Config, seed: int = 0) -> list[CastCue]:
    """Return what *policy* plays: planned, then cast."""
    selector = Selector("shuffle", random.Random(seed))
    sheet = policy.plan(situation)
    return list(cast(sheet.cues, situation, selector, config, age_s=sheet.age_s))


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Return any situation, without its clips."""
    tool = draw(st.none() | st.floats(0.0, 5.0))
    spoken = draw(st.integers(0, 4))
    sounding = draw(st.sampled_from([0.0, 0.37, 1.2])) if spoken else 0.0
    since = 0.0 if sounding else draw(st.floats(0.0, 3.0)) if spoken else math.inf
    age = draw(st.floats(0.0, 5.0))
    milestone_age = draw(st.floats(0.0, 1.0).map(lambda share: share * (age if tool is None else min(age, tool))))
    return replace(
        SITUATION,
        context=Context("a", "t" if tool is not None else None),
        milestone=draw(st.sampled_from(["speech_ended", "first_token"] if tool is None else ["tool_started"])),
        milestone_age_s=tool if tool is not None else milestone_age,
        wait_age_s=age,
        tool_age_s=tool,
        override=Override(after_s=draw(st.none() | st.floats(0.1, 10.0))),
        spoken=spoken,
        spoken_left=draw(st.integers(0, 5)),
        recent=draw(st.integers(0, 9)),
        silent_s=0.0 if sounding else min(age, since),
        sounding_s=sounding,
        since_spoken_s=since,
        bed=draw(st.booleans()),
        progress_said=draw(st.integers(0, 1)) if spoken > 1 else 0,
        horizon_s=draw(st.sampled_from([0.0, 2.0, 55.0])),
        first=draw(st.booleans()),
    )


LADDER = Config(
    mode="ladder",
    ladder=(
        LadderStep(after_ms=300, kind=Kind.HESITATION),
        LadderStep(after_ms=500, kind=Kind.AMBIENCE),
        LadderStep(after_ms=900, kind=Kind.PHRASE, since="tool_started"),
        LadderStep(after_ms=1000, kind=Kind.PHRASE, repeat_ms=700),
        LadderStep(after_ms=2500, kind=Kind.PROGRESS, repeat_ms=900),
        LadderStep(after_ms=2600, kind=Kind.AMBIENCE),
    ),
)


@pytest.mark.parametrize("mode", ["predictive", "ladder"])
@given(situation=situations(), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_limits_hold(mode: str, situation: Situation, seed: int, bank: ClipBank, slow: LatencyPredictor) -> None:
    """Whatever the policy wishes for, the limits hold for what is cast."""
    config = LADDER
    clips = playable(bank, config, situation.override, tool_runs=situation.tool_age_s is not None)
    situation = replace(situation, clips=clips)
    policy: Policy = Planner(config, slow) if mode == "predictive" else Ladder(config)
    sheet = sheet_of(policy, situation, config, seed)
    spoken = [cue for cue in sheet if cue.clip.kind.spoken]
    beds = [cue for cue in sheet if cue.clip.loops]
    assert len(spoken) <= situation.spoken_left
    assert len(beds) <= (0 if situation.bed else 1)
    free_at = situation.sounding_s if situation.sounding_s else -situation.since_spoken_s
    for cue in spoken:
        assert cue.start_s >= free_at + 0.3 - 1e-9
        free_at = cue.start_s + cue.clip.duration_s
    for cue in sheet:
        assert 0.0 <= cue.start_s <= situation.horizon_s
        assert situation.tool_age_s is not None or not cue.clip.claims_work
        if situation.override.after_s is not None:
            origin = situation.wait_age_s if situation.tool_age_s is None else situation.tool_age_s
            assert cue.start_s >= situation.override.after_s - origin - 1e-9
    if mode == "predictive":  # a hand-written sheet is played as it is written
        kinds = [cue.clip.kind for cue in spoken]
        assert situation.spoken or kinds[:1] != [Kind.PROGRESS]
        said = situation.progress_said > 0
        for kind in kinds:
            assert not (said and kind is Kind.PHRASE)
            said = said or kind is Kind.PROGRESS


def test_predictive_plays_something(bank: ClipBank, slow: LatencyPredictor) -> None:
    """The limits do not hold because nothing is ever planned: a long wait gets several fillers."""
    config = Config(costs=Costs(ambience_credit=0))
    situation = replace(SITUATION, clips=playable(bank, config))
    sheet = sheet_of(Planner(config, slow), situation, config)
    assert len(sheet) >= 3
    assert all("still wait then" in cue.reason for cue in sheet)


def test_sheets_vary_their_clips(bank: ClipBank, slow: LatencyPredictor) -> None:
    """No clip is twice on a sheet while others of its kind are left."""
    config = Config(costs=Costs(ambience_credit=0, repeat=0.0), limits=Limits(per_turn=8))
    for seed in range(20):
        situation = replace(SITUATION, clips=playable(bank, config), spoken_left=8)
        ids = [cue.clip.id for cue in sheet_of(Planner(config, slow), situation, config, seed)]
        assert len(set(ids)) == len(ids)


def test_after_s_delays_the_planner(bank: ClipBank, slow: LatencyPredictor) -> None:
    """In predictive mode after_s is the earliest start, and not a moment earlier for the sake of the grid."""
    config = Config(costs=Costs(ambience_credit=0))
    clips = playable(bank, config)
    for after, age in [(2.0, 0.0), (2.0, 0.013), (2.01, 0.0), (3.3333, 0.777), (0.1, 0.5)]:
        situation = replace(
            SITUATION, clips=clips, override=Override(after_s=after), wait_age_s=age, milestone_age_s=age / 3
        )
        sheet = sheet_of(Planner(config, slow), situation, config)
        assert sheet[0].start_s >= after - age - 1e-9
        assert sheet[0].start_s <= max(after - age, 1.2) + GRID_S


def test_after_s_in_ladder_mode(bank: ClipBank) -> None:
    """In ladder mode a phrase comes exactly then, from the tool's start, and nothing earlier."""
    config = LADDER
    override = Override(after_s=2.0, phrases=("check-that",))
    situation = replace(
        SITUATION,
        clips=playable(bank, config, override, tool_runs=True),
        override=override,
        milestone="tool_started",
        tool_age_s=0.25,
        wait_age_s=0.75,
    )
    first = sheet_of(Ladder(config), situation, config)[0]
    assert first.clip.id == "check-that"
    assert first.start_s == pytest.approx(1.75)


def test_max_wait_ends_everything(bank: ClipBank, slow: LatencyPredictor) -> None:
    """After max_wait_s nothing new is planned."""
    config = Config()
    situation = replace(SITUATION, clips=playable(bank, config), wait_age_s=60.0, horizon_s=0.0, milestone_age_s=60.0)
    assert sheet_of(Planner(config, slow), situation, config) == []


# Which clips may be played -------------------------------------------------------------------------------------


def test_claims_of_work_only_while_a_tool_runs(bank: ClipBank) -> None:
    """Without a tool nothing that claims work may be played; with one everything may."""
    without, during = playable(bank, Config()), playable(bank, Config(), tool_runs=True)
    assert not any(clip.claims_work for clip in without)
    assert {clip.id for clip in during if clip.claims_work} == {c.id for c in bank.originals if c.claims_work}
    assert set(without) < set(during)


def test_silent_override_plays_nothing(bank: ClipBank, slow: LatencyPredictor) -> None:
    """silent leaves no clip, and without clips every policy plays nothing."""
    config = load_config({"tools": {"t": {"silent": True}}})
    clips = playable(bank, config, config.override(None, "t"), tool_runs=True)
    assert clips == ()
    for policy in (Planner(config, slow), Ladder(config), NoFillers()):
        assert sheet_of(policy, replace(SITUATION, clips=clips), config) == []


@pytest.mark.parametrize(
    ("config", "override", "kinds"),
    [
        ({}, {}, set(Kind) - {Kind.TONE}),
        ({"kinds": {"tone": {}, "hold": {"enabled": False}}}, {}, set(Kind) - {Kind.HOLD}),
        ({}, {"kinds": (Kind.HESITATION,)}, {Kind.HESITATION}),
        ({"kinds": {"hold": {"enabled": False}}}, {"kinds": (Kind.HOLD, Kind.TONE)}, {Kind.HOLD, Kind.TONE}),
        ({}, {"kinds": ()}, set()),
    ],
)
def test_kinds(bank: ClipBank, config: dict[str, object], override: dict[str, object], kinds: set[Kind]) -> None:
    """Enabled kinds may be played, unless the agent or tool says which."""
    clips = playable(bank, load_config(config), Override.model_validate(override), tool_runs=True)
    assert {clip.kind for clip in clips} == kinds


def test_phrases_restrict_lines_only(bank: ClipBank) -> None:
    """phrases say which phrases and progress lines may be said; hesitations and beds stay."""
    clips = playable(bank, Config(), Override(phrases=("one moment please",)))
    assert [clip.id for clip in clips if clip.kind in (Kind.PHRASE, Kind.PROGRESS)] == ["one-moment"]
    assert sum(clip.kind is Kind.HESITATION for clip in clips) == 6


def test_another_language_leaves_the_beds(bank: ClipBank, slow: LatencyPredictor) -> None:
    """Where nothing spoken fits, only beds are planned."""
    config = Config()
    clips = playable_clips(bank.clips(24_000), config, Override(), language="fr-FR", voice=None, tool_runs=True)
    sheet = sheet_of(Planner(config, slow), replace(SITUATION, clips=clips), config)
    assert [cue.clip.kind for cue in sheet] == [Kind.AMBIENCE]


# Casting -------------------------------------------------------------------------------------------------------


def wish(start_s: float, kind: Kind, phrases: tuple[str, ...] | None = None) -> PlannedCue:
    return PlannedCue(start_s, kind, phrases=phrases, swap=True)


def cast_all(bank: ClipBank, wishes: list[PlannedCue], **about: object) -> list[CastCue]:
    config = Config(limits=Limits(min_gap_ms=300))
    situation = replace(SITUATION, clips=playable(bank, config), **about)  # type: ignore[arg-type]
    return list(cast(wishes, situation, Selector("shuffle", random.Random(0)), config))


def test_cast_puts_off_what_is_due_too_early(bank: ClipBank) -> None:
    """A spoken filler waits for the end of the one before, and 300 ms more; a bed does not."""
    sheet = cast_all(
        bank, [wish(0.5, Kind.HESITATION), wish(0.6, Kind.PHRASE), wish(0.7, Kind.AMBIENCE)], sounding_s=1.0
    )
    assert [cue.start_s for cue in sheet] == pytest.approx([1.3, 1.3 + sheet[0].clip.duration_s + 0.3, 0.7])


def test_cast_drops_what_is_too_many(bank: ClipBank) -> None:
    """The limits count spoken fillers; a bed comes on top, once."""
    wishes = [wish(float(n), kind) for n, kind in enumerate([Kind.HESITATION, Kind.AMBIENCE, Kind.PHRASE, Kind.HOLD])]
    assert [cue.clip.kind for cue in cast_all(bank, wishes, spoken_left=1)] == [Kind.HESITATION, Kind.AMBIENCE]
    assert [cue.clip.kind for cue in cast_all(bank, wishes, spoken_left=0)] == [Kind.AMBIENCE]
    assert cast_all(bank, wishes, spoken_left=0, bed=True) == []


def test_cast_says_progress_instead_of_a_phrase(bank: ClipBank) -> None:
    """The first line is a phrase; after a progress line "let me check that" would be a step back."""
    wishes = [wish(0.0, Kind.PROGRESS), wish(5.0, Kind.PROGRESS), wish(9.0, Kind.PHRASE)]
    sheet = cast_all(bank, wishes)
    assert [(cue.clip.kind, cue.clip.order) for cue in sheet] == [
        (Kind.PHRASE, None),
        (Kind.PROGRESS, 1),
        (Kind.PROGRESS, 2),
    ]
    written = cast_all(bank, [replace(wish, swap=False) for wish in wishes])
    assert [cue.clip.kind for cue in written] == [wish.kind for wish in wishes]
    sheet = cast_all(bank, [wish(0.0, Kind.PHRASE)], progress_said=2)
    assert [(cue.clip.kind, cue.clip.order) for cue in sheet] == [(Kind.PROGRESS, 3)]


def test_cast_leaves_out_what_has_no_clip(bank: ClipBank) -> None:
    """A phrase that may not be said now (it claims work) is left out; what follows is not."""
    sheet = cast_all(bank, [wish(0.0, Kind.PHRASE, ("check-that",)), wish(0.2, Kind.PHRASE, ("one-moment",))])
    assert [(cue.start_s, cue.clip.id) for cue in sheet] == [(0.2, "one-moment")]


# Ladder --------------------------------------------------------------------------------------------------------


def ladder_times(situation: Situation) -> list[tuple[float, Kind]]:
    return [(round(cue.start_s, 6), cue.kind) for cue in Ladder(Config()).plan(situation).cues]


def test_ladder() -> None:
    """The steps at their times, the last one repeated until the horizon."""
    assert ladder_times(replace(SITUATION, horizon_s=18.0)) == [
        (0.7, Kind.HESITATION),
        (2.2, Kind.PHRASE),
        (5.5, Kind.PROGRESS),
        (11.5, Kind.PROGRESS),
        (17.5, Kind.PROGRESS),
    ]


@pytest.mark.parametrize(("first", "late"), [(True, [(-0.8, Kind.PHRASE)]), (False, [])])
def test_ladder_when_late(first: bool, late: list[tuple[float, Kind]]) -> None:
    """Known late, the wait's last missed step is due at once; a later plan says nothing twice."""
    situation = replace(SITUATION, wait_age_s=3.0, horizon_s=3.0, first=first)
    assert ladder_times(situation) == [*late, (2.5, Kind.PROGRESS)]


# What plans are kept -------------------------------------------------------------------------------------------


def test_plans_are_kept_and_refreshed(bank: ClipBank) -> None:
    """A plan is ready once made, stale when enough was learned since, and then made anew."""
    config = Config(costs=Costs(ambience_credit=0))
    predictor = LatencyPredictor(config)
    planner = Planner(config, predictor)
    situation = replace(SITUATION, clips=playable(bank, config))
    assert planner.ready(situation) is None
    first = planner.plan(situation)
    ready = planner.ready(situation)
    assert ready is not None
    assert ready == first
    predictor.learn(Lesson("speech_ended", Context("a"), 0.3, True) for _ in range(100))
    ready = planner.ready(situation)
    assert ready is not None
    assert ready == replace(first, stale=True)
    second = planner.plan(situation)
    assert second.cues != first.cues
    ready = planner.ready(situation)
    assert ready is not None
    assert ready == second

"""The listening test: pairs that do not tell which is which, equally loud, and an exact score."""

import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]
from stopgap.benchmarks import TraceTurn, benchmark_config, read_trace
from stopgap.benchmarks.listening._binomial import even_odds_p, share_interval
from stopgap.benchmarks.listening._listening import LONGEST_S, listening_pairs
from stopgap.benchmarks.listening._loudness import PEAK_DBFS, TARGET_DBFS, loudness, matched
from stopgap.benchmarks.listening._page import page
from stopgap.benchmarks.listening._set import Side, write_set
from stopgap.benchmarks.replays import LearnedTrace
from stopgap.fillers import OutputError, Samples, TraceError, UsageError

HEADER = "turn_id,conversation_id,started_at,agent,tool,tool_started_ms,tool_ended_ms,reply_ready_ms,cancelled_ms\n"
RATE = 24_000


Run = Callable[..., Any]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Eight answered turns of 1.2 to 4 s by two agents, one with a tool, one that was cancelled, one of a minute."""
    rows = [f"t{n},c{n % 2},{20 * n},agent-{n % 2},,,,{1200 + 400 * n},\n" for n in range(8)]
    rows += [
        "t8,c1,200,agent-0,look,500,3000,3900,\n",
        "t9,c0,220,agent-0,,,,,2500\n",
        "t10,c0,240,agent-0,,,,60000,\n",
    ]
    path = tmp_path / "trace.csv"
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def made(run: Run, trace: Path, tmp_path: Path) -> Path:
    """The folder of a set of four pairs: A plays nothing, B is the ladder."""
    ended = run(
        "tune", "listen", "make", trace, "--a", "none", "--b", "ladder", "--out", "set", "--turns", 4, "--seed", 5
    )
    assert (ended.code, ended.err) == (0, "")
    return tmp_path / "set"


def one_line(ended: Any) -> str:
    """Return the one line on stderr of a run that refused its input; nothing else was said."""
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("stopgap: ")
    assert ended.err.count("\n") == 1
    return str(ended.err)


def key_of(folder: Path) -> dict[str, Any]:
    key: dict[str, Any] = json.loads((folder / "key.json").read_text(encoding="utf-8"))
    return key


def answer(folder: Path, listener: str, choices: str, file: str | None = None, **over: Any) -> Path:
    """Write answers: a letter a pair, a or b (preferred), = (no difference) or . (not answered)."""
    items = []
    for turn, letter in zip(key_of(folder)["turns"], choices, strict=True):
        other = "2" if turn["a_is"] == "1" else "1"
        choice = {"a": turn["a_is"], "b": other, "=": "same"}.get(letter)
        if choice is not None:
            items.append({"pair": turn["pair"], "choice": choice, "comment": ""})
    data = {"format": 1, "set": key_of(folder)["set"], "listener": listener, "answers": items, **over}
    path = folder / (file or f"answers-{listener}.json")
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


# -- loudness


def test_a_pause_does_not_count_as_quiet() -> None:
    """Loudness is that of what sounds: half a second of silence between two tones changes nothing."""
    tone = (0.1 * np.sin(0.1 * np.arange(RATE))).astype(np.float32)
    gap = np.zeros(RATE // 2, np.float32)
    assert loudness(tone, RATE) == pytest.approx(20 * math.log10(0.1 / math.sqrt(2)), abs=0.01)
    assert loudness(np.concatenate([tone, gap, tone]), RATE) == pytest.approx(loudness(tone, RATE), abs=1e-6)
    assert loudness(gap, RATE) == loudness(gap[:0], RATE) == -300.0


@given(
    st.lists(
        st.lists(st.tuples(st.floats(-75, -3), st.integers(1, 30)), min_size=1, max_size=6), min_size=1, max_size=4
    ),
    st.integers(0, 2**32 - 1),
)
def test_recordings_become_equally_loud_without_clipping(parts: list[list[tuple[float, int]]], seed: int) -> None:
    """Whatever quiet and loud stretches recordings are made of, they become equal, with peaks of at most -1 dBFS."""
    rng = np.random.default_rng(seed)
    block = round(0.05 * RATE)
    recordings = [
        np.concatenate([10 ** (db / 20) * rng.uniform(-1, 1, block * blocks) for db, blocks in recording])
        for recording in parts
    ]
    level = matched([samples.astype(np.float32) for samples in recordings], RATE)
    found = [loudness(samples, RATE) for samples in level]
    assert max(found) - min(found) < 1e-3
    assert max(found) <= TARGET_DBFS + 1e-3
    assert all(np.abs(samples).max() <= 10 ** (PEAK_DBFS / 20) + 1e-6 for samples in level)


@given(st.floats(-40.0, 20.0))
def test_a_gain_changes_loudness_by_itself(gain_db: float) -> None:
    """Twice as much signal is 6 dB more, whatever is quiet in it: what counts does not depend on the level."""
    rng = np.random.default_rng(1)
    samples = np.concatenate([level * rng.uniform(-1, 1, RATE) for level in (0.1, 0.02, 0.0005)]).astype(np.float32)
    louder = (samples * 10 ** (gain_db / 20)).astype(np.float32)
    assert loudness(louder, RATE) == pytest.approx(loudness(samples, RATE) + gain_db, abs=1e-3)


def test_a_quiet_bed_does_not_make_a_recording_quiet() -> None:
    """Typing 20 dB below the voice leaves the loudness to the voice."""
    rng = np.random.default_rng(2)
    voice, bed = 0.1 * rng.uniform(-1, 1, RATE), 0.01 * rng.uniform(-1, 1, 3 * RATE)
    alone = loudness(voice.astype(np.float32), RATE)
    assert loudness(np.concatenate([voice, bed]).astype(np.float32), RATE) == pytest.approx(alone, abs=0.01)


def test_silence_is_left_alone() -> None:
    """A recording in which nothing sounds stays silent, and does not change the others."""
    tone = (0.5 * np.sin(0.1 * np.arange(RATE))).astype(np.float32)
    silent, scaled = matched([np.zeros(100, np.float32), tone], RATE)
    assert not silent.any()
    assert loudness(scaled, RATE) == pytest.approx(TARGET_DBFS, abs=0.01)
    assert matched([], RATE) == []


def test_peaks_lower_the_whole_set() -> None:
    """One recording with high peaks makes all of them softer, so that they stay equal."""
    clicks = np.zeros(RATE, np.float32)
    clicks[::1200] = 0.5
    tone = (0.1 * np.sin(0.1 * np.arange(RATE))).astype(np.float32)
    level = matched([clicks, tone], RATE)
    assert np.abs(level[0]).max() <= 10 ** (PEAK_DBFS / 20)
    assert loudness(level[0], RATE) == pytest.approx(loudness(level[1], RATE), abs=0.01)
    assert loudness(level[1], RATE) < TARGET_DBFS - 1.0


# -- the set


def read(file: Path) -> Samples:
    samples, rate = soundfile.read(file, dtype="float32")
    assert rate == RATE
    return np.asarray(samples, np.float32)


def test_all_files_of_a_set_are_equally_loud(made: Path) -> None:
    """Measured on what was written: within 0.1 dB, no peak above -1 dBFS, PCM16."""
    files = sorted(made.glob("*.wav"))
    levels = [loudness(read(file), RATE) for file in files]
    assert max(levels) - min(levels) < 0.1
    assert max(np.abs(read(file)).max() for file in files) <= 10 ** (PEAK_DBFS / 20) + 1e-4
    assert {soundfile.info(file).subtype for file in files} == {"PCM_16"}


def test_nothing_but_the_sound_tells_which_is_which(made: Path) -> None:
    """Names, sizes and headers of a pair are alike, its sounds are not; the page does not know the key."""
    names = {file.name for file in made.iterdir()}
    assert names == {"index.html", "key.json", *(f"turn-0{n}-{place}.wav" for n in range(1, 5) for place in (1, 2))}
    for number in range(1, 5):
        first, second = ((made / f"turn-0{number}-{place}.wav").read_bytes() for place in (1, 2))
        assert first != second
        assert len(first) == len(second)
        assert first[:44] == second[:44]
    text = (made / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"a_is|ladder|toml|trace\.csv|t[0-8]\b", text)
    assert key_of(made)["set"] in text


def test_the_key_says_what_was_compared(made: Path, trace: Path) -> None:
    """A plays nothing: in the recording that the key calls A, nothing sounds between the question and the answer."""
    key = key_of(made)
    assert (key["trace"], key["seed"], key["a"]["name"], key["b"]["name"]) == (str(trace), 5, "none", "ladder")
    assert 'mode = "none"' in key["a"]["toml"]
    assert 'mode = "ladder"' in key["b"]["toml"]
    for turn in key["turns"]:
        other = "2" if turn["a_is"] == "1" else "1"
        waits = [
            read(made / f"{turn['pair']}-{place}.wav")[round(1.55 * RATE) : round(2.6 * RATE)]
            for place in (turn["a_is"], other)
        ]
        assert not waits[0].any()
        assert waits[1].any()


def test_the_same_seed_gives_the_same_set(run: Run, trace: Path, made: Path, tmp_path: Path) -> None:
    """A seed repeats turns, clips and orders to the byte; another one draws anew."""
    for name, seed in (("again", 5), ("other", 6)):
        options = ("--a", "none", "--b", "ladder", "--turns", 4, "--seed", seed)
        assert run("tune", "listen", "make", trace, *options, "--out", name).code == 0
    assert key_of(tmp_path / "again") == key_of(made)
    for file in made.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
    assert key_of(tmp_path / "other")["set"] != key_of(made)["set"]


def test_orders_are_random() -> None:
    """Over seeds, A comes first about as often as second, and turns of every length change places."""
    turns = [TraceTurn(f"t{n}", f"c{n}", 30.0 * n, "a", 1000.0 + 300.0 * n, None) for n in range(6)]
    none, ladder = benchmark_config("none"), benchmark_config("ladder")
    sets = [listening_pairs(turns, none, ladder, count=6, seed=seed) for seed in range(8)]
    first = [pair.first_is_a for pairs in sets for pair in pairs]
    assert 12 <= sum(first) <= 36  # 48 fair coins: outside once in 3,000 times; the seeds are fixed
    assert len({tuple(pair.turn.turn_id for pair in pairs) for pairs in sets}) > 1
    assert len({tuple(pair.first_is_a for pair in pairs) for pairs in sets}) > 1


def test_turns_are_spread() -> None:
    """Twelve turns of the bundled trace: short, middle and long waits alike, every agent, with tools and without."""
    turns = read_trace("voice_mixed_dev")
    answered = sorted(
        turn.end_ms for turn in turns if turn.reply_ready_ms is not None and turn.end_ms < 1000 * LONGEST_S
    )
    low, high = answered[len(answered) // 3], answered[2 * len(answered) // 3]
    pairs = listening_pairs(turns, benchmark_config("ladder"), benchmark_config("predictive"), count=12, seed=3)
    waits = [pair.turn.end_ms for pair in pairs]
    assert 3 <= sum(wait < low for wait in waits) <= 5
    assert 3 <= sum(wait > high for wait in waits) <= 5
    assert {pair.turn.agent for pair in pairs} == {turn.agent for turn in turns}
    assert 1 <= sum(bool(pair.turn.news) for pair in pairs) <= 11
    assert len({pair.turn.turn_id for pair in pairs}) == 12


def test_only_what_had_ended_is_known() -> None:
    """The predictor at a turn's start knows the turns that had ended, in order, and none that was still open."""
    turns = [TraceTurn("slow", "c", 0.0, "a", 30_000.0, None), TraceTurn("quick", "d", 1.0, "a", 1000.0, None)]
    learned = LearnedTrace(turns, benchmark_config())
    assert [learned.at(now).learned for now in (0.0, 1.999, 2.0, 29.0, 30.0)] == [0, 0, 1, 1, 2]


def test_turns_that_sound_alike_are_left_out() -> None:
    """Two ladders that differ after 2 s differ only in turns that wait so long."""
    turns = [TraceTurn(f"t{n}", f"c{n}", 30.0 * n, "a", 600.0 + 400.0 * n, None) for n in range(8)]
    step = {"after_ms": 300, "kind": "hesitation"}
    short = benchmark_config("ladder", {"ladder": [step]})
    long = benchmark_config("ladder", {"ladder": [step, {"after_ms": 2000, "kind": "phrase"}]})
    pairs = listening_pairs(turns, short, long, count=4, seed=1)
    assert {pair.turn.turn_id for pair in pairs} == {"t4", "t5", "t6", "t7"}
    with pytest.raises(
        UsageError, match="only 4 of 8 turns sound different under A and B, 5 are wanted; ask for at most 4"
    ):
        listening_pairs(turns, short, long, count=5, seed=1)
    with pytest.raises(TraceError, match="holds 8 answered turns"):
        listening_pairs(turns, short, long, count=9, seed=1)


def test_a_full_disk_is_no_traceback(tmp_path: Path) -> None:
    """A recording that cannot be written is an error of the outside world, with the file's name."""
    turns = [TraceTurn("t", "c", 0.0, "a", 2000.0, None)]
    pairs = listening_pairs(turns, benchmark_config("none"), benchmark_config("ladder"), count=1, seed=1)
    side = Side("none", "")
    with pytest.raises(OutputError, match=r"turn-01-1\.wav could not be written"):
        write_set(tmp_path / "gone", pairs, trace="t", seed=1, a=side, b=side)


# -- what cannot be made


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--a", "none", "--b", "none"), "are the same"),
        (("--a", "ladder", "--b", "other-seed.toml"), "are the same"),
        (("--a", "none", "--b", "missing.toml"), "missing.toml does not exist"),
        (("--a", "none", "--b", "ladder", "--turns", 50), "holds 9 answered turns of at most 30 s, 50 are wanted"),
        (("--a", "ladder", "--b", "late.toml", "--turns", 3), "only 0 of 9 turns sound different"),
        (("--a", "none", "--b", "ladder", "--out", "full"), "full exists and is not empty"),
        (("--a", "none", "--b", "ladder", "--out", "full", "--force"), "full holds other files"),
        (("--a", "none", "--b", "ladder", "--out", "trace.csv"), "trace.csv is a file"),
        (("--a", "none", "--b", "ladder", "--out", "no/where"), "there is no folder"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_sentence(
    run: Run, trace: Path, tmp_path: Path, options: tuple[object, ...], says: str
) -> None:
    """Exit code 2, one sentence, and nothing is left behind."""
    (tmp_path / "other-seed.toml").write_text('mode = "ladder"\nseed = 77\n', encoding="utf-8")
    steps = '{ after_ms = 700, kind = "hesitation" }, { after_ms = 2200, kind = "phrase" }, ' \
        '{ after_ms = 5500, kind = "progress", repeat_ms = 7000 }'  # fmt: skip
    (tmp_path / "late.toml").write_text(f'mode = "ladder"\nladder = [{steps}]\n', encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    out = () if "--out" in options else ("--out", "set")
    assert says in one_line(run("tune", "listen", "make", trace, *options, *out))
    assert sorted(tmp_path.rglob("*")) == before


def test_an_earlier_set_is_replaced_only_when_told(run: Run, trace: Path, made: Path) -> None:
    """Without --force a set stays as it is; with it, the new one takes its place."""
    options = (
        "tune",
        "listen",
        "make",
        trace,
        "--a",
        "none",
        "--b",
        "ladder",
        "--out",
        "set",
        "--turns",
        2,
        "--seed",
        6,
    )
    before = key_of(made)
    assert "--force replaces it" in one_line(run(*options))
    assert key_of(made) == before
    assert run(*options, "--force").code == 0
    assert key_of(made)["seed"] == 6
    assert len(list(made.glob("*.wav"))) == 4
    assert not list(made.parent.glob(".set*"))


# -- exact arithmetic


@given(
    st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95, 0.99])
)
def test_interval_and_p_value_are_exact(counts: tuple[int, int], level: float) -> None:
    """Whatever was counted, scipy says the same."""
    successes, trials = counts
    low, high = share_interval(successes, trials, level)
    if not trials:
        assert (low, high, even_odds_p(0, 0)) == (0.0, 1.0, 1.0)
        return
    oracle = binomtest(successes, trials)
    expected = oracle.proportion_ci(level, method="exact")
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)
    assert even_odds_p(successes, trials) == pytest.approx(oracle.pvalue, rel=1e-9)


# -- scores


def test_answers_are_scored(run: Run, made: Path) -> None:
    """Counts per listener and in all, the share of A among decided answers with its interval, and what that means."""
    answer(made, "Ada", "aaa=")
    answer(made, "Bob", "ab..")
    ended = run("tune", "listen", "score", made, "--json")
    assert ended.code == 0
    data = json.loads(ended.out)
    assert data["listeners"] == [
        {"listener": "Ada", "a": 3, "b": 0, "same": 1, "unanswered": 0},
        {"listener": "Bob", "a": 1, "b": 1, "same": 0, "unanswered": 2},
    ]
    low, high = binomtest(4, 5).proportion_ci(method="exact")
    total = data["all"]
    assert (total["a"], total["b"], total["same"], total["unanswered"], total["decided"]) == (4, 1, 1, 2, 5)
    assert (total["share_a"], total["low"], total["high"]) == pytest.approx((0.8, low, high))
    assert total["p_value"] == pytest.approx(0.375)
    text = run("tune", "listen", "score", made).out
    assert "A: none\nB: ladder\n" in text
    assert re.search(r"Ada +3 +0 +1 +0 *\n", text)
    assert re.search(r"all +4 +1 +1 +2 *\n", text)
    assert "neither may be called better; nor is it shown that both are equally good" in " ".join(text.split())
    assert "not independent: with 2 listeners" in text
    assert "5 decided answers are few" in text


def test_what_one_listener_prefers_is_not_what_people_do(run: Run, made: Path) -> None:
    """A single listener is named as such; files may be given one by one."""
    path = answer(made, "Ada", "bbb.", file="elsewhere.json")
    text = run("tune", "listen", "score", made, path).out
    assert "All answers are one listener's: they tell what Ada prefers" in text


def test_a_clear_preference_is_called_one(run: Run, made: Path) -> None:
    """Sixteen times B of sixteen."""
    for name in ("Ada", "Bob", "Cyd", "Dee"):
        answer(made, name, "bbbb")
    text = run("tune", "listen", "score", made).out
    assert (
        "0 of 16 decided answers (0%, 95 % interval 0% to 21%, exact p = 3.1e-05): B was preferred more often" in text
    )


def test_no_decision_allows_no_conclusion(run: Run, made: Path) -> None:
    """Ties are reported and split between nobody."""
    answer(made, "Ada", "===.")
    ended = run("tune", "listen", "score", made, "--json")
    data = json.loads(ended.out)
    assert data["all"]["share_a"] is None
    assert (data["all"]["low"], data["all"]["high"], data["all"]["p_value"]) == (0.0, 1.0, 1.0)
    assert data["sentences"][0].startswith("No answer prefers one of both")


def no_answers(folder: Path) -> None:
    pass


def no_key(folder: Path) -> None:
    answer(folder, "Ada", "aaaa")
    (folder / "key.json").unlink()


def bad_key(folder: Path) -> None:
    (folder / "key.json").write_text('{"format": 1, "turns": 3}', encoding="utf-8")


def not_json(folder: Path) -> None:
    (folder / "answers-x.json").write_text("{", encoding="utf-8")


def not_utf8(folder: Path) -> None:
    (folder / "answers-x.json").write_bytes(b"\xff\xfe{}")


def a_list(folder: Path) -> None:
    (folder / "answers-x.json").write_text("[]", encoding="utf-8")


def something_else(folder: Path) -> None:
    (folder / "answers-x.json").write_text('{"a": 1}', encoding="utf-8")


def other_set(folder: Path) -> None:
    answer(folder, "Ada", "aaaa", set="0" * 64)


def nobody(folder: Path) -> None:
    answer(folder, " \x1b", "aaaa", file="answers-x.json")


def unknown_pair(folder: Path) -> None:
    answer(folder, "Ada", "....", answers=[{"pair": "turn-77", "choice": "1"}])


def unknown_choice(folder: Path) -> None:
    answer(folder, "Ada", "....", answers=[{"pair": "turn-01", "choice": ["1"]}])


def twice(folder: Path) -> None:
    answer(folder, "Ada", "....", answers=[{"pair": "turn-01", "choice": "1"}] * 2)


def same_listener(folder: Path) -> None:
    answer(folder, "Ada", "aaaa")
    answer(folder, "ada ", "bbbb", file="answers-ada (1).json")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (no_answers, "there are no answers"),
        (no_key, "key.json does not exist"),
        (bad_key, "key.json is no key of a listening set"),
        (not_json, "answers-x.json is not valid JSON"),
        (not_utf8, "answers-x.json is not valid JSON"),
        (a_list, "answers-x.json holds no JSON object"),
        (something_else, "answers-x.json holds no answers of a listening test"),
        (other_set, "answers-Ada.json answers another set than this folder's"),
        (nobody, "answers-x.json names no listener"),
        (unknown_pair, "answers[0] must hold a pair of the set and a choice of 1, 2, same"),
        (unknown_choice, "answers[0] must hold a pair of the set and a choice of 1, 2, same"),
        (twice, "turn-01 is answered twice"),
        (same_listener, "are both answers of"),
    ],
)
def test_what_cannot_be_scored_is_said_in_one_sentence(
    run: Run, made: Path, spoil: Callable[[Path], None], says: str
) -> None:
    """Exit code 2 and one sentence with a remedy."""
    spoil(made)
    assert says in one_line(run("tune", "listen", "score", made))


def test_missing_answers_are_named(run: Run, made: Path) -> None:
    """A file that is given but not there is an error of its own."""
    assert "nobody.json cannot be read (No such file" in one_line(run("tune", "listen", "score", made, "nobody.json"))


# -- the answer sheet


def test_the_page_escapes_what_it_shows() -> None:
    """No name can end the script or a tag."""
    text = page("</script><b>", ['turn"<i>'])
    assert "</script><b>" not in text
    assert 'turn"<i>' not in text
    assert text.count("</script>") == 2


def test_the_page_asks_for_nothing_outside() -> None:
    """No address, no other file than the recordings, and the browser is told to refuse the rest."""
    text = page("0" * 64, ["turn-01"])
    assert not re.search(r"https?:|//[a-z]|\bsrc=|\bhref=|@import|url\(", text)
    assert "default-src 'none'" in text


@pytest.fixture
def chromium() -> str:
    """The path of a Chromium; skips without one, unless STOPGAP_REQUIRE_BROWSER=1 forbids that."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path is not None:
            return path
    if REQUIRED:
        pytest.fail("no Chromium is installed")
    pytest.skip("no Chromium is installed")


REQUIRED = os.environ.get("STOPGAP_REQUIRE_BROWSER") == "1"
"""Read on import: the tests' environment is cleaned of what is stopgap's."""


@pytest.fixture
def sheet(chromium: str, made: Path) -> Iterator[Any]:
    """The answer sheet of the set, open in a phone-sized window."""
    sync_api = pytest.importorskip("playwright.sync_api")
    quiet = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*quiet, "--disable-component-update", "--disable-sync"]
        )
        tab = browser.new_page(viewport={"width": 360, "height": 740})
        tab.goto((made / "index.html").as_uri())
        yield tab
        browser.close()


def test_a_listener_answers_by_keyboard(run: Run, made: Path, sheet: Any) -> None:
    """Play both, choose, comment, reload, save: the downloaded answers are what was chosen, and can be scored."""
    trouble: list[str] = []
    requests: list[str] = []
    sheet.on("pageerror", lambda error: trouble.append(str(error)))
    sheet.on("console", lambda message: trouble.append(message.text))
    sheet.on("request", lambda request: requests.append(request.url))
    first = sheet.locator("#turn-01")
    choice = first.get_by_role("radio", name="2", exact=True)
    assert choice.is_disabled()
    first.get_by_role("button", name="Play 1").press("Enter")
    first.get_by_text("Now listen to 2.").wait_for()
    first.get_by_role("button", name="Play 2").press("Enter")
    first.get_by_text("Now listen to").wait_for(state="detached")
    choice.press("Space")
    first.get_by_label("Comment").fill('<b>"nice"</b>')
    sheet.get_by_text("1 of 4 answered").wait_for()
    sheet.get_by_role("button", name="Save answers").press("Enter")
    assert "Write your name first" in sheet.get_by_role("alert").inner_text()
    sheet.get_by_label("Your name").fill("Zoë O'Neil")
    sheet.reload()
    sheet.get_by_text("1 of 4 answered").wait_for()
    assert choice.is_checked()
    with sheet.expect_download() as download:
        sheet.get_by_role("button", name="Save answers").press("Enter")
    assert download.value.suggested_filename == "answers-Zoë-O-Neil.json"
    saved = made / download.value.suggested_filename
    download.value.save_as(saved)
    assert json.loads(saved.read_text(encoding="utf-8")) == {
        "format": 1,
        "set": key_of(made)["set"],
        "listener": "Zoë O'Neil",
        "answers": [{"pair": "turn-01", "choice": "2", "comment": '<b>"nice"</b>'}],
    }
    preferred = "a" if key_of(made)["turns"][0]["a_is"] == "2" else "b"
    assert json.loads(run("tune", "listen", "score", made, "--json").out)["all"][preferred] == 1
    assert sheet.evaluate("document.documentElement.scrollWidth") <= 360
    assert {url.split(":")[0] for url in requests} <= {"file", "blob"}
    assert trouble == []


def test_the_next_listener_begins_anew(sheet: Any) -> None:
    """The button that clears everything asks first; a missing recording is said on the page."""
    sheet.get_by_label("Your name").fill("Ada")
    sheet.once("dialog", lambda dialog: dialog.dismiss())
    sheet.get_by_role("button", name="Clear all answers").click()
    assert sheet.get_by_label("Your name").input_value() == "Ada"
    sheet.once("dialog", lambda dialog: dialog.accept())
    sheet.get_by_role("button", name="Clear all answers").click()
    assert sheet.get_by_label("Your name").input_value() == ""


def test_a_recording_that_is_gone_is_named(made: Path, sheet: Any) -> None:
    """A page that was moved away from its recordings says so."""
    (made / "turn-02-1.wav").unlink()
    sheet.locator("#turn-02").get_by_role("button", name="Play 1").click()
    sheet.get_by_text("turn-02-1.wav cannot be played").wait_for()
    assert sheet.locator("#turn-02").get_by_role("radio").first.is_disabled()

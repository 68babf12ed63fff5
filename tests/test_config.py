"""The configuration: what is refused, in which words, and what stays as it was."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from stopgap.engine import FillerManager, VirtualClock
from stopgap.fillers import (
    ClipBank,
    Config,
    ConfigError,
    Handoff,
    Kind,
    LadderStep,
    Override,
    load_config,
    overlaid,
)

KINDS = "'backchannel', 'hesitation', 'phrase', 'progress', 'ambience', 'tone' or 'hold'"
KIND_KEYS = "known keys here: ambience, backchannel, hesitation, hold, phrase, progress, tone"


def complaint(toml: str) -> str:
    """Return what `load_config` says about *toml*, without the place where it was read."""
    with pytest.raises(ConfigError) as caught:
        load_config(tomllib.loads(toml))
    return str(caught.value).removeprefix("configuration: ")


# Messages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        # unknown keys, with what was meant
        ('mod = "ladder"', "mod is not a known key; did you mean mode?"),
        ("[limits]\nper_turns = 2", "limits.per_turns is not a known key; did you mean per_turn?"),
        ("[handoff.phrase]\nfade = 3", "handoff.phrase.fade is not a known key; did you mean fade_ms?"),
        ("[tools.lookup]\nexpected = 3", "tools.lookup.expected is not a known key; did you mean expected_ms?"),
        ("[kinds.ambience]\ngain = 4", "kinds.ambience.gain is not a known key; did you mean gain_db?"),
        ("[kinds.progres]\ngain_db = 4", "kinds.progres is not a known key; did you mean progress?"),
        ("[kinds.typing]\nenabled = false", f"kinds.typing is not a known key; {KIND_KEYS}"),
        ("[handoff.typing]\nfade_ms = 3", f"handoff.typing is not a known key; {KIND_KEYS}"),
        # a mistyped key explains why another one is missing, so it is told first
        (
            "[[ladder]]\nafter = 3\nkind = 'hold'",
            "ladder[0].after is not a known key; did you mean after_ms? (and 1 more problem)",
        ),
        ("[[ladder]]\nkind = 'phrase'", "ladder[0].after_ms is missing; write it"),
        # wrong types: nothing is converted
        ("packs = 'en-us'", "packs = 'en-us' is not possible; write a list ([...])"),
        ("packs = ['en-us', 1]", 'packs[1] = 1 is not possible; write a text in quotes ("...")'),
        ("handoff = 3", "handoff = 3 is not possible; write a table of keys"),
        ("[kinds]\nambience = false", "kinds.ambience = false is not possible; write a table of keys"),
        ("ladder = 3", "ladder = 3 is not possible; write a list ([...])"),
        ("seed = 1.5", "seed = 1.5 is not possible; write a whole number"),
        ("seed = true", "seed = true is not possible; write a whole number"),
        ("[limits]\nmax_wait_s = '10'", "limits.max_wait_s = '10' is not possible; write a number"),
        ("[limits]\nmax_wait_s = true", "limits.max_wait_s = true is not possible; write a number"),
        ("[tools.x]\nsilent = 'yes'", "tools.x.silent = 'yes' is not possible; write true or false"),
        ("[tools.x]\nsilent = 1", "tools.x.silent = 1 is not possible; write true or false"),
        ("[tools.x]\nphrases = 'hm'", "tools.x.phrases = 'hm' is not possible; write a list ([...])"),
        ("[tools.x]\nphrases = ['']", "tools.x.phrases[0] = '' is not possible; write at least 1 character"),
        # alternatives are one sentence
        (
            "[limits]\nper_turn = 'many'",
            "limits.per_turn = 'many' is not possible; write a whole number or 'unlimited'",
        ),
        ("[limits]\nper_turn = '3'", "limits.per_turn = '3' is not possible; write a whole number or 'unlimited'"),
        ("[limits]\nper_turn = 2.5", "limits.per_turn = 2.5 is not possible; write a whole number or 'unlimited'"),
        (
            "[output]\ndevice = 1.5",
            'output.device = 1.5 is not possible; write a text in quotes ("...") or a whole number',
        ),
        ("mode = 'fast'", "mode = 'fast' is not possible; write 'predictive', 'ladder' or 'none'"),
        ("tentative_kinds = ['um']", f"tentative_kinds[0] = 'um' is not possible; write {KINDS}"),
        ("[tools.x]\nkinds = ['phrase', 'um']", f"tools.x.kinds[1] = 'um' is not possible; write {KINDS}"),
        # ranges
        ("[limits]\nper_turn = -1", "limits.per_turn = -1 is not possible; write a number not below 0 or 'unlimited'"),
        ("[limits]\nmax_wait_s = 0", "limits.max_wait_s = 0 is not possible; write a number above 0"),
        ("[output]\nrate = 44", "output.rate = 44 is not possible; write a number not below 8000"),
        ("[handoff.phrase]\nfade_ms = -3", "handoff.phrase.fade_ms = -3 is not possible; write a number not below 0"),
        ("[costs]\nambience_credit = 1.5", "costs.ambience_credit = 1.5 is not possible; write a number not above 1"),
        ("[limits]\nmax_wait_s = nan", "limits.max_wait_s = nan is not possible; write a finite number"),
        ("[costs]\nrepeat = inf", "costs.repeat = inf is not possible; write a finite number"),
        # rules between keys
        (
            "[[ladder]]\nafter_ms = 3\nkind = 'ambience'\nrepeat_ms = 1000",
            "ladder[0].repeat_ms: ambience loops by itself; leave repeat_ms out",
        ),
    ],
)
def test_message(toml: str, message: str) -> None:
    """A complaint is one sentence: what is wrong, where, and what to write instead."""
    assert complaint(toml) == message


def test_message_counts_further_problems() -> None:
    """One problem is told, the others are counted."""
    text = complaint("[costs]\nphrase = -1\nbed = -1\nrepeat = -1")
    assert text.startswith("costs.")
    assert text.endswith(" = -1 is not possible; write a number not below 0 (and 2 more problems)")


def test_message_shortens_what_was_written() -> None:
    """A long wrong value does not fill the screen."""
    text = complaint(f"seed = '{'x' * 5000}'")
    assert text.endswith("xxx... is not possible; write a whole number")
    assert len(text) < 150


def test_message_is_one_line_and_names_the_file(tmp_path: Path) -> None:
    """The file's path comes first."""
    file = tmp_path / "stopgap.toml"
    file.write_text("[limits]\nper_turn = -1\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(caught.value).startswith(f"{file}: limits.per_turn = -1")
    assert "\n" not in str(caught.value)


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    data=st.dictionaries(st.sampled_from([*Config.model_fields, "x"]), JUNK, max_size=3),
    deep=st.tuples(st.sampled_from(["limits", "handoff", "kinds", "tools", "output"]), st.text(max_size=8), JUNK),
)
def test_junk_gives_a_configuration_or_one_sentence(data: dict[str, Any], deep: tuple[str, str, Any]) -> None:
    """Whatever is written, the answer is a configuration or a `ConfigError`, never another exception."""
    section, key, value = deep
    text = "configuration: "
    try:
        load_config({section: {key: value}, **data})
    except ConfigError as exc:
        text = str(exc)
    assert text.startswith("configuration: ")
    assert "constrained" not in text
    assert "[key]" not in text


# Files ---------------------------------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ConfigError, match=r"nope\.toml does not exist; give the path of a configuration file"):
        load_config(tmp_path / "nope.toml")


def test_folder_instead_of_file(tmp_path: Path) -> None:
    """A folder is refused like any file that cannot be read."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_bad_toml(tmp_path: Path) -> None:
    """A syntax error gives its line."""
    file = tmp_path / "bad.toml"
    file.write_text("mode = 'ladder'\nlimits = [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.toml is not valid TOML: .*(line 2|end of document)"):
        load_config(file)


def test_not_utf8(tmp_path: Path) -> None:
    """Another encoding is named as such."""
    file = tmp_path / "latin.toml"
    file.write_bytes("voice = 'José'".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml is not UTF-8 text; save it as UTF-8"):
        load_config(file)


def test_byte_order_mark(tmp_path: Path) -> None:
    """Some editors put one before the text."""
    path = tmp_path / "marked.toml"
    path.write_bytes(b'\xef\xbb\xbflanguage = "es"\r\n')
    assert load_config(path).language == "es"


def test_too_large(tmp_path: Path) -> None:
    """Something that cannot be a configuration is not read at all."""
    file = tmp_path / "large.toml"
    file.write_bytes(b"#" * ((4 << 20) + 1))
    with pytest.raises(ConfigError, match="larger than 4 MiB"):
        load_config(file)


def test_packs_beside_the_file(tmp_path: Path) -> None:
    """A pack's folder may be written relative to the configuration file; a bundled name stays a name."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pack.toml").write_text("", encoding="utf-8")
    file = tmp_path / "stopgap.toml"
    file.write_text('packs = ["mine", "en-us"]', encoding="utf-8")
    assert load_config(file).packs == (str(tmp_path / "mine"), "en-us")


# Values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [None, {}, Config()])
def test_defaults(source: Any) -> None:
    """Saying nothing, in any way, gives the defaults."""
    assert load_config(source) == Config()


@pytest.mark.parametrize("value", [10, 10.0, 0.001])
def test_after_s_within_bounds(value: float) -> None:
    """after_s is above 0 and at most 10 s."""
    assert load_config({"tools": {"x": {"after_s": value}}}).tools["x"].after_s == value


@pytest.mark.parametrize("value", [0, -1, 10.01, float("nan"), "1", True])
def test_after_s_out_of_bounds(value: object) -> None:
    """0, 10.01 and what is no number are refused."""
    with pytest.raises(ConfigError, match=r"tools\.x\.after_s = "):
        load_config({"tools": {"x": {"after_s": value}}})


def test_whole_numbers_do_for_seconds() -> None:
    """A whole number is a number."""
    config = load_config({"limits": {"max_wait_s": 20, "min_gap_ms": 100, "per_turn": "unlimited"}})
    assert (config.limits.max_wait_s, config.limits.min_gap_ms) == (20.0, 100.0)
    assert config.limits.per_turn == "unlimited"


def test_handoff_table_keeps_the_kinds_other_defaults() -> None:
    """One number of one kind changes that number of that kind only."""
    config = load_config({"handoff": {"phrase": {"fade_ms": 5}, "hesitation": {"max_finish_ms": 600000}}})
    assert config.handoff.phrase == Handoff(max_finish_ms=600, fade_ms=5)
    assert config.handoff.hesitation == Handoff(min_play_ms=200, max_finish_ms=600_000, fade_ms=40)
    assert config.handoff.of(Kind.PROGRESS) == Config().handoff.progress
    assert config.handoff.hold == Config().handoff.hold


def test_tones_are_off_by_default() -> None:
    """Every kind is enabled but tones, also when other kinds are configured."""
    config = load_config({"kinds": {"hold": {"gain_db": -6}}})
    assert [kind for kind in Kind if not config.kind(kind).enabled] == [Kind.TONE]
    assert config.kind(Kind.HOLD).gain_db == -6.0
    assert load_config({"kinds": {"tone": {"gain_db": 0}}}).kind(Kind.TONE).enabled
    assert not load_config({"kinds": {"tone": {"enabled": False}}}).kind(Kind.TONE).enabled


@pytest.mark.parametrize("section", ["", "limits", "costs", "handoff"])
def test_frozen(section: str) -> None:
    """A configuration does not change under a running manager."""
    part = getattr(Config(), section) if section else Config()
    name = next(iter(type(part).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(part, name, None)


def test_override_the_tool_wins() -> None:
    """A tool's keys win over the agent's; keys that only one of them has hold."""
    config = load_config(
        {
            "agents": {"a": {"expected_ms": 800, "kinds": ["hesitation"], "after_s": 1}},
            "tools": {"t": {"expected_ms": 5000, "silent": True, "after_s": 3}},
        }
    )
    both = config.override("a", "t")
    assert both == Override(expected_ms=5000, kinds=(Kind.HESITATION,), after_s=3, silent=True)
    assert config.override("a", None) == config.agents["a"]
    assert config.override("a", "other") == config.agents["a"]
    assert config.override(None, "t") == config.tools["t"]
    assert config.override("b", None) == Override()


def test_override_says_no_again() -> None:
    """A key that a tool sets to its default value still wins over the agent's."""
    config = load_config({"agents": {"a": {"silent": True}}, "tools": {"t": {"silent": False}}})
    assert config.override("a", None).silent
    assert not config.override("a", "t").silent


# Overlays ------------------------------------------------------------------------------------------------------


def test_overlay_key_by_key() -> None:
    """Tables are merged key by key, lists and values are replaced, neither input is changed."""
    base = {"seed": 0, "limits": {"per_turn": 3, "per_minute": 4}, "packs": ["a", "b"], "tools": {"x": {"after_s": 1}}}
    over = {"limits": {"per_turn": 9}, "packs": ["c"], "tools": {"x": {"silent": True}, "y": {}}}
    assert overlaid(base, over) == {
        "seed": 0,
        "limits": {"per_turn": 9, "per_minute": 4},
        "packs": ["c"],
        "tools": {"x": {"after_s": 1, "silent": True}, "y": {}},
    }
    assert base["limits"] == {"per_turn": 3, "per_minute": 4}
    assert overlaid(base, {}) == base
    assert overlaid({}, over) == over


def test_overlay_in_load_config() -> None:
    """`load_config` lays the source over its base; problems in the base are found too."""
    base = {"limits": {"per_turn": 3, "per_minute": 4}}
    config = load_config({"limits": {"per_turn": 2}}, base=base)
    assert (config.limits.per_turn, config.limits.per_minute) == (2, 4)
    with pytest.raises(ConfigError, match=r"limits\.per_minutes is not a known key"):
        load_config({}, base={"limits": {"per_minutes": 1}})


# Phrases -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"tools": {"lookup": {"phrases": ["One moment, please.", "Let me ask Bob."]}}}, "tools.lookup.phrases[1]"),
        ({"agents": {"a": {"phrases": ["Let me ask Bob."]}}}, "agents.a.phrases[0]"),
        ({"ladder": [{"after_ms": 1, "kind": "phrase", "phrases": ["Let me ask Bob."]}]}, "ladder[0].phrases[0]"),
        ({"tools": {"lookup": {"phrases": ["..."]}}}, "tools.lookup.phrases[0]"),
    ],
)
def test_phrase_without_a_clip(config: dict[str, Any], path: str, bank: ClipBank) -> None:
    """A phrase that no clip has is refused before anything plays."""
    with pytest.raises(ConfigError) as caught:
        FillerManager(load_config(config), clock=VirtualClock(), bank=bank)
    assert str(caught.value).startswith(f"{path} = ")
    assert "is the text or id of no clip in en-us" in str(caught.value)


def test_phrase_by_text_or_id(bank: ClipBank) -> None:
    """Case and punctuation of a phrase do not matter, and a clip's id will do."""
    step = LadderStep(after_ms=1, kind=Kind.PHRASE, phrases=("one MOMENT please", "check-that"))
    FillerManager(Config(ladder=(step,)), clock=VirtualClock(), bank=bank).close()

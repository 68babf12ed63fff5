"""The banks of texts, what claims work, and the command that prints the texts."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pytest
from stopgap.fillers import (
    Kind,
    PackError,
    bundled_folder,
    find_pack,
    read_manifest,
    read_toml,
)
from stopgap.fillers.texts import Spec, bank_languages, bank_toml, claims_work, read_bank, read_spec

Run = Callable[..., Any]
LANGUAGES = ("de", "en", "es", "fr", "pt")
Sentences = dict[str, dict[str, list[str]]]
HELD_OUT, DEVELOPMENT = (
    cast(Sentences, tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8")))
    for name in ("claims_heldout.toml", "claims_development.toml")
)
EXCEPTIONS = {"little-longer"}
"""Clips of the bundled pack that count as claims out of caution: "this" takes longer, so something is being done."""


# Banks ------------------------------------------------------------------------------------------------------------


def test_languages() -> None:
    """There is a bank for each of five languages."""
    assert bank_languages() == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_enough_of_every_kind(language: str) -> None:
    """A bank holds enough of every kind for variety; half of its phrases claim work."""
    lines = read_bank(language).lines
    counts = Counter(line.kind for line in lines)
    assert counts[Kind.BACKCHANNEL] >= 8
    assert counts[Kind.HESITATION] >= 8
    assert counts[Kind.PHRASE] >= 16
    assert counts[Kind.PROGRESS] >= 10
    claims = Counter(line.claims_work for line in lines if line.kind is Kind.PHRASE)
    assert claims[True] == claims[False]


@pytest.mark.parametrize("language", LANGUAGES)
def test_progress_at_every_place(language: str) -> None:
    """Whichever place of a turn a progress line is for, there are two with a claim and two without one."""
    lines = [line for line in read_bank(language).lines if line.kind is Kind.PROGRESS]
    counts = Counter((line.order, line.claims_work) for line in lines)
    assert counts == {(order, claims): 2 for order in (1, 2, 3) for claims in (True, False)}


def test_only_phrases_and_progress_claim_work() -> None:
    """A backchannel or a hesitation promises nothing."""
    short = [line for name in LANGUAGES for line in read_bank(name).lines if line.kind in ("backchannel", "hesitation")]
    assert not [line.id for line in short if line.claims_work]


def test_ids_of_all_banks_are_unique() -> None:
    """Packs of several languages, the bundled one among them, can be loaded together."""
    ids = [line.clip_id(1) for name in LANGUAGES for line in read_bank(name).lines]
    ids += [clip.id for clip in read_manifest(find_pack("en-us")).clips]
    assert not [name for name, number in Counter(ids).items() if number > 1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_ids_name_their_language(language: str) -> None:
    """Each line has an id of its own, which does not change with the text."""
    assert all((line.id or "").startswith(f"{language}-") for line in read_bank(language).lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_there_twice(language: str) -> None:
    """No two lines of a bank say the same."""
    texts = Counter(line.text.casefold() for line in read_bank(language).lines)
    assert max(texts.values()) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_shouted(language: str) -> None:
    """No exclamation marks; phrases and progress lines are sentences."""
    for line in read_bank(language).lines:
        assert not set("!¡") & set(line.spoken), line.id
        if line.kind in ("phrase", "progress"):
            assert line.text.endswith("."), line.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_comments_name_lines_that_are_there(language: str) -> None:
    """What the comments say to change (for the familiar form of address) exists."""
    comments = " ".join(row.lstrip("# ") for row in bank_toml(language).splitlines() if row.startswith("#"))
    named = set(re.findall(rf"\b({language}-[a-z-]+) (?:\(|->)", comments))
    assert named
    assert named <= {line.id for line in read_bank(language).lines}


@pytest.mark.parametrize("tag", ["es", "es-MX", "ES", "es_419"])
def test_region_falls_back_to_its_language(tag: str) -> None:
    """A region that has no bank of its own takes its language's."""
    assert read_bank(tag) == read_bank("es")


@pytest.mark.parametrize("tag", ["nl", "nl-BE", "", "claims", "../en", "est"])
def test_unknown_language(tag: str) -> None:
    """The languages that there are are listed."""
    with pytest.raises(PackError, match=r"there are no texts for '.*'; write one of de, en, es, fr, pt"):
        read_bank(tag)


# What claims work -------------------------------------------------------------------------------------------------


def test_flags_agree_with_the_check() -> None:
    """Each line's flag is what `claims_work` says of its text."""
    lines = [(name, line) for name in LANGUAGES for line in read_bank(name).lines]
    assert not [line.id for name, line in lines if claims_work(line.text, name) is not line.claims_work]


def test_bundled_flags_agree_with_the_check() -> None:
    """So is each flag of the bundled pack, but for the exceptions."""
    spoken = [clip for clip in read_manifest(find_pack("en-us")).clips if clip.text]
    assert {clip.id for clip in spoken if claims_work(clip.text or "", "en-US") is not clip.claims_work} == EXCEPTIONS


def test_held_out_sentences() -> None:
    """Of claims in words that the lists were not made for three in four are found; of other sentences hardly any is
    taken for one."""
    found, wrong = (
        [text for name in LANGUAGES for text in HELD_OUT[name][of] if claims_work(text, name)]
        for of in ("claims", "others")
    )
    assert len(found) >= 0.75 * sum(len(HELD_OUT[name]["claims"]) for name in LANGUAGES)
    assert len(wrong) <= 0.01 * sum(len(HELD_OUT[name]["others"]) for name in LANGUAGES), wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_development_sentences(language: str) -> None:
    """Of the sentences that the lists were tuned on every one is judged rightly."""
    claims, others = DEVELOPMENT[language]["claims"], DEVELOPMENT[language]["others"]
    assert min(len(claims), len(others)) >= 100
    assert not [text for text in claims if not claims_work(text, language)]
    assert not [text for text in others if claims_work(text, language)]


def test_no_sentence_is_in_both_sets() -> None:
    """What judges is not what was tuned on."""
    for language in LANGUAGES:
        sets = [{text for texts in lists[language].values() for text in texts} for lists in (HELD_OUT, DEVELOPMENT)]
        assert not sets[0] & sets[1]


@pytest.mark.parametrize("language", ["nl", "zxx", "", "est"])
def test_no_list_for_a_language(language: str) -> None:
    """Of a language without a list nothing is said."""
    assert claims_work("Ik kijk het even na.", language) is None


@pytest.mark.parametrize(
    "text",
    [
        "LET ME CHECK",
        "let me, um, check that",
        "Um... let me check.",
        "Let’s check.",
        "Hi. Let me check. Thanks.",
        "One moment—checking now.",
        "im checking that",
        "one moment please let me check",
    ],
)
def test_spelling_does_not_count(text: str) -> None:
    """Capitals, punctuation, curly apostrophes and other sentences around it do not hide a claim."""
    assert claims_work(text, "en") is True


@pytest.mark.parametrize(
    ("text", "language"),
    [("Das prufe ich.", "de"), ("Das pruefe ich.", "de"), ("Dejeme consultarlo", "es-AR"), ("Je verifie", "fr")],
)
def test_accents_do_not_count(text: str, language: str) -> None:
    """Nor do accents, which transcripts may lack."""
    assert claims_work(text, language) is True


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("Shall I check that for you?", False),
        ("Can you hold while I check that?", True),
        ("Let me check that for you, okay?", True),
        ("Let me check that, which order was it?", True),
        ("Okay, would you like me to check that?", False),
        ("One moment while I breathe.", False),
        ("I'm not checking anything.", False),
        ("", False),
        ("...", False),
    ],
)
def test_questions_and_negations(text: str, claims: bool) -> None:
    """A question offers, unless it says what is done meanwhile; what is denied is not claimed."""
    assert claims_work(text, "en") is claims


@pytest.mark.parametrize(
    ("text", "claims"), [("Lo reviso, ¿me da su número?", True), ("Un momento, ¿lo reviso?", False)]
)
def test_spanish_questions(text: str, claims: bool) -> None:
    """What stands before an inverted question mark is said, not asked."""
    assert claims_work(text, "es") is claims


def test_every_language_with_texts_has_a_list() -> None:
    """There is a list for each bank, and no list without one."""
    lists = tomllib.loads((files("stopgap.fillers.texts") / "claims.toml").read_text(encoding="utf-8"))
    assert sorted(lists) == sorted(bank_languages())


# The command ------------------------------------------------------------------------------------------------------


def test_command_lists_languages(run: Run) -> None:
    """Without a language the command lists what there is."""
    ended = run("pack", "texts")
    assert ended.code == 0
    assert all(re.search(rf"^ {name} ", ended.out, re.MULTILINE) for name in LANGUAGES)
    banks = json.loads(run("pack", "texts", "--json").out)
    assert [bank["language"] for bank in banks] == list(LANGUAGES)
    assert all(bank["phrase"] >= 16 for bank in banks)


@pytest.mark.parametrize("language", LANGUAGES)
def test_command_prints_a_spec(run: Run, tmp_path: Path, language: str) -> None:
    """What is printed can be redirected into a file, which is the bank as a spec; so is what --out writes."""
    ended = run("pack", "texts", "--language", language)
    assert (ended.code, ended.err) == (0, "")
    (tmp_path / "spec.toml").write_text(ended.out, encoding="utf-8")
    assert read_spec(tmp_path / "spec.toml") == read_bank(language)
    assert run("pack", "texts", "--language", language, "--out", str(tmp_path / "out.toml")).code == 0
    assert (tmp_path / "out.toml").read_text(encoding="utf-8") == ended.out
    assert Spec.model_validate(json.loads(run("pack", "texts", "--language", language, "--json").out)) == read_bank(
        language
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kinds", [["phrase"], ["backchannel"], ["hesitation", "progress"]])
def test_command_prints_some_kinds(run: Run, tmp_path: Path, language: str, kinds: list[str]) -> None:
    """Of some kinds only, with the comments of these and the file's own."""
    out = run("pack", "texts", "--language", language, *(word for kind in kinds for word in ("--kind", kind))).out
    (tmp_path / "spec.toml").write_text(out, encoding="utf-8")
    lines = read_spec(tmp_path / "spec.toml").lines
    assert lines == tuple(line for line in read_bank(language).lines if line.kind in kinds)
    heads = [row.removeprefix("    # ") for row in out.splitlines() if row.startswith("    # ")]
    assert heads
    assert all(head.startswith(tuple(kinds)) for head in heads)


def test_command_replaces_nothing_silently(run: Run, tmp_path: Path) -> None:
    """A file that exists stays, unless --force is given."""
    path = tmp_path / "spec.toml"
    path.write_text("mine", encoding="utf-8")
    ended = run("pack", "texts", "--language", "es", "--out", str(path))
    assert ended.code == 2
    assert ended.err == f"stopgap: {path} exists already; --force replaces it\n"
    assert path.read_text(encoding="utf-8") == "mine"
    assert run("pack", "texts", "--language", "es", "--out", str(path), "--force").code == 0
    assert read_spec(path) == read_bank("es")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--language", "nl"], "there are no texts for 'nl'; write one of de, en, es, fr, pt"),
        (["--language", "es", "--kind", "hold"], "kind 'hold' has no texts; choose backchannel, hesitation, phrase, "),
        (["--kind", "phrase"], "--kind and --out need a --language: one of de, en, es, fr, pt"),
    ],
)
def test_command_refuses(run: Run, arguments: list[str], message: str) -> None:
    """What cannot be printed is refused in one sentence."""
    ended = run("pack", "texts", *arguments)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert message in ended.err


# The robotic packs and the demo's conversation --------------------------------------------------------------------

ROBOTIC = {"es": "es-es", "de": "de-de"}


@pytest.mark.parametrize(("language", "name"), ROBOTIC.items())
def test_robotic_pack_says_lines_of_the_bank(language: str, name: str) -> None:
    """A spec for espeak-ng takes its lines from the bank, enough of each kind and with the same flags."""
    bank = {line.text: (line.kind, line.claims_work, line.order) for line in read_bank(language).lines}
    lines = read_spec(bundled_folder() / name / "spec.toml").lines
    assert {line.text: (line.kind, line.claims_work, line.order) for line in lines}.items() <= bank.items()
    counts = Counter((line.kind.value, line.claims_work) for line in lines)
    assert counts["backchannel", False] == counts["hesitation", False] == 6
    assert counts["phrase", True] == counts["phrase", False] == 6
    progress = [(line.order, line.claims_work) for line in lines if line.kind is Kind.PROGRESS]
    assert progress == [(order, claims) for order in (1, 2, 3) for claims in (True, False)]


def test_robotic_packs_have_ids_of_their_own() -> None:
    """They can be loaded beside packs that were recorded from the banks."""
    specs = [read_bank(name) for name in LANGUAGES]
    specs += [read_spec(bundled_folder() / name / "spec.toml") for name in ROBOTIC.values()]
    ids = Counter(line.clip_id(1) for spec in specs for line in spec.lines)
    assert max(ids.values()) == 1


@pytest.mark.parametrize("language", ROBOTIC)
def test_demo_in_other_languages(language: str) -> None:
    """The demo's lines have the same ids, roles, tools and files as in English, other texts, and their language."""

    def lines(folder: str) -> list[dict[str, str]]:
        return list(read_toml(bundled_folder() / folder / "demo.toml")["lines"])

    here, english = lines(f"demo-{language}"), lines("demo")
    assert [{**line, "text": ""} for line in here] == [{**line, "text": ""} for line in english]
    assert not {line["text"] for line in here} & {line["text"] for line in english}
    assert read_toml(bundled_folder() / f"demo-{language}" / "demo.toml")["language"].startswith(language)


@pytest.mark.parametrize("language", ROBOTIC)
def test_demo_replies_claim_no_work(language: str) -> None:
    """An answer and a question promise nothing."""
    demo = read_toml(bundled_folder() / f"demo-{language}" / "demo.toml")
    assert not [line["text"] for line in demo["lines"] if claims_work(line["text"], language)]

"""``stopgap pack texts``: texts to record, by language."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._console import new_table, print_json, print_table
from .._files import written_whole
from .._options import JsonOption

if TYPE_CHECKING:
    from stopgap.fillers import Kind


def texts(
    language: Annotated[
        str | None, typer.Option(metavar="TAG", help="Print the texts in this language, as a spec.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(metavar="KIND", help="Only this kind; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the spec into this file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show ready filler texts: the languages that there are, or a spec to edit and record.

    stopgap pack texts --language es > spec.toml; stopgap pack record spec.toml --tts ...
    """
    from stopgap.fillers import UsageError
    from stopgap.fillers.texts import bank_languages, bank_toml

    if language is None:
        if kind or out:
            raise UsageError(f"--kind and --out need a --language: one of {', '.join(bank_languages())}")
        _print_languages(as_json)
        return
    text = bank_toml(language, _kinds(kind or ()) or None)
    if out is not None:
        if out.exists() and not force:
            raise UsageError(f"{out} exists already; --force replaces it")
        with written_whole(out) as file:
            file.write(text)
    if as_json:
        _print_spec(text)
    elif out is not None:
        typer.echo(f"wrote {out}")
    else:
        typer.echo(text, nl=False)


def _print_languages(as_json: bool) -> None:
    from stopgap.fillers import SPOKEN_KINDS
    from stopgap.fillers.texts import bank_languages, read_bank

    banks = []
    for language in bank_languages():
        spec = read_bank(language)
        counts = {kind.value: sum(line.kind is kind for line in spec.lines) for kind in SPOKEN_KINDS}
        claims = sum(line.claims_work for line in spec.lines)
        banks.append({"language": language, "tag": spec.language, **counts, "claims_work": claims})
    if as_json:
        print_json(banks)
        return
    counted = [*(kind.value for kind in SPOKEN_KINDS), "claims work"]
    table = new_table("language", "tag", *counted, title="texts: --language prints them", right=tuple(counted))
    for bank in banks:
        table.add_row(*(str(value) for value in bank.values()))
    print_table(table)


def _print_spec(text: str) -> None:
    import tomllib

    from stopgap.fillers import PackError, validated
    from stopgap.fillers.texts import Spec

    spec = validated(Spec, tomllib.loads(text), where="texts", error=PackError)
    print_json(spec.model_dump(mode="json", exclude_none=True, exclude={"preparation"}))


def _kinds(names: Sequence[str]) -> "list[Kind]":
    from stopgap.fillers import SPOKEN_KINDS, UsageError

    known = {kind.value: kind for kind in SPOKEN_KINDS}
    for name in names:
        if name not in known:
            raise UsageError(f"kind {name!r} has no texts; choose {', '.join(known)}")
    return [known[name] for name in names]

"""A TTS that is a command: espeak-ng, flite, piper, a script of one's own."""

import asyncio
import json
import os
import re
import shlex
import shutil
from pathlib import Path

from .._errors import UsageError
from ._alignment import read_alignment
from ._options import TtsOptions
from ._process import Ended, run_command
from ._received import MOST_BYTES, raw_as_wav, refuse_text, shortened
from ._speech import Spoken
from ._trouble import NotSpoken

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
_SHELLS = frozenset(("sh", "ash", "bash", "dash", "fish", "ksh", "zsh"))
_WHO = "the command"


class CommandTts:
    """Runs a command for each text, without a shell.

    Args:
        line: With ``{text}``, else the text goes to standard input; with ``{out}``, else audio is read from standard
            output; and, if it can, ``{alignment}``, where it may write the ends of words.
        options: The format, and the rate of raw ``pcm``.

    Raises:
        UsageError: if that is no such command.
    """

    who = _WHO
    per_minute = None

    def __init__(self, line: str, options: TtsOptions) -> None:
        try:
            self._words = shlex.split(line)
        except ValueError as exc:
            raise UsageError(f"--tts {line!r} is no command line ({exc}); close its quotes") from None
        used = {name for word in self._words for name in _PLACEHOLDER.findall(word)}
        if unknown := sorted(used - {"text", "out", "alignment"}):
            raise UsageError(
                f"--tts {line!r} has {{{unknown[0]}}}; a command has {{text}}, {{out}} and {{alignment}}, write other "
                "values themselves"
            )
        if not used & {"text", "out"}:
            raise UsageError(
                f"--tts {line!r} is no URL, no package.module:function, and as a command lacks {{text}} and {{out}}; "
                "write for example 'espeak-ng -v es -w {out} {text}'"
            )
        if _PLACEHOLDER.search(self._words[0]):
            raise UsageError(f"--tts {line!r} begins with a placeholder; begin with the program")
        if _is_script(self._words):
            raise UsageError(
                f"--tts {line!r} puts {{text}} into a script, where the shell would run what a text says; pass it as "
                'an argument: sh -c \'espeak-ng -w "$1" "$2"\' sh {out} {text}'
            )
        if shutil.which(self._words[0]) is None:
            raise UsageError(f"--tts: there is no program {self._words[0]!r}; install it or give its path")
        self._options = options
        self._speaks_text, self._writes_file = "text" in used, "out" in used
        self.identity = json.dumps(["command", self._words, options.format, options.rate])
        self.label = Path(self._words[0]).name
        self.parallel = _processors()

    async def speak(self, text: str, take: int, folder: Path) -> Spoken:
        out = folder / f"speech.{self._options.format}"
        alignment = folder / "alignment.json"
        values = {"text": text, "out": str(out), "alignment": str(alignment)}
        words = [_filled(word, values) for word in self._words]
        ended = await run_command(words, None if self._speaks_text else f"{text}\n", MOST_BYTES)
        if ended.code != 0:
            raise NotSpoken(_failure(ended))
        audio = await asyncio.to_thread(_content, out) if self._writes_file else ended.out
        if not audio and ended.errors.strip():
            raise NotSpoken(f'{_WHO} returned nothing and said "{_last_line(ended)}"')
        if self._options.format == "pcm":
            audio = raw_as_wav(audio, self._options.rate or 0, _WHO)
        refuse_text(audio, _WHO)
        return Spoken(audio, read_alignment(alignment))

    async def close(self) -> None:
        pass


def _filled(word: str, values: dict[str, str]) -> str:
    """Put *values* into *word*, once: a text may have braces of its own."""
    filled = _PLACEHOLDER.sub(lambda found: values[found[1]], word)
    # "-v" would be an option, and "@file" is a file for curl; no TTS speaks a space
    return f" {filled}" if word.startswith("{text}") and filled[:1] in ("-", "@") else filled


def _is_script(words: list[str]) -> bool:
    """Whether a text would become part of what a shell runs."""
    flags = (at for at, word in enumerate(words[:-1]) if at and re.fullmatch(r"-[a-z]*c", word))
    shells = (at for at in flags if any(Path(word).name in _SHELLS for word in words[:at]))
    return any("{text}" in words[at + 1] for at in shells)


def _content(out: Path) -> bytes:
    if not out.is_file():
        raise NotSpoken(f"{_WHO} wrote no file to {{out}}")
    if out.stat().st_size > MOST_BYTES:
        raise NotSpoken(f"{_WHO} wrote more than {MOST_BYTES // 1_000_000} MB")
    return out.read_bytes()


def _failure(ended: Ended) -> str:
    how = f"ended with exit code {ended.code}" if ended.code > 0 else f"was killed by signal {-ended.code}"
    line = _last_line(ended)
    return f'{_WHO} {how} and said "{line}"' if line else f"{_WHO} {how}"


def _last_line(ended: Ended) -> str:
    lines = [line for line in ended.errors.splitlines() if line.strip()]
    return shortened(lines[-1]) if lines else ""


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

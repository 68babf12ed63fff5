"""Fillers by site: what may be said while a tool runs, a decision is made, a reflection or input for a tool written."""

import base64
import io
import weakref
from collections.abc import Iterable, Mapping

import numpy as np
import soundfile

from ...fillers import Clip, ClipBank, Config, CutMark, Kind, Override
from ._settings import ServiceSettings, SiteFillers

RATE = 16_000
"""Hz of all speech that the service sends."""
WORDS_PER_S = 2.5
"""How fast a line without a recording is taken to be read: 150 words a minute, an ordinary pace of speech."""
_TEXT = "text:"
TEXT_KINDS = (Kind.PHRASE, Kind.PROGRESS)
"""What may be written: nobody wants to read "um"."""
VOICE_KINDS = (Kind.BACKCHANNEL, Kind.HESITATION, *TEXT_KINDS)
"""What may be spoken. Beds would go on beneath the reply: nobody can stop what a client plays."""


def agent_name(service: str, response_format: str) -> str:
    """Return the name under which an agent's waits are learned: speech takes longer than text."""
    return f"{service} ({response_format})"


def site_name(service: str, settings: ServiceSettings, site: str) -> str:
    """Return the name of *site* in the filler configuration: the service's own where it says something of it."""
    return f"{service}/{site}" if site in _sites(settings) else site


def filler_config(base: Config, services: Mapping[str, ServiceSettings], recorded: Iterable[Clip]) -> Config:
    """Return *base* with a table for every service and for each of its sites.

    Args:
        base: Of the application: costs, limits, tables of agents (by service) and tools.
        services: By name.
        recorded: The packs' clips.
    """
    recorded = tuple(recorded)
    agents, tools = dict(base.agents), dict(base.tools)
    for name, settings in services.items():
        override = base.agents.get(name, Override())
        for response_format, kinds in (("text", TEXT_KINDS), ("voice", VOICE_KINDS)):
            allowed = tuple(kind for kind in kinds if override.kinds is None or kind in override.kinds)
            agents[agent_name(name, response_format)] = _with(override, kinds=allowed)
        for site, fillers in _sites(settings).items():
            lines = tuple(_clip_id(line, recorded) for line in fillers.fillers)
            said = {"phrases": lines} if lines else {"silent": True}
            after = {} if fillers.after_s is None else {"after_s": fillers.after_s}
            tools[f"{name}/{site}"] = _with(base.tools.get(site, Override()), **said, **after)
    return base.model_copy(update={"agents": agents, "tools": tools})


def filler_bank(config: Config, services: Mapping[str, ServiceSettings]) -> ClipBank:
    """Return the clips of *config*'s packs, and one without sound for each line of a site that no pack has.

    Raises:
        PackError: if a pack cannot be used.
    """
    bank = ClipBank(config.packs)
    lines = [
        line for settings in services.values() for fillers in _sites(settings).values() for line in fillers.fillers
    ]
    known = {clip.id for clip in bank.catalog}
    unspoken = [line for line in dict.fromkeys(lines) if _clip_id(line, bank.catalog) not in known]
    if not unspoken:
        return bank
    return ClipBank(config.packs, clips=map(text_clip, unspoken))  # which shares what is decoded already


def text_clip(text: str) -> Clip:
    """Return a clip that only has words, as long as reading them takes: for the site that names it, not for others."""
    words = text.split()
    marks = tuple(CutMark(round((n + 1) / WORDS_PER_S * RATE), n + 1) for n in range(len(words)))
    samples = np.zeros(marks[-1].frame, np.float32)
    samples.setflags(write=False)
    # "zxx" fits every language: whoever wrote the line knows the agent's
    return Clip(
        _TEXT + text, Kind.PHRASE, samples, RATE, text, "zxx",
        cut_marks=marks, licence="the configuration's", only_named=True,
    )  # fmt: skip


def filler_content(clip: Clip, response_format: str) -> str:
    """Return *clip* as an event carries it: base64 of a WAV (mono, 16 bit, 16 kHz) for voice, if there is sound."""
    if response_format == "text" or not clip.samples.any():
        return clip.text or ""
    assert clip.rate == RATE
    file = io.BytesIO()
    soundfile.write(file, clip.samples, clip.rate, format="WAV", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode("ascii")


class FillerContents:
    """What clips are as events carry them, each worked out once, and forgotten with its clip."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[Clip, dict[str, str]] = weakref.WeakKeyDictionary()

    def of(self, clip: Clip, response_format: str) -> str:
        """Return *clip* for text or voice responses."""
        known = self._known.setdefault(clip, {})
        if response_format not in known:
            known[response_format] = filler_content(clip, response_format)
        return known[response_format]


def _clip_id(line: str, recorded: Iterable[Clip]) -> str:
    """Return the id of the clip that says just *line*."""
    return next(
        (clip.id for clip in recorded if clip.kind is Kind.PHRASE and _plain(clip.text) == _plain(line)), _TEXT + line
    )


def _plain(text: str | None) -> str:
    return " ".join((text or "").lower().rstrip(".!… ").split())


def _sites(settings: ServiceSettings) -> dict[str, SiteFillers]:
    spans = {"decision": settings.decisions, "reflection": settings.reflections, "params": settings.params}
    named = {f"{span}:{name}": fillers for span, table in spans.items() for name, fillers in table.items()}
    return {**settings.tools, **named}


def _with(override: Override, **changes: object) -> Override:
    return override.model_copy(update=changes)  # all was validated: a pack may have more phrases than one may write

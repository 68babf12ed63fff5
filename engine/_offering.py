"""Fillers that are in no pack: played where nothing else sounds."""

import hashlib
from typing import Any

import numpy as np

from ..fillers import MAX_CLIP_S, Clip, CutMark, Kind, UsageError, matching_phrases, with_soft_edges
from ._passing import PassedTurn
from ._reply import ReplyInput


class OfferedTurn(PassedTurn):
    """A turn that takes fillers from elsewhere."""

    def offer_filler(
        self,
        audio: Any = None,
        rate: int | None = None,
        *,
        text: str | None = None,
        kind: Kind = Kind.PHRASE,
        insist: bool = False,
    ) -> bool:
        """Play a filler that is in no pack, for example one that the agent's server sent, if nothing else sounds.

        What sounds already goes on and wins; never is it heard over a reply, while the user speaks or beyond the
        limits. What was planned to follow is planned anew around it, and it yields to the reply like any other.

        Args:
            audio: Samples as `write` takes them. None: a clip that says *text* is looked for among the packs.
            rate: Hz of *audio*; None: the session's.
            text: What is said.
            kind: What it is: decides how it yields. None that loops.
            insist: Play it also where a planned filler would begin before its end, a bed sounds, the reply is
                announced, or the configuration wants none of its kind here and now.

        Returns:
            Whether it was taken; the record's notes say why not.

        Raises:
            UsageError: if *audio* is not that, is empty or lasts more than 60 s, if *kind* loops, or neither *audio*
                nor *text* is given.
        """
        if Kind(kind).loops:
            raise UsageError(f"offer_filler with kind={str(kind)!r}, which loops; offer one that is heard once")
        if audio is None and not text:
            raise UsageError("offer_filler without audio or text; give one of them")
        clip = None if audio is None else offered_clip(audio, rate, self._line.rate, text=text, kind=Kind(kind))
        with self._line.lock:
            self._line.sync()
            if clip is None:
                clip = self._clip_that_says(text or "")
            if clip is None:
                why: str | None = "no clip says that"
            elif self._line.newest is not self or self._line.closed:
                why = "the turn is over"
            else:
                why = self._prompter.offer(clip, insist=insist)
            if why is not None:
                self._state.note(f"an offered filler was left out: {why}")
            self._engine.count("offers_taken" if why is None else "offers_left_out")
            return why is None

    def _clip_that_says(self, text: str) -> Clip | None:
        """Return a spoken clip of the packs, in the turn's language and voice, with just this text."""
        context = self._state.context
        repertoire = self._engine.repertoire(
            self._line.rate, language=self._language, voice=self._voice,
            agent=context.agent, tool=context.tool, tool_runs=True, behavior=self._behaving.in_force,
        )  # fmt: skip
        return next((clip for clip in matching_phrases(repertoire.clips, [text]) if clip.kind.spoken), None)


def offered_clip(audio: Any, rate: int | None, to_rate: int, *, text: str | None, kind: Kind) -> Clip:
    """Return *audio* as a clip at *to_rate* that may end cleanly at its end.

    Args:
        audio: As `ReplyInput.convert` takes it.
        rate: Hz of *audio*; None: *to_rate*.
        to_rate: Hz.
        text: What it says.
        kind: Of the clip.

    Raises:
        UsageError: where `ReplyInput.convert` does, and if it is empty or lasts more than 60 s.
    """
    input = ReplyInput(to_rate)
    samples, frames = input.convert(audio, rate)
    seconds = frames / (rate or to_rate)
    if not 0.0 < seconds <= MAX_CLIP_S:
        raise UsageError(f"a filler of {seconds:g} s was offered; it must hold audio, and at most {MAX_CLIP_S:.0f} s")
    samples = with_soft_edges(np.concatenate([samples, input.finish()]), to_rate)
    samples.setflags(write=False)
    marks = (CutMark(len(samples), len((text or "").split())),)
    digest = hashlib.sha256(samples.tobytes()).hexdigest()[:12]
    return Clip(f"offered/{digest}", kind, samples, to_rate, text=text, cut_marks=marks)

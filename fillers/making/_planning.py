"""Which recording becomes which clip."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from .._errors import PackError
from ..reading import TooLongError, read_recording
from ._alignment import odd_pieces, probable_mistake
from ._cutting import Piece, pieces_of
from ._describing import Description, TextFrom, described, described_bed, described_line, described_words, sidecar_of
from ._folder import digest_of
from ._gathering import Refusal, kind_of_folder
from ._importplan import ImportSettings, PlannedClip, Skip
from ._present import WHOLE, Present
from ._raw import RAW_SUFFIXES, with_header
from ._script import Script
from ._source import Source


class Planner:
    """Looks at one recording after the other; what cannot be used is noted, and the rest goes on.

    Args:
        folder: An empty one, for headerless recordings with headers.
        present: What the pack has; what is planned is added.
        script: The lines that may be in the recordings.
        settings: What neither files nor *script* tell.
        language: BCP 47 tag of what is said.
        facts: Language, voice and licence of the clips where they are not the pack's.
    """

    def __init__(
        self,
        folder: Path,
        present: Present,
        script: Script,
        settings: ImportSettings,
        language: str,
        facts: Mapping[str, str | None],
    ) -> None:
        self._folder, self._present, self._script, self._settings = folder, present, script, settings
        self._language, self._facts = language, facts
        self._originals: dict[Path, Path] = {}
        self._digests: dict[Path, str] = {}
        self.clips: list[PlannedClip] = []
        self.skipped: list[Skip] = []
        self.refused: list[Refusal] = []
        self.pieces: list[tuple[Path, Piece]] = []

    def look_at(self, file: Path) -> None:
        """Plan what becomes of *file*; where there is a script to cut it by, only find its pieces."""
        with self._refusing(file):
            if not self._settings.cut:
                self._plan(file, described(file, self._script, self._settings.kind, self._language))
                return
            pieces = pieces_of(self._original(file), self._settings.silence_ms)
            if not pieces:
                raise PackError(f"{file} holds nothing between its silences; give a shorter --silence-ms")
            self.pieces += ((file, piece) for piece in pieces)
            if not self._script.lines:
                self._plan_alike(file, pieces)

    def match(self) -> None:
        """Plan the pieces of what was cut as the lines of the script, one after the other."""
        readings, files = list(self._script.readings()), list(dict.fromkeys(file for file, _ in self.pieces))
        if not readings or not files:
            return
        if gaps := [refusal for refusal in self.refused if refusal.file not in files]:
            self.refused += (
                Refusal(file, f"{file} cannot be matched with the script without {gaps[0].file}") for file in files
            )
            return
        times, texts = [piece.times for _, piece in self.pieces], [line.spoken for line, _ in readings]
        if len(times) != len(texts):
            named = ", ".join(str(file) for file in files)
            likely = probable_mistake(times, texts) or (
                f"compare the pieces with the script, and give another --silence-ms than "
                f"{self._settings.silence_ms:g}, or record what is missing"
            )
            counted = f"{named}: {len(times)} pieces found, but {len(texts)} readings in the script"
            self.refused.append(Refusal(files[0], f"{counted}; {likely}"))
            return
        odd = odd_pieces(times, texts)
        for place, ((file, piece), (line, take)) in enumerate(zip(self.pieces, readings, strict=True)):
            remark = ("lasts unlike its words; listen to it",) if place in odd else ()
            with self._refusing(file):
                self._plan(file, described_line(line, take), place, piece, remark)

    def _plan_alike(self, file: Path, pieces: tuple[Piece, ...]) -> None:
        """Plan pieces that all say the same, or nothing."""
        kind = kind_of_folder(file) or self._settings.kind
        if kind is None:
            raise PackError(f"{file} is of no known kind; give --kind, or --spec with the lines in it")
        text = self._settings.text or sidecar_of(file)
        if kind.spoken and text is None:
            raise PackError(f"{file} holds {kind} pieces, and nothing tells what they say; give --spec with the lines, "
                            f"or --text if all say the same")  # fmt: skip
        for place, piece in enumerate(pieces):
            with self._refusing(file):
                if kind.spoken and text is not None:
                    text_from: TextFrom = "option" if self._settings.text else "sidecar"
                    said = described_words(kind, text, text_from, self._language, place + 1)
                else:
                    said = described_bed(kind, kind.value, place + 1)
                self._plan(file, said, place, piece)

    def _plan(
        self,
        file: Path,
        said: Description,
        place: int = 0,
        piece: Piece | None = None,
        remarks: tuple[str, ...] = (),
    ) -> None:
        """Decode it, so that what cannot be used is known before anything is written, and plan a clip of it."""
        original = self._original(file)
        start, end = (None, None) if piece is None else (piece.start_frame, piece.end_frame)
        try:
            recording = read_recording(original, start, end)
        except PackError as exc:
            where = "" if piece is None else f"piece {place + 1} ({piece}): "
            way = "--cut cuts a recording of many clips" if piece is None else "give a shorter --silence-ms"
            advice = f"; {way}" if isinstance(exc, TooLongError) else ""
            raise PackError(f"{where}{exc}{advice}") from exc
        digest, span = self._digest(original), WHOLE
        if piece is not None:
            span = (1000.0 * piece.times[0], 1000.0 * piece.times[1])
        if (clip := self._present.clip_of(digest, span)) is not None:
            planned = any(other.source.id == clip for other in self.clips)
            self.skipped.append(Skip(file, clip, piece, "import" if planned else "pack"))
            return
        id = self._present.add(digest, span, said.id_of, said.take)
        if id != said.id_of(said.take):
            remarks += (f"{said.id_of(said.take)} is taken",)
        remarks += tuple(str(step.facts["because"]) for step in recording.steps)
        source = Source(
            original=original,
            id=id,
            kind=said.kind,
            text=said.text,
            claims_work=said.claims_work,
            order=said.order,
            weight=said.weight,
            language=self._facts.get("language") if said.kind.spoken else "zxx",
            voice=self._facts.get("voice") if said.kind.spoken else None,
            licence=self._facts.get("licence"),
            start_frame=start,
            end_frame=end,
        )
        self.clips.append(PlannedClip(file, source, said, piece, remarks))

    def _digest(self, original: Path) -> str:
        if original not in self._digests:
            self._digests[original] = digest_of(original)
        return self._digests[original]

    def _original(self, file: Path) -> Path:
        """Return *file*, or, if it is headerless, a copy with a header."""
        if file.suffix.lower() not in RAW_SUFFIXES:
            return file
        if file not in self._originals:
            target = Path(mkdtemp(dir=self._folder), f"{file.stem}.wav")
            with_header(file, self._settings.raw, target)
            self._originals[file] = target
        return self._originals[file]

    @contextmanager
    def _refusing(self, file: Path) -> Iterator[None]:
        """Note why *file*, or a piece of it, is not imported."""
        try:
            yield
        except PackError as exc:
            copy = self._originals.get(file)
            self.refused.append(Refusal(file, str(exc) if copy is None else str(exc).replace(str(copy), str(file))))
        except OSError as exc:
            self.refused.append(
                Refusal(file, f"{file} cannot be read ({exc.strerror or exc}); see whether it is yours")
            )

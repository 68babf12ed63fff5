"""A look at all of a pack."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._clip import Clip
from .._manifest import Manifest, find_pack
from ._claims import check_claims
from ._clicks import check_dropouts, check_ends, check_splices
from ._damage import check_clipping, check_offset, check_silence, is_silent
from ._duplicates import check_duplicates
from ._finding import Finding, Severity
from ._levels import check_levels
from ._loading import Loaded, load
from ._rates import check_rate, check_rates
from ._timing import check_cut_marks, check_duration, check_silent_ends
from ._variety import check_variety

OF_SOUND: Sequence[Callable[[Loaded], Iterator[Finding]]] = (
    check_clipping,
    check_offset,
    check_ends,
    check_splices,
    check_dropouts,
    check_silent_ends,
    check_duration,
    check_cut_marks,
)
"""Of each clip that is not silent: there they would say the same in other words."""
OF_EACH: Sequence[Callable[[Loaded], Iterator[Finding]]] = (check_silence, check_rate, check_claims)
OF_ALL: Sequence[Callable[[Sequence[Loaded]], Iterator[Finding]]] = (check_rates, check_variety)
OF_ALL_SOUND: Sequence[Callable[[Sequence[Loaded]], Iterator[Finding]]] = (check_levels, check_duplicates)


@dataclass(frozen=True, slots=True)
class PackReport:
    """What a look at a pack found."""

    folder: Path
    manifest: Manifest | None
    """None if it could not be read."""
    clips: tuple[Clip, ...]
    """Those that load, at the rates of their files."""
    findings: tuple[Finding, ...]
    """Errors first; each in the order of the manifest's clips, then those of the pack as a whole."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Why a `ClipBank` refuses the pack; empty if it takes it."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What will not sound well."""
        return self._of("warning")

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)


def check_pack(name: str) -> PackReport:
    """Look at all of the pack *name*, beyond its first problem.

    Args:
        name: A bundled pack, or the path of a folder.

    Raises:
        PackError: if there is no such pack.
    """
    folder = find_pack(name)
    manifest, loaded, errors = load(folder)
    audible = [one for one in loaded if not is_silent(one)]
    found = [finding for one in loaded for finding in _in_one(one)]
    found += [finding for check in OF_ALL for finding in check(loaded)]
    found += [finding for check in OF_ALL_SOUND for finding in check(audible)]
    place = {one.id: at for at, one in enumerate(loaded)}
    found.sort(key=lambda finding: place.get(finding.clip or "", len(place)))
    return PackReport(folder, manifest, tuple(one.clip for one in loaded), (*errors, *found))


def _in_one(one: Loaded) -> Iterator[Finding]:
    for check in OF_EACH:
        yield from check(one)
    if not is_silent(one):
        for check in OF_SOUND:
            yield from check(one)

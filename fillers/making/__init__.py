"""Making packs: recordings are copied in, prepared, and written down in a manifest."""

from ._beds import bundled_beds, has_beds, present_beds
from ._building import Built, Failure, PackHead, build_pack, prepare_pack
from ._folder import PackFolder
from ._gathering import Refusal
from ._importing import planned_import
from ._importplan import ImportPlan, ImportSettings, PlannedClip, Skip
from ._lock import only_run
from ._raw import RawSettings
from ._script import Script, read_script
from ._source import Source

__all__ = [
    "Built",
    "Failure",
    "ImportPlan",
    "ImportSettings",
    "PackFolder",
    "PackHead",
    "PlannedClip",
    "RawSettings",
    "Refusal",
    "Script",
    "Skip",
    "Source",
    "build_pack",
    "bundled_beds",
    "has_beds",
    "only_run",
    "planned_import",
    "prepare_pack",
    "present_beds",
    "read_script",
]

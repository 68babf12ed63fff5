"""What may be said: kinds, clips, packs, the bank, selection, configuration."""

from ._assignment import checked_shares, dealt
from ._bank import ClipBank, load_pack
from ._behaviors import Behaviors
from ._clip import Clip, CutMark, Samples
from ._config import (
    Config,
    Costs,
    Handoff,
    Handoffs,
    KindSettings,
    LadderStep,
    Limits,
    OutputSettings,
    Prediction,
    Reply,
    Selection,
    load_config,
    overlaid,
)
from ._decode import MAX_CLIP_S, with_soft_edges
from ._errors import ConfigError, OutputError, PackError, StopgapError, TraceError, UsageError
from ._fork import put_right_in_children
from ._kinds import BED_KINDS, SPOKEN_KINDS, Kind
from ._language import LanguageTag, primary_language
from ._level import rms_dbfs as loudness_dbfs
from ._manifest import (
    ClipEntry,
    CutMarkEntry,
    Manifest,
    StepEntry,
    bundled_folder,
    bundled_packs,
    find_pack,
    read_manifest,
)
from ._override import Alternative, Behavior, ConfiguredBehavior, Count, FillerOverride, LimitsOverride, Override
from ._preparation import PreparationSettings
from ._problems import problems
from ._selection import NO_LANGUAGE, Selector, Wanted, absent_phrases, matching_phrases, usable_clips
from ._triggers import Signals
from ._validation import Section, read_toml, validated

__all__ = [
    "BED_KINDS",
    "MAX_CLIP_S",
    "NO_LANGUAGE",
    "SPOKEN_KINDS",
    "Alternative",
    "Behavior",
    "Behaviors",
    "Clip",
    "ClipBank",
    "ClipEntry",
    "Config",
    "ConfigError",
    "ConfiguredBehavior",
    "Costs",
    "Count",
    "CutMark",
    "CutMarkEntry",
    "FillerOverride",
    "Handoff",
    "Handoffs",
    "Kind",
    "KindSettings",
    "LadderStep",
    "LanguageTag",
    "Limits",
    "LimitsOverride",
    "Manifest",
    "OutputError",
    "OutputSettings",
    "Override",
    "PackError",
    "Prediction",
    "PreparationSettings",
    "Reply",
    "Samples",
    "Section",
    "Selection",
    "Selector",
    "Signals",
    "StepEntry",
    "StopgapError",
    "TraceError",
    "UsageError",
    "Wanted",
    "absent_phrases",
    "bundled_folder",
    "bundled_packs",
    "checked_shares",
    "dealt",
    "find_pack",
    "load_config",
    "load_pack",
    "loudness_dbfs",
    "matching_phrases",
    "overlaid",
    "primary_language",
    "problems",
    "put_right_in_children",
    "read_manifest",
    "read_toml",
    "usable_clips",
    "validated",
    "with_soft_edges",
]

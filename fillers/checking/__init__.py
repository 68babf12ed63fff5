"""What is wrong with a pack, or could sound better: for those who make packs."""

from ._coverage import Tally, coverage_of
from ._finding import Finding, Severity
from ._report import PackReport, check_pack

__all__ = ["Finding", "PackReport", "Severity", "Tally", "check_pack", "coverage_of"]

"""What a process and its children take, as Linux tells it."""

import os
from collections.abc import Iterator
from pathlib import Path


class Processes:
    """A process and all that it has started.

    Args:
        pid: The process's id.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid

    @property
    def memory_mb(self) -> float:
        """MB of resident memory; what several share counts in each."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._all(self._pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def cpu_s(self) -> float:
        """s of processor time so far."""
        stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self._all(self._pid))
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")

    def _all(self, pid: int) -> Iterator[int]:
        yield pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from self._all(int(child))

"""Lines out of chunks that may be split anywhere."""

MAX_LINE_BYTES = 1 << 24
"""Bytes of a line by default: 16 MiB, more than a minute of 16-bit speech at 48 kHz in base64."""


class LineSplitter:
    """Collects chunks and gives whole lines, without their ends and without blank ones.

    Args:
        max_line_bytes: What is longer is dropped up to its end, and counted.
    """

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self.too_long = 0
        """Lines that were dropped."""
        self._most = max_line_bytes
        self._rest = bytearray()
        self._skipping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that *chunk* completes."""
        lines = []
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            lines.append(self._line(chunk[start:end]))
            start = end + 1
        self._keep(chunk[start:])
        return [line for line in lines if line]

    def close(self) -> list[bytes]:
        """Return the last line, if it has no end."""
        last = self._line(b"")
        return [last] if last else []

    def _line(self, end: bytes) -> bytes:
        self._keep(end)
        line = bytes(self._rest).strip()
        self._rest.clear()
        self._skipping = False
        return line

    def _keep(self, part: bytes) -> None:
        if self._skipping:
            return
        if len(self._rest) + len(part) > self._most:
            self.too_long += 1
            self._skipping = True
            self._rest.clear()
        else:
            self._rest += part

"""Standard output that somebody may stop reading, as with ``| head``."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _UntilItsReaderLeaves(io.FileIO):
    """A pipe whose reader may leave: what is written after that goes nowhere."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, and say that all was written where nobody reads."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def outlive_reader() -> None:
    """Let the command do its work to the end when nobody reads on, and say nothing of it."""
    written = sys.stdout
    written.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_UntilItsReaderLeaves(written.fileno(), "w", closefd=False)),
        encoding=written.encoding,
        errors=written.errors,
        line_buffering=written.isatty(),
    )

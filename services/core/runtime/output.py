"""Standard output that somebody may stop reading."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _UntilItsReaderLeaves(io.FileIO):
    """A pipe whose reader may leave: what is written after that goes nowhere."""

    _is_read = True

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, and say that all was written where nobody reads."""
        if self._is_read:
            try:
                return super().write(data)
            except BrokenPipeError:
                self._is_read = False
        return memoryview(data).nbytes


@contextmanager
def ends_with_its_reader() -> Iterator[None]:
    """Let a command whose output nobody reads on, as with ``| head``, do its work to the end.

    It says nothing of it and ends with its own exit code: what it changes must not depend on who
    reads.
    """
    written = sys.stdout
    written.flush()
    pipe = _UntilItsReaderLeaves(written.fileno(), "w", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(pipe),
        encoding=written.encoding,
        errors=written.errors,
        line_buffering=written.isatty(),
    )
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout = written

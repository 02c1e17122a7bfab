"""Bytes of a text that come in no longer lines, and no more of them, than can be read."""

from __future__ import annotations

import io
from typing import Any, Final

from services.ingest.files.rows import UnusableFileError

#: A line of a table has no more bytes: ten thousand columns of long numbers have less.
MAX_LINE_BYTES: Final = 4 << 20


class BoundedText(io.BufferedIOBase):
    """Reads of a file, and refuses one that would fill the memory, or never end.

    A file packed with gzip may unpack to a thousand times its size, and that to a single line.
    """

    def __init__(self, file: Any, max_bytes: int | None) -> None:
        """``max_bytes``: of all of it, unpacked; None: any number."""
        self._file = file
        self._max_bytes = max_bytes
        self._read = 0
        #: since the last line ended
        self._since = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read1(self, size: int = -1) -> bytes:
        """Read what is at hand.

        :raises UnusableFileError: a line has no end, or the whole is too large.
        """
        return self._checked(self._file.read1(size))

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, else as :meth:`read1`."""
        return self._checked(self._file.read(size))

    def tell(self) -> int:
        """Return how many bytes were read."""
        return int(self._file.tell())

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()

    def _checked(self, data: bytes) -> bytes:
        ends = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._since = len(data) - 1 - ends if ends >= 0 else self._since + len(data)
        if self._since > MAX_LINE_BYTES:
            raise UnusableFileError(f"it is no table: a line has more than {MAX_LINE_BYTES} bytes")
        self._read += len(data)
        if self._max_bytes is not None and self._read > self._max_bytes:
            raise UnusableFileError(
                f"it unpacks to more than {self._max_bytes} bytes; split it, or import it with"
                " `tonne import`"
            )
        return data

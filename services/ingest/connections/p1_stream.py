"""Telegrams out of the bytes of a P1 port: where each begins and ends; pure.

A connection begins in the midst of a telegram, and may lose bytes. A telegram begins with / and
three letters and ends with a line of !; one that is encrypted says how long it is.
"""

from __future__ import annotations

import re
from typing import Final

from services.ingest.decode.p1 import ENCRYPTED, LONGEST_BYTES

_BEGIN: Final = re.compile(rb"/[A-Za-z]{3}|" + re.escape(ENCRYPTED))
_END: Final = re.compile(rb"^!([0-9A-Fa-f]{0,4})[ \t]*\r?\n", re.MULTILINE)

#: Of an encrypted telegram: tag, length and 8 bytes of the system title; then its length.
_HEADER_BYTES: Final = 10
_LONG_FORM: Final = 0x80
_MAX_LENGTH_BYTES: Final = 2


class P1Stream:
    """Collects bytes, and gives out whole telegrams; memory is bounded."""

    def __init__(self) -> None:
        self._buffer = b""
        #: telegrams that broke off, or never ended
        self.broken = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; return the telegrams that are whole now, as they came."""
        self._buffer += data
        telegrams: list[bytes] = []
        while (telegram := self._next()) is not None:
            telegrams.append(telegram)
        return telegrams

    def _next(self) -> bytes | None:
        while True:
            begin = _BEGIN.search(self._buffer)
            if begin is None:
                # the last bytes may be the first of a beginning
                self._buffer = self._buffer[-3:]
                return None
            self._buffer = self._buffer[begin.start() :]
            length = (
                _encrypted_length(self._buffer)
                if self._buffer.startswith(ENCRYPTED)
                else self._plain_length()
            )
            if length is None and len(self._buffer) <= LONGEST_BYTES:
                return None
            if length is not None and 0 < length <= LONGEST_BYTES:
                if length > len(self._buffer):
                    return None
                telegram, self._buffer = self._buffer[:length], self._buffer[length:]
                return telegram
            self._give_up()

    def _plain_length(self) -> int | None:
        """Return the telegram's length; None: it has not ended; 0: another began before."""
        end = _END.search(self._buffer)
        again = _BEGIN.search(self._buffer, 1, len(self._buffer) if end is None else end.start())
        if again is not None and self._buffer[again.start() - 1 : again.start()] in {b"\n", b"\r"}:
            return 0
        return None if end is None else end.end()

    def _give_up(self) -> None:
        """Look for the next beginning behind this one."""
        self.broken += 1
        self._buffer = self._buffer[1:]


def _encrypted_length(buffer: bytes) -> int | None:
    """Return the length of the telegram at the beginning; None: it is not told yet."""
    if len(buffer) <= _HEADER_BYTES:
        return None
    first = buffer[_HEADER_BYTES]
    if first < _LONG_FORM:
        return _HEADER_BYTES + 1 + first
    count = first - _LONG_FORM
    if not 1 <= count <= _MAX_LENGTH_BYTES:
        return 0
    digits = buffer[_HEADER_BYTES + 1 : _HEADER_BYTES + 1 + count]
    if len(digits) < count:
        return None
    return _HEADER_BYTES + 1 + count + int.from_bytes(digits)

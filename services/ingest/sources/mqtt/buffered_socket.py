"""A socket that reads ahead and writes in bulk.

paho makes three ``recv`` calls for each packet and one ``send`` for each PUBACK; over this socket
they become one system call for many packets.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Final

_READ_AHEAD_BYTES: Final = 256 * 1024

_CLOSE_TIMEOUT_S: Final = 1.0


class BufferedSocket:
    """What paho needs of a non-blocking socket."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self._ahead = b""
        self._position = 0
        self._unsent = bytearray()

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes; from memory where there are any.

        :raises BlockingIOError: nothing has arrived.
        """
        start = self._position
        if start >= len(self._ahead):
            if size >= _READ_AHEAD_BYTES:
                return self._inner.recv(size)
            self._ahead = self._inner.recv(_READ_AHEAD_BYTES)
            start = 0
        chunk = self._ahead[start : start + size]
        self._position = start + len(chunk)
        return chunk

    def read_ahead(self) -> tuple[bytes, int]:
        """Return what arrived and was not taken, and where that begins; ask the network once.

        What the network has to say beside bytes it says to :meth:`recv`.
        """
        if self._position >= len(self._ahead):
            try:
                self._ahead = self._inner.recv(_READ_AHEAD_BYTES)
            except OSError:
                self._ahead = b""
            self._position = 0
        return self._ahead, self._position

    def take_up_to(self, position: int) -> None:
        """Count as taken what stands before ``position`` in what :meth:`read_ahead` gave."""
        self._position = position

    def pending(self) -> int:
        """Bytes that can be read without asking the network."""
        inner = self._inner.pending() if isinstance(self._inner, ssl.SSLSocket) else 0
        return len(self._ahead) - self._position + inner

    def send(self, data: bytes | bytearray) -> int:
        """Take all of ``data``; it leaves with :meth:`flush`."""
        self._unsent += data
        return len(data)

    @property
    def unsent(self) -> bool:
        """Whether :meth:`flush` has anything to do."""
        return bool(self._unsent)

    def flush(self) -> None:
        """Send as much as the network takes now.

        :raises OSError: the connection is lost.
        """
        while self._unsent:
            try:
                sent = self._inner.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            del self._unsent[:sent]

    def fileno(self) -> int:
        """Return the file descriptor, for ``select``."""
        return self._inner.fileno()

    def setblocking(self, flag: bool) -> None:
        """As of the socket underneath."""
        self._inner.setblocking(flag)

    def close(self) -> None:
        """Send what is left, wait briefly until the peer has read it, and close.

        Closed at once, with bytes of the peer unread, the connection would be reset, and the peer
        could lose what it has not read yet: the last acknowledgements.
        """
        try:
            self._inner.settimeout(_CLOSE_TIMEOUT_S)
            self._inner.sendall(self._unsent)
            self._inner.shutdown(socket.SHUT_WR)
            until = time.monotonic() + _CLOSE_TIMEOUT_S
            while self._inner.recv(_READ_AHEAD_BYTES) and time.monotonic() < until:
                continue
        except OSError:
            # the connection is gone or given up either way
            self._unsent.clear()
        finally:
            self._inner.close()

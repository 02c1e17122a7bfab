"""Many clients of live streams in one process: raw sockets, watched by epoll.

Run as a process of its own: ``python -m tests.bench.answers.watchers PORT FACILITIES COUNT``. It
says ``open`` once each client has had its first event. To each line on its input it answers with
the instants (monotonic) at which the median and the last client had the whole next event.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator

#: opened before the answers of those before are waited for
_AT_ONCE = 100
_REQUEST = (
    "GET /v1/stream?facility={} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: deflate\r\n\r\n"
)


class Watcher:
    """One client: it knows where chunks end, and nothing of what is in them."""

    __slots__ = ("_head", "_left", "events", "socket")

    def __init__(self, port: int, facility: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.socket.sendall(_REQUEST.format(facility).encode())
        #: what arrived of the answer's head, or of a chunk's; None: within a chunk
        self._head: bytes | None = b""
        self._left = 0
        #: whole chunks after the first, which is the beginning of the compressed stream
        self.events = -1

    def take(self, data: bytes) -> int:
        """Take bytes; return how many events ended with them."""
        before = self.events
        while data:
            if self._left:
                taken = min(self._left, len(data))
                self._left -= taken
                data = data[taken:]
                self.events += self._left == 0
                continue
            assert self._head is not None
            self._head += data
            end = b"\r\n\r\n" if self._head.startswith(b"HTTP/") else b"\r\n"
            head, found, data = self._head.partition(end)
            if not found:
                return self.events - before
            self._head = b""
            if not head.startswith(b"HTTP/"):
                self._left = int(head, 16) + 2
            elif not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(head.decode())
        return self.events - before


class Watchers:
    """All clients of a process."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watchers: dict[int, Watcher] = {}

    def open(self, port: int, facilities: int, count: int) -> None:
        """Open so many streams; return when each had its first event."""
        for first in range(0, count, _AT_ONCE):
            for number in range(first, min(count, first + _AT_ONCE)):
                watcher = Watcher(port, f"f{number % facilities}")
                self._watchers[watcher.socket.fileno()] = watcher
                self._epoll.register(watcher.socket, select.EPOLLIN)
            while any(watcher.events < 1 for watcher in self._watchers.values()):
                deque(self._take(), maxlen=0)

    def next_event(self) -> list[float]:
        """Return when each client had one event more than before, ascending."""
        begin = {fd: watcher.events for fd, watcher in self._watchers.items()}
        seen: list[float] = []
        while len(seen) < len(begin):
            for fd, had in self._take():
                if had == begin[fd]:
                    seen.append(time.monotonic())
        return seen

    def _take(self) -> Iterator[tuple[int, int]]:
        """Yield who has whole events by what arrived, and how many he had before."""
        for fd, _ in self._epoll.poll():
            watcher = self._watchers[fd]
            data = watcher.socket.recv(1 << 18)
            if not data:
                raise SystemExit("a stream ended")
            had = watcher.events
            if watcher.take(data):
                yield fd, had


def main() -> None:
    """Open the streams and watch them until the input ends."""
    port, facilities, count = (int(word) for word in sys.argv[1:])
    watchers = Watchers()
    watchers.open(port, facilities, count)
    print("open", flush=True)
    for _ in sys.stdin:
        print("ready", flush=True)
        seen = watchers.next_event()
        print(json.dumps([seen[len(seen) // 2], seen[-1]]), flush=True)


if __name__ == "__main__":
    main()

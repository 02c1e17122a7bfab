"""The bounded queue between a source's network thread and the pipeline's thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from services.core.runtime.broker_url import BrokerRefusalError
from services.ingest.sources.source import Message, SourceError

#: What may wait in memory, and what one batch may hold; a single message may be larger.
_INBOX_BYTES: Final = 16 << 20
_BATCH_BYTES: Final = 1 << 20


class Inbox:
    """Messages that have arrived and were not taken yet.

    It also knows how long ago the pipeline last asked for more: one that does not ask is waiting
    for the database, and what is delivered meanwhile only fills the memory.
    """

    def __init__(self, *, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0
        #: on a clock that nobody can set
        self._waiting_since_s = 0.0
        self._max_wanted = 1
        self._asking = False
        self._asked_at = time.monotonic()
        self._nudged = False
        self._failure: BaseException | None = None

    # -- the pipeline's side ------------------------------------------------------------------

    def receive(self, *, limit: int, gather_s: float, timeout_s: float) -> list[Message]:
        """See :meth:`.source.MessageSource.receive`."""
        with self._changed:
            self._asking = True
            self._max_wanted = limit
            try:
                self._changed.wait_for(
                    lambda: self._waiting or self._failure or self._nudged, timeout_s
                )
                self._nudged = False
                if self._waiting:
                    left_s = self._waiting_since_s + gather_s - time.monotonic()
                    self._changed.wait_for(self._enough, max(0, left_s))
                if self._failure is not None:
                    raise SourceError(_sentence(self._failure)) from self._failure
                return self._take(limit)
            finally:
                self._asking = False
                self._asked_at = time.monotonic()

    def _enough(self) -> bool:
        return (
            len(self._waiting) >= self._max_wanted
            or self._waiting_bytes >= _BATCH_BYTES
            or not self.has_room
            or self._failure is not None
        )

    def _take(self, limit: int) -> list[Message]:
        if len(self._waiting) <= limit and self._waiting_bytes <= _BATCH_BYTES:
            everything = list(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            return everything
        batch: list[Message] = []
        size = 0
        while self._waiting and len(batch) < limit:
            size += len(self._waiting[0].payload)
            if batch and size > _BATCH_BYTES:
                break
            message = self._waiting.popleft()
            self._waiting_bytes -= len(message.payload)
            batch.append(message)
        return batch

    def nudge(self) -> None:
        """See :meth:`.source.MessageSource.nudge`."""
        with self._changed:
            self._nudged = True
            self._changed.notify_all()

    # -- the network thread's side ------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether more may be read from the network."""
        return len(self._waiting) < self._max_waiting and self._waiting_bytes < _INBOX_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return not self._waiting

    @property
    def room(self) -> int:
        """How many more messages may come."""
        return self._max_waiting - len(self._waiting) if self.has_room else 0

    def silent_s(self) -> float:
        """For how many seconds nobody has asked for messages."""
        return 0.0 if self._asking else time.monotonic() - self._asked_at

    def put(self, messages: Sequence[Message]) -> None:
        """Add what has arrived."""
        with self._changed:
            was_empty = not self._waiting
            if was_empty:
                self._waiting_since_s = time.monotonic()
            self._waiting.extend(messages)
            self._waiting_bytes += sum([len(m.payload) for m in messages])
            if was_empty or self._enough():
                self._changed.notify_all()

    def take_back(self) -> list[Message]:
        """Take out what the broker will deliver again; what it will not, stays."""
        with self._changed:
            taken = [m for m in self._waiting if m.token is not None]
            remaining = [m for m in self._waiting if m.token is None]
            self._waiting = deque(remaining)
            self._waiting_bytes = sum(len(m.payload) for m in remaining)
            return taken

    def fail(self, failure: BaseException) -> None:
        """Let :meth:`receive` raise from now on."""
        with self._changed:
            self._failure = failure
            self._changed.notify_all()


def _sentence(failure: BaseException) -> str:
    if isinstance(failure, SourceError | BrokerRefusalError):
        return str(failure)
    return f"the connection to the broker ended with a bug: {type(failure).__name__}: {failure}"

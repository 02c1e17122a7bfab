"""What is prepared and not durable yet: written in bounded transactions, live readings first.

A device that sends what it kept for weeks may put tens of thousands of readings into one message.
In one transaction everything that comes behind it would wait for its end, so it is written piece by
piece, and between two pieces comes what arrived meanwhile.

Of two readings with one key the one that came first is still written first: both are live, or both
are history, and each kind keeps its order; or the second is history where the first was live.

A broker wants its messages acknowledged in their order. Who waits at a door for an answer does not:
what is live is answered when it is durable, however much history others have sent before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from services.core.store.factor_series.inbox import SentValues
from services.core.store.readings.quarantine import QuarantineEntry
from services.core.timeline.instants import MINUTE_US
from services.ingest.prepare import Candidate, Prepared
from services.ingest.sources.source import Message
from services.ingest.write import Outcome

#: A reading is live up to so long after its time.
_LIVE_US: Final = 60 * MINUTE_US

#: Pieces of history that may wait before no more is taken from the broker: they have to be durable
#: before it delivers their messages again (10 s as NATS is shipped).
_MAX_PIECES_WAITING: Final = 4


@dataclass(kw_only=True, slots=True)
class _Batch:
    """Messages that were received together, and how many parts of them are not durable."""

    messages: Sequence[Message]
    #: acknowledged after those that came before, and not sooner
    in_order: bool
    parts: int = 0


@dataclass(kw_only=True, slots=True)
class _Part:
    """Rows that are written in order; those before ``position`` are durable."""

    #: all that are not durable before it is
    batches: Sequence[_Batch]
    rows: Sequence[Candidate]
    quarantine: Sequence[QuarantineEntry] = ()
    factor_values: Sequence[SentValues] = ()
    position: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """One transaction."""

    rows: Sequence[Candidate]
    outcome: Outcome
    #: of which all is durable with it, those of a broker in the order in which they came
    messages: Sequence[Message]


class WriteQueue:
    """Hands prepared batches to ``write``, at most ``max_rows`` readings at once."""

    def __init__(self, write: Callable[[Prepared], Outcome], *, max_rows: int) -> None:
        self._write = write
        self._max_rows = max_rows
        #: those that are acknowledged in order
        self._batches: deque[_Batch] = deque()
        self._live: deque[_Part] = deque()
        self._history: deque[_Part] = deque()
        self._history_rows = 0

    @property
    def busy(self) -> bool:
        """Whether anything waits to be written."""
        return bool(self._live or self._history)

    @property
    def has_live(self) -> bool:
        """Whether anything waits that must not wait for history."""
        return bool(self._live)

    @property
    def full(self) -> bool:
        """Whether so much history waits that no more should be received."""
        return self._history_rows >= _MAX_PIECES_WAITING * self._max_rows

    def add(
        self, messages: Sequence[Message], prepared: Prepared, *, in_order: bool = True
    ) -> None:
        """Take over a batch; :meth:`write_piece` tells when its messages may be acknowledged.

        ``in_order``: after those of all batches before that are so, too.
        """
        rows = prepared.rows
        batches = [_Batch(messages=messages, in_order=in_order)]
        if self._history or len(rows) > self._max_rows:
            live = [row for row in rows if row.ts_us >= row.received_us - _LIVE_US]
            if len(live) < len(rows):
                old = [row for row in rows if row.ts_us < row.received_us - _LIVE_US]
                if not in_order:
                    batches = _split(messages, old)
                self._history_rows += len(old)
                self._put(self._history, batches[-1:], old)
                rows = live
        if in_order:
            self._batches += batches
        self._put(self._live, batches, rows, prepared.quarantine, prepared.factor_values)

    def _put(
        self,
        queue: deque[_Part],
        batches: Sequence[_Batch],
        rows: Sequence[Candidate],
        quarantine: Sequence[QuarantineEntry] = (),
        factor_values: Sequence[SentValues] = (),
    ) -> None:
        for batch in batches:
            batch.parts += 1
        queue.append(
            _Part(batches=batches, rows=rows, quarantine=quarantine, factor_values=factor_values)
        )

    def write_piece(self) -> Committed:
        """Write what is live, or else the oldest history; all of it is durable on return.

        Call while :attr:`busy`.
        """
        queue = self._live or self._history
        piece = Prepared()
        ended: list[_Part] = []
        taken: list[tuple[_Part, int]] = []
        room = self._max_rows
        for part in queue:
            end = min(len(part.rows), part.position + room)
            piece.rows.extend(part.rows[part.position : end])
            if part.position == 0:
                piece.quarantine.extend(part.quarantine)
                piece.factor_values.extend(part.factor_values)
            taken.append((part, end))
            room -= end - part.position
            if end == len(part.rows):
                ended.append(part)
            if room <= 0:
                break
        outcome = self._write(piece)
        for part, end in taken:
            part.position = end
        if queue is self._history:
            self._history_rows -= len(piece.rows)
        for _ in ended:
            queue.popleft()
        return Committed(rows=piece.rows, outcome=outcome, messages=self._durable(ended))

    def _durable(self, ended: Sequence[_Part]) -> list[Message]:
        """Messages that may be acknowledged, in order where MQTT wants it (MQTT-4.6.0-2)."""
        messages: list[Message] = []
        for part in ended:
            for batch in part.batches:
                batch.parts -= 1
                if not (batch.parts or batch.in_order):
                    messages += batch.messages
        while self._batches and not self._batches[0].parts:
            messages += self._batches.popleft().messages
        return messages


def _split(messages: Sequence[Message], history: Sequence[Candidate]) -> list[_Batch]:
    """Return the messages that have no history, and last those that have some."""
    # a copy whose times were put right has the token of what came
    late = {id(row.message.token) for row in history}
    return [
        _Batch(
            messages=[m for m in messages if (id(m.token) in late) is has_history], in_order=False
        )
        for has_history in (False, True)
    ]

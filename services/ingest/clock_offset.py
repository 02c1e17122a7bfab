"""By how much the clock of this machine differs from the database's, whose time counts.

Readings are believed up to a little after their arrival, so that a clock that is late would refuse
what is right, and one that is early would believe what is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import psycopg
import structlog

from services.core.runtime import metrics
from services.ingest.sources.source import Message

_log: Final = structlog.get_logger()

#: Clocks that are kept right differ by less, and slow queries make it seem no more.
TOLERANCE_S: Final = 5.0

_LOOK_EVERY_S: Final = 5.0

#: A look at the database's clock that took longer says too little.
_LONGEST_LOOK_S: Final = 1.0

#: By how much the machine's clock may gain on one that nobody can set before it is looked at anew.
_JUMP_S: Final = 1.0


class ClockOffset:
    """What is to be added to this machine's time; nothing while its clock is about right."""

    def __init__(
        self,
        *,
        wall_s: Callable[[], float] = time.time,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_s = wall_s
        self._elapsed_s = elapsed_s
        self._look_at_s = -1.0
        #: the machine's time when the other clock began, as it was at the last look
        self._base_s = 0.0
        self.offset_s = 0.0
        metrics.ingest_clock_ahead_seconds.set_function(lambda: -self.offset_s)

    @property
    def due(self) -> bool:
        """Whether :meth:`look` should be called: it is time, or the machine's clock jumped."""
        elapsed_s = self._elapsed_s()
        return (
            elapsed_s >= self._look_at_s or abs(self._wall_s() - elapsed_s - self._base_s) > _JUMP_S
        )

    def look(self, connection: psycopg.Connection[Any]) -> None:
        """Compare the clocks; ``connection`` is in autocommit mode."""
        began_s = self._elapsed_s()
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None  # noqa: S101 - a row without a table
        self._seen(row[0], began_s=began_s)

    def _seen(self, database: datetime, *, began_s: float) -> None:
        ended_s, wall_s = self._elapsed_s(), self._wall_s()
        self._base_s = wall_s - ended_s
        took_s = ended_s - began_s
        if took_s > _LONGEST_LOOK_S:
            self._look_at_s = ended_s
            return
        self._look_at_s = ended_s + _LOOK_EVERY_S
        found_s = database.timestamp() - (wall_s - took_s / 2)
        before_s, self.offset_s = self.offset_s, found_s if abs(found_s) > TOLERANCE_S else 0.0
        if abs(self.offset_s - before_s) <= TOLERANCE_S:
            return
        if self.offset_s:
            _log.warning("the clock of this machine is wrong", what=self._told())
        else:
            _log.info("the clock of this machine is right again")

    def corrected(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Date the messages by the database's clock."""
        if not self.offset_s:
            return messages
        by = timedelta(seconds=self.offset_s)
        return [
            msgspec.structs.replace(
                message,
                received_at=message.received_at + by,
                sent_before=message.sent_before and message.sent_before + by,
            )
            for message in messages
        ]

    @property
    def trouble(self) -> str | None:
        """What readiness says of it; None: nothing."""
        return self._told() if self.offset_s else None

    def _told(self) -> str:
        side = "behind" if self.offset_s > 0 else "ahead of"
        return (
            f"the clock of ingest's machine is {abs(self.offset_s):.0f} s {side} the database's,"
            " whose time is used; check the time synchronisation of both"
        )

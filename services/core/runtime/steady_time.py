"""The time that totals move by: the database's, unless it jumps.

Every process that shares a database goes by its clock, so that all of them have one. Between two
looks at it, and where it jumps, time goes on as this machine's monotonic clock does, which nobody
can set. A jump is believed when the new time has gone on evenly for a while; a clock that was set
wrong and put right again before that leaves no trace.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.core.runtime.clock import Clock, SystemClock

_log: Final = structlog.get_logger()

#: Clocks that are kept right differ by less, and slow queries make it seem no more.
TOLERANCE_S: Final = 5.0

#: A new time is believed after it has gone on evenly for so long.
BELIEVED_AFTER_S: Final = 300.0

#: A look at the database's clock that took longer says too little.
_LONGEST_LOOK_S: Final = 1.0


def elapsed_s() -> float:
    """Seconds on a clock that only rises; the machine's sleep counts where it can be told."""
    source = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if source is None else time.clock_gettime(source)


class SteadyTime:
    """A clock for :class:`Clock`'s users; whoever has a connection lets it look at the database."""

    def __init__(
        self,
        *,
        machine: Clock | None = None,
        elapsed_s: Callable[[], float] = elapsed_s,
        believed_after_s: float = BELIEVED_AFTER_S,
    ) -> None:
        self._machine = SystemClock() if machine is None else machine
        self._elapsed_s = elapsed_s
        self._believed_after_s = believed_after_s
        #: the time that is believed, and when it was so: one value, for other threads ask as well
        self._anchor: tuple[datetime, float] | None = None
        #: by how much the database's clock jumped, and since when it says so
        self._jump_s: float | None = None
        self._jumped_at_s = 0.0
        self._machine_ahead_s = 0.0
        self._machine_is_said = False
        self._adopted_s = 0.0
        self._steady_since_s = 0.0
        #: how many jumps began or ended
        self.turns = 0

    def now(self) -> datetime:
        """Return the current instant, aware, UTC; by the machine until the database's was seen."""
        if self._anchor is None:
            return self._machine.now()
        return self._instant(self._elapsed_s())

    @property
    def believed(self) -> datetime | None:
        """The current instant by the database's clock as it is believed; None: it was never seen.

        By this what is written is dated: a machine's own clock dates nothing.
        """
        return None if self._anchor is None else self.now()

    def begin_look(self) -> float:
        """Call before the database is asked for ``clock_timestamp()``."""
        return self._elapsed_s()

    def observe(self, database: datetime, *, began_s: float) -> None:
        """Take in what the database's clock said to a look that began at ``began_s``."""
        now_s = self._elapsed_s()
        if now_s - began_s > _LONGEST_LOOK_S:
            return
        if self._anchor is None:
            self._steady_since_s = now_s
            self._believe(database - timedelta(seconds=self._adopted_s), now_s)
        self._see_machine(database, now_s)
        jump_s = (database - self._instant(now_s)).total_seconds()
        if abs(jump_s) <= TOLERANCE_S:
            if self._jump_s is not None:
                _log.warning("the database's clock is right again")
                self.turns += 1
                self._steady_since_s = now_s
            self._believe(database, now_s)
        elif self._jump_s is None or abs(jump_s - self._jump_s) > TOLERANCE_S:
            self._jump_s, self._jumped_at_s = jump_s, now_s
            self._steady_since_s = now_s
            self.turns += 1
            _log.error("the database's clock jumped", by_s=round(jump_s, 1), held=self.now())
        elif now_s - self._jumped_at_s >= self._believed_after_s:
            _log.warning("the database's clock is believed after its jump", by_s=round(jump_s, 1))
            self._believe(database, now_s)

    def adopt(self, jump_s: float) -> None:
        """Take over from another process that the database's clock jumped; call before looks."""
        if self._anchor is None:
            self._adopted_s = jump_s

    @property
    def steady(self) -> bool:
        """Whether time went on evenly for a while: what cannot be undone may be done."""
        return (
            not self.is_frozen
            and self._elapsed_s() - self._steady_since_s >= self._believed_after_s
        )

    @property
    def is_frozen(self) -> bool:
        """Whether a jump is not believed yet: what cannot be undone has to wait."""
        return self._jump_s is not None

    @property
    def jump_s(self) -> float:
        """By how many seconds the database's clock jumped and is not believed; 0: not at all."""
        return self._jump_s or 0.0

    @property
    def machine_ahead_s(self) -> float:
        """Seconds by which this machine's clock is ahead of the database's, as that was or is."""
        return self._machine_ahead_s

    def notices(self) -> list[dict[str, str]]:
        """Return what readiness should say of the clocks."""
        notices = []
        if self._jump_s is not None:
            notices.append(
                {
                    "code": "clock-jumped",
                    "detail": f"the database's clock jumped by {_text(self._jump_s)}: no hour is"
                    " closed and time goes on as before until it has been steady for"
                    f" {self._believed_after_s:.0f} s; check the time synchronisation of its"
                    " machine",
                }
            )
        if abs(self._machine_ahead_s) > TOLERANCE_S:
            side = "ahead of" if self._machine_ahead_s > 0 else "behind"
            notices.append(
                {
                    "code": "clock-differs",
                    "detail": f"the machine's clock is {_text(abs(self._machine_ahead_s))} {side}"
                    " the database's, whose time is used; check the time synchronisation of both",
                }
            )
        return notices

    def _see_machine(self, database: datetime, now_s: float) -> None:
        """Compare this machine's clock with the database's; one that jumped with it is no other."""
        machine = self._machine.now()
        self._machine_ahead_s = min(
            ((machine - other).total_seconds() for other in (database, self._instant(now_s))),
            key=abs,
        )
        differs = abs(self._machine_ahead_s) > TOLERANCE_S
        if differs != self._machine_is_said:
            self._machine_is_said = differs
            if differs:
                _log.warning("this machine's clock is wrong", ahead_s=round(self._machine_ahead_s))
            else:
                _log.info("this machine's clock is right again")

    def _instant(self, elapsed_s: float) -> datetime:
        assert self._anchor is not None  # noqa: S101 - both callers know
        instant, since_s = self._anchor
        return instant + timedelta(seconds=elapsed_s - since_s)

    def _believe(self, instant: datetime, now_s: float) -> None:
        self._anchor, self._jump_s = (instant, now_s), None


def _text(seconds: float) -> str:
    return f"{seconds:.0f} s"

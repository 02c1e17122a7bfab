"""Days since the epoch, in UTC: what is packed is packed by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.instants import DAY, DAY_US, EPOCH

Integers = NDArray[np.int64]

#: Nothing younger is packed: the functions of the database that pack refuse it.
NEVER_PACKED: Final = 2 * DAY


def day_of(us: int) -> int:
    """Return the day since the epoch (UTC) that holds an instant in microseconds."""
    return us // DAY_US


def days_of(us: Integers) -> Integers:
    """Return the day since the epoch of each instant."""
    return us // DAY_US


def date_of(day: int) -> str:
    """Return a day since the epoch as a date."""
    return f"{EPOCH + timedelta(days=day):%Y-%m-%d}"


def begin(day: int) -> datetime:
    """Return when a day since the epoch begins."""
    return datetime.fromtimestamp(day * 86_400, UTC)


def instants(us: Integers) -> NDArray[np.datetime64]:
    """Return instants as a parameter of type ``timestamptz[]``."""
    return us.astype("datetime64[us]")


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedDay:
    """A day that was packed, or several."""

    rows: int
    #: of what was packed, without what the row itself takes
    packed_bytes: int
    days: int = 1

    def __add__(self, other: PackedDay) -> PackedDay:
        """Return both together."""
        return PackedDay(
            rows=self.rows + other.rows,
            packed_bytes=self.packed_bytes + other.packed_bytes,
            days=self.days + other.days,
        )


NOTHING_PACKED: Final = PackedDay(rows=0, packed_bytes=0, days=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What may be packed: whose it is, and what packs it once the facility is held."""

    facility_id: int
    pack: Callable[[], PackedDay]
    #: of several days what packs each alone, for where one of them cannot be packed
    by_day: Mapping[int, Callable[[], PackedDay]] = field(default_factory=dict)


class DamagedDayError(RuntimeError):
    """What there is of a day is packed, and damaged; the text says which and what to do."""

    def __init__(self, kind: str, day: int, reason: str, table: str) -> None:
        super().__init__(
            f"the packed {kind} on {date_of(day)} are damaged: {reason}; bring that row of"
            f" {table} back from a backup"
        )
        self.day = day

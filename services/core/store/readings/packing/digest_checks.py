"""Whether packed rows hold what was packed: the database took their digests of the readings.

What answers and computes unpacks the series alone, and takes no digest. Who may pack could put
other readings in the place of those that were taken, in a form that unpacks well: the digest, which
the aggregator's login cannot write, tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from services.core.store.packing.days import DamagedDayError
from services.core.store.readings.packing.columns import digest
from services.core.store.readings.packing.days import damaged, unpacked
from services.core.store.schema.packed_runs import overlapping

#: Of all channels: those that no source reads are shown, and may be watched.
_CHANNELS: Final = """
SELECT c.id, f.slug, d.slug || '.' || c.slug
FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
WHERE (%(facilities)s::text[] IS NULL OR f.slug = ANY(%(facilities)s))
  AND EXISTS (SELECT FROM packed_readings p WHERE p.channel_id = c.id)
ORDER BY f.slug, d.slug, c.slug
"""

#: Those that are in the archive alone hold nothing that could be checked.
_ROWS: Final = f"""
SELECT p.day, p.days, p.digest, p.series, p.arrival FROM packed_readings p
WHERE p.channel_id = %(channel)s AND p.series IS NOT NULL
  AND {overlapping("%(first)s::int4", "%(last)s::int4")}
ORDER BY p.day
"""  # noqa: S608 - constants

_OTHERS: Final = "its readings are others than those that were packed"
_DAY_S: Final = 86_400
#: Days since the epoch before and after all that are stored.
_EVER: Final = (-(2**30), 2**30)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedRow:
    """A packed row that does not hold what was packed."""

    facility: str
    channel: str
    #: the first of the row, since the epoch
    day: int
    reason: str


def changed(
    connection: psycopg.Connection[Any],
    facilities: Sequence[str] | None,
    begins: datetime | None,
    ends: datetime | None,
) -> Iterator[ChangedRow]:
    """Yield the rows of facilities, None: of all, that do not hold what was packed.

    ``begins``, ``ends``: rows that have any day between them; None: however early or late.
    """
    first = _EVER[0] if begins is None else int(begins.timestamp() // _DAY_S)
    last = _EVER[1] if ends is None else int(-(-ends.timestamp() // _DAY_S)) - 1
    channels = connection.execute(_CHANNELS, {"facilities": facilities}).fetchall()
    for channel_id, facility, channel in channels:
        parameters = {"channel": channel_id, "first": first, "last": last}
        with connection.cursor() as cursor:
            # one by one: all of a channel may be more than fits into memory
            for day, *row in cursor.stream(_ROWS, parameters):
                reason = _objection(channel_id, day, *row)
                if reason is not None:
                    yield ChangedRow(facility=facility, channel=channel, day=day, reason=reason)


def _objection(
    channel_id: int,
    day: int,
    days: int,
    taken: bytes,
    series: bytes,
    arrival: bytes,
) -> str | None:
    try:
        readings = unpacked(channel_id, day, days, series, arrival)
    except DamagedDayError as error:
        return str(error)
    if digest(readings.sent()) == bytes(taken):
        return None
    return str(damaged(channel_id, day, _OTHERS))

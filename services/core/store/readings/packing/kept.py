"""Whether packed rows hold what was packed: the database took their digests of the readings.

What answers and computes unpacks the series alone, and takes no digest. Who may pack could put
other readings in the place of those that were taken, in a form that unpacks well: the digest, which
nobody but the function that took them can write, tells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import psycopg

from services.core.store.packing.days import DamagedDayError
from services.core.store.readings.packing.columns import digest
from services.core.store.readings.packing.days import damaged, unpacked
from services.core.store.schema.packed_runs import overlapping

_ROWS: Final = f"""
SELECT p.channel_id, p.day, p.days, p.digest, p.series, p.arrival FROM packed_readings p
WHERE p.channel_id = ANY(%(channels)s::int8[]) AND p.series IS NOT NULL
  AND {overlapping("%(first)s::int4", "%(last)s::int4")}
ORDER BY p.channel_id, p.day
"""  # noqa: S608 - constants

_OTHERS: Final = "its readings are others than those that were packed"


def changed(
    connection: psycopg.Connection[Any], channels: Collection[int], first_day: int, last_day: int
) -> Iterator[tuple[int, DamagedDayError]]:
    """Yield the first day of each row that does not hold what was packed, and what is wrong.

    Days are since the epoch, both ends included; rows that are in the archive alone are left out.
    """
    if not channels:
        return
    parameters = {"channels": list(channels), "first": first_day, "last": last_day}
    for channel_id, day, days, taken, series, arrival in connection.execute(_ROWS, parameters):
        try:
            readings = unpacked(channel_id, day, days, series, arrival)
        except DamagedDayError as error:
            yield day, error
        else:
            if digest(readings.sent()) != bytes(taken):
                yield day, damaged(channel_id, day, _OTHERS)

"""The newest readings of the channels that a facility's sources are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

import numpy as np
import psycopg

from services.core.accounting.present_rate import NewestReadings
from services.core.store.packing.days import day_of
from services.core.store.readings import history
from services.core.store.readings.known_since import readings_then
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.timeline.instants import to_us

#: Of each source its channels that have readings.
NewestBySource = Mapping[int, tuple[NewestReadings, ...]]

#: Older readings say nothing of a rate of now.
_OLDEST: Final = timedelta(days=31)

_CHANNELS: LiteralString = """
    FROM source s JOIN source_input i ON i.source_id = s.id JOIN channel c ON c.id = i.channel_id
"""
_COLUMNS: LiteralString = (
    "i.source_id, c.kind, coalesce(CAST(c.spec ->> 'max_gap' AS float8), 0) AS max_gap_s"
)

#: SQL of one row of arrays: of thousands of channels the driver would take longer than the
#: database. What is packed is older. It is of the sources of the facilities ``f``, a table. Without
#: the OFFSET each use of the times would be a plan of its own, with all chunks of readings in it.
NEWEST: Final[LiteralString] = f"""
SELECT array_agg(source_id) AS input_source_id, array_agg(kind) AS input_kind,
       array_agg(max_gap_s) AS input_max_gap_s, array_agg(newest) AS input_newest,
       array_agg(before) AS input_before
FROM (
    SELECT {_COLUMNS}, r.times[1] AS newest, r.times[2] AS before
    {_CHANNELS}
    CROSS JOIN LATERAL (SELECT ARRAY(
        SELECT ts FROM public.reading
        WHERE channel_id = c.id AND value IS NOT NULL AND quality <= 1
          AND ts <= %(now)s AND ts > %(oldest)s
        ORDER BY ts DESC LIMIT 2) AS times OFFSET 0) r
    WHERE s.facility_id = (SELECT id FROM f) AND s.active AND r.times[1] IS NOT NULL
) x
"""  # noqa: S608 - constants
_NEWEST_COLUMNS: Final = ("source_id", "kind", "max_gap_s", "newest", "before")

_OF_SOURCES: LiteralString = f"""
SELECT x.channel_id, x.source_id, x.kind, x.max_gap_s,
       array_agg(r.ts ORDER BY r.ts DESC) AS times
FROM (SELECT c.id AS channel_id, {_COLUMNS} {_CHANNELS} WHERE s.id = ANY(%(sources)s)) x
CROSS JOIN LATERAL ({
    readings_then(
        "ts <= %(as_of)s::timestamptz AND ts > %(oldest)s::timestamptz"
        " AND value IS NOT NULL AND quality <= 1",
        "ORDER BY ts DESC LIMIT 2",
    )
}) r
GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - constants


def newest_keys(now: datetime) -> dict[str, datetime]:
    """Return the parameters of :data:`NEWEST`: usable readings of 31 days up to ``now``."""
    return {"now": now, "oldest": now - _OLDEST}


def newest_readings(row: Mapping[str, Any]) -> NewestBySource:
    """Return what :data:`NEWEST` gave."""
    columns = (row[f"input_{name}"] or () for name in _NEWEST_COLUMNS)
    return _by_source(zip(*columns, strict=True))


def newest_readings_as_known(
    connection: psycopg.Connection[Any], source_ids: Sequence[int], as_of: datetime
) -> NewestBySource:
    """Read the newest usable readings of 31 days up to ``as_of`` that stood then.

    None of any channel where what is asked for of one of them is in the archive alone.
    """
    keys = {"sources": list(source_ids), "as_of": as_of, "oldest": as_of - _OLDEST}
    channels = np.array(
        connection.execute(
            "SELECT DISTINCT channel_id FROM source_input WHERE source_id = ANY(%(sources)s)", keys
        ).fetchall(),
        dtype=np.int64,
    ).reshape(-1)
    day = np.full(channels.size, day_of(to_us(as_of)))
    try:
        history.open_days(
            connection,
            channels=channels,
            firsts=day,
            lasts=day,
            before=np.full(channels.size, 2),
            oldest=day_of(to_us(as_of - _OLDEST)),
            as_of=as_of,
        )
    except ArchivedDayError:
        return {}
    rows = connection.execute(_OF_SOURCES, keys).fetchall()
    return _by_source(
        (source_id, kind, max_gap_s, *times, *(None for _ in range(2 - len(times))))
        for _, source_id, kind, max_gap_s, times in rows
    )


def _by_source(rows: Iterable[Sequence[Any]]) -> NewestBySource:
    by_source: dict[int, tuple[NewestReadings, ...]] = {}
    for source_id, kind, max_gap_s, newest, before in rows:
        channel = NewestReadings(
            kind=kind, max_gap=timedelta(seconds=max_gap_s), newest=newest, before=before
        )
        by_source[source_id] = (*by_source.get(source_id, ()), channel)
    return by_source

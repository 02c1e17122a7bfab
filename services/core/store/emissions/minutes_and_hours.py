"""Writes what the aggregator computed: minutes, hours with their ledger, rolling totals.

Everything is kept by difference: a minute that changes by d changes its hour and every rolling
total it stands in by d. Figures are integers, so this is exact in any order, and the cost does not
depend on how long a window is or how much history there is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from services.core.store.database.arrays import loaded
from services.core.store.emissions.hour_quality import hour_quality

# Only minutes that differ are written; one that nothing is known of, and never was, is not.
# The LATERAL makes the planner look each minute up instead of reading the hypertable; `oldest`
# and `newest` keep it from looking in other chunks.
# What closing added is left alone: it is the hour's matter, set when the hour is judged again.
_RECORD = """
WITH changed AS (
    SELECT s.source_id, s.minute AS at, t.minute, s.co2_ug, s.co2e_ug, s.market_ug,
           a.activity_n, a.activity, s.covered_ms, s.estimated_ms,
           s.co2_ug - coalesce(m.co2_ug, 0) AS d_co2_ug,
           s.co2e_ug - coalesce(m.co2e_ug, 0) AS d_co2e_ug,
           s.market_ug - coalesce(m.market_ug, 0) AS d_market_ug,
           coalesce(a.activity_n, 0) - coalesce(m.activity_n, 0) AS d_activity_n,
           s.covered_ms - coalesce(m.covered_ms, 0) AS d_covered_ms,
           s.estimated_ms - coalesce(m.estimated_ms, 0) AS d_estimated_ms
    FROM unnest(%(sources)s::int4[], %(minutes)s::int4[], %(co2_ug)s::int8[], %(co2e_ug)s::int8[],
                %(market_ug)s::int8[], %(activity_n)s::int8[], %(activity)s::float8[],
                %(has_activity)s::bool[], %(covered_ms)s::int4[], %(estimated_ms)s::int4[])
         AS s(source_id, minute, co2_ug, co2e_ug, market_ug, activity_n, activity, has_activity,
              covered_ms, estimated_ms)
    CROSS JOIN LATERAL (
        SELECT timestamptz 'epoch' + s.minute * interval '1 minute' AS minute) t
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.has_activity THEN s.activity_n END AS activity_n,
               CASE WHEN s.has_activity THEN s.activity END AS activity) a
    LEFT JOIN LATERAL (
        SELECT * FROM emission_minute e
        WHERE e.source_id = s.source_id AND e.minute = t.minute
          AND e.minute BETWEEN %(oldest)s::timestamptz AND %(newest)s::timestamptz
        LIMIT 1) m ON true
    WHERE (m.source_id IS NULL AND s.covered_ms > 0)
       OR (m.source_id IS NOT NULL
           AND (m.co2_ug, m.co2e_ug, m.market_ug, m.activity_n, m.activity, m.covered_ms,
                m.estimated_ms)
           IS DISTINCT FROM
               (s.co2_ug, s.co2e_ug, s.market_ug, a.activity_n, a.activity, s.covered_ms,
                s.estimated_ms))
), written AS (
    INSERT INTO emission_minute
        (source_id, minute, co2_ug, co2e_ug, market_ug, activity_n, activity, covered_ms,
         estimated_ms)
    SELECT source_id, minute, co2_ug, co2e_ug, market_ug, activity_n, activity, covered_ms,
           estimated_ms
    FROM changed
    ON CONFLICT (source_id, minute) DO UPDATE
    SET co2_ug = excluded.co2_ug, co2e_ug = excluded.co2e_ug, market_ug = excluded.market_ug,
        activity_n = excluded.activity_n, activity = excluded.activity,
        covered_ms = excluded.covered_ms, estimated_ms = excluded.estimated_ms
)
SELECT array_send(array_agg(source_id)), array_send(array_agg(at)),
       array_send(array_agg(d_co2_ug)), array_send(array_agg(d_co2e_ug)),
       array_send(array_agg(d_market_ug)), array_send(array_agg(d_activity_n)),
       array_send(array_agg(activity_n IS NOT NULL)), array_send(array_agg(d_covered_ms)),
       array_send(array_agg(d_estimated_ms))
FROM changed
"""

_CHANGES = """
unnest(%(sources)s::int4[], %(minutes)s::int4[], %(co2_ug)s::int8[], %(co2e_ug)s::int8[],
       %(market_ug)s::int8[], %(activity_n)s::int8[], %(has_activity)s::bool[],
       %(covered_ms)s::int4[], %(estimated_ms)s::int4[], %(closing_ms)s::int4[],
       %(substituted_ms)s::int4[])
    AS d(source_id, minute, co2_ug, co2e_ug, market_ug, activity_n, has_activity, covered_ms,
         estimated_ms, closing_ms, substituted_ms)
"""

# An hour that was final, or judged though it waits for its final figure, goes to the history
# before it changes: the ledger only ever grows. The old version ends at the very instant at which
# the new one begins to be known. Changes that cancel each other out change nothing.
_HOURS: LiteralString = (
    """
WITH d AS (
    SELECT source_id,
           timestamptz 'epoch' + make_interval(hours => minute / 60) AS hour,
           sum(co2_ug)::int8 AS co2_ug, sum(co2e_ug)::int8 AS co2e_ug,
           sum(market_ug)::int8 AS market_ug,
           sum(activity_n) FILTER (WHERE has_activity)::int8 AS activity_n,
           sum(covered_ms)::int4 AS covered_ms, sum(estimated_ms)::int4 AS estimated_ms
    FROM """
    + _CHANGES
    + """
    GROUP BY 1, 2
    HAVING (sum(co2_ug), sum(co2e_ug), sum(market_ug), sum(activity_n), sum(covered_ms),
            sum(estimated_ms)) IS DISTINCT FROM (0, 0, 0, 0, 0, 0)
), superseded AS (
    INSERT INTO emission_hour_history
        (source_id, hour, co2_ug, co2e_ug, market_ug, activity_n, covered_ms, estimated_ms,
         version, final, quality, code, reason, known_at, superseded_at)
    SELECT h.source_id, h.hour, h.co2_ug, h.co2e_ug, h.market_ug, h.activity_n, h.covered_ms,
           h.estimated_ms, h.version, h.final, h.quality, h.code, h.reason, h.known_at,
           statement_timestamp()
    FROM emission_hour h JOIN d USING (source_id, hour) WHERE h.final OR h.code IS NOT NULL
    RETURNING 1
), written AS (
    INSERT INTO emission_hour AS h
        (source_id, hour, co2_ug, co2e_ug, market_ug, activity_n, covered_ms, estimated_ms,
         version, final, quality, reason, known_at, opened_at)
    SELECT source_id, hour, co2_ug, co2e_ug, market_ug, activity_n, covered_ms, estimated_ms,
           1, false, """
    + hour_quality("covered_ms", "estimated_ms")
    + """, 'open', statement_timestamp(), statement_timestamp()
    FROM d
    ON CONFLICT (source_id, hour) DO UPDATE
    SET co2_ug = h.co2_ug + excluded.co2_ug,
        co2e_ug = h.co2e_ug + excluded.co2e_ug,
        market_ug = h.market_ug + excluded.market_ug,
        activity_n = coalesce(h.activity_n, 0) + excluded.activity_n,
        covered_ms = h.covered_ms + excluded.covered_ms,
        estimated_ms = h.estimated_ms + excluded.estimated_ms,
        version = h.version + (h.final OR h.code IS NOT NULL)::int,
        quality = """
    + hour_quality("h.covered_ms + excluded.covered_ms", "h.estimated_ms + excluded.estimated_ms")
    + """,
        reason = CASE WHEN h.final OR h.code IS NOT NULL
                      THEN %(reasons)s::jsonb ->> h.source_id::text ELSE h.reason END,
        known_at = statement_timestamp()
)
SELECT count(*) FROM superseded
"""
)

_ROLL_CHANGES: LiteralString = (
    """
UPDATE rolling_total r
SET co2_ug = r.co2_ug + c.co2_ug, co2e_ug = r.co2e_ug + c.co2e_ug,
    market_ug = r.market_ug + c.market_ug, covered_ms = r.covered_ms + c.covered_ms,
    estimated_ms = r.estimated_ms + c.estimated_ms, closing_ms = r.closing_ms + c.closing_ms,
    substituted_ms = r.substituted_ms + c.substituted_ms
FROM (
    SELECT t.source_id, t.span, sum(d.co2_ug) AS co2_ug, sum(d.co2e_ug) AS co2e_ug,
           sum(d.market_ug) AS market_ug, sum(d.covered_ms) AS covered_ms,
           sum(d.estimated_ms) AS estimated_ms, sum(d.closing_ms) AS closing_ms,
           sum(d.substituted_ms) AS substituted_ms
    FROM """
    + _CHANGES
    + """
    JOIN rolling_total t ON t.source_id = d.source_id
     AND timestamptz 'epoch' + make_interval(mins => d.minute) BETWEEN t.since AND t.upto
    GROUP BY 1, 2
) c
WHERE r.source_id = c.source_id AND r.span = c.span
"""
)


#: Of a :class:`Changes`, in the order of the statements that return them, with their types.
_COLUMNS: Mapping[str, str] = {
    "sources": ">i4",
    "minutes": ">i4",
    "co2_ug": ">i8",
    "co2e_ug": ">i8",
    "market_ug": ">i8",
    "activity_n": ">i8",
    "has_activity": "?",
    "covered_ms": ">i4",
    "estimated_ms": ">i4",
    "closing_ms": ">i4",
    "substituted_ms": ">i4",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMinutes:
    """Computed minutes of sources, in the database's integers; element i of each is a minute."""

    source_ids: NDArray[np.int64]
    minutes: NDArray[np.int64]
    co2_ug: NDArray[np.int64]
    co2e_ug: NDArray[np.int64]
    #: scope 2, market-based; as co2_ug where no contract says otherwise
    market_ug: NDArray[np.int64]
    #: None where the sources have no activity
    activity_n: NDArray[np.int64] | None
    #: the same before it was rounded
    activity: NDArray[np.float64] | None
    covered_ms: NDArray[np.int64]
    #: of it, for which the activity is known in a longer sum only
    estimated_ms: NDArray[np.int64]
    #: masses that cannot be: nothing is told of such a minute
    beyond: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """How much each minute that differed has changed, column by column.

    ``activity_n`` says something only where ``has_activity``.
    """

    columns: Mapping[str, NDArray[Any]]

    @classmethod
    def none(cls) -> Changes:
        """No change at all."""
        return cls.of_arrays([])

    @classmethod
    def of_arrays(cls, sent: Sequence[bytes | None]) -> Changes:
        """Changes from what ``array_send`` gave of each column; those missing at the end are 0."""
        found = {
            name: loaded(column, element)
            for (name, element), column in zip(_COLUMNS.items(), sent, strict=False)
        }
        size = found["sources"].size if found else 0
        for name, element in list(_COLUMNS.items())[len(found) :]:
            found[name] = np.zeros(size, dtype=np.dtype(element).newbyteorder("="))
        return cls(columns=found)

    def __len__(self) -> int:
        return len(self.columns["sources"])

    def hours(self) -> dict[int, set[int]]:
        """Hours since the epoch that hold a changed minute, by source."""
        found: dict[int, set[int]] = {}
        pairs = np.unique(
            np.stack((self.columns["sources"], self.columns["minutes"] // 60)), axis=1
        )
        for source_id, hour in pairs.T.tolist():
            found.setdefault(source_id, set()).add(hour)
        return found

    def split(self, hours: Mapping[int, Collection[int]]) -> tuple[Changes, Changes]:
        """The changes within the hours (since the epoch, by source), and the others."""
        inside = np.array(
            [
                minute // 60 in hours.get(source_id, ())
                for source_id, minute in zip(
                    self.columns["sources"].tolist(), self.columns["minutes"].tolist(), strict=True
                )
            ],
            dtype=np.bool_,
        )
        return self.where(inside), self.where(~inside)

    def where(self, chosen: NDArray[np.bool_]) -> Changes:
        """Those chosen."""
        return Changes(columns={name: column[chosen] for name, column in self.columns.items()})

    def plus(self, other: Changes) -> Changes:
        """Both sets of changes as one."""
        return Changes(
            columns={
                name: np.concatenate((column, other.columns[name]))
                for name, column in self.columns.items()
            }
        )


def record(connection: psycopg.Connection[Any], computed: Sequence[SourceMinutes]) -> Changes:
    """Write the minutes that differ from what is stored and return by how much they do."""
    minutes = np.concatenate([each.minutes for each in computed])
    if not minutes.size:
        return Changes.none()
    sizes = [each.minutes.size for each in computed]
    row = connection.execute(
        _RECORD,
        {
            "sources": np.concatenate([each.source_ids for each in computed]),
            "minutes": minutes,
            "co2_ug": np.concatenate([each.co2_ug for each in computed]),
            "co2e_ug": np.concatenate([each.co2e_ug for each in computed]),
            "market_ug": np.concatenate([each.market_ug for each in computed]),
            "activity_n": np.concatenate(
                [
                    np.zeros_like(e.minutes) if e.activity_n is None else e.activity_n
                    for e in computed
                ]
            ),
            "activity": np.concatenate(
                [np.zeros(e.minutes.size) if e.activity is None else e.activity for e in computed]
            ),
            # an amount that cannot be is none at all
            "has_activity": np.repeat([e.activity_n is not None for e in computed], sizes)
            & ~np.concatenate([each.beyond for each in computed]),
            "covered_ms": np.concatenate([each.covered_ms for each in computed]),
            "estimated_ms": np.concatenate([each.estimated_ms for each in computed]),
            "oldest": datetime.fromtimestamp(int(minutes.min()) * 60, UTC),
            "newest": datetime.fromtimestamp(int(minutes.max()) * 60, UTC),
        },
        binary=True,
        # planned anew each time: only a plan for these very minutes leaves other chunks out
        prepare=False,
    ).fetchone()
    return Changes.of_arrays(row or ())


def change_hours(
    connection: psycopg.Connection[Any], changes: Changes, reasons: Mapping[int, str]
) -> int:
    """Change the hours by their minutes' changes; return how many closed hours were restated.

    ``reasons`` by source: why, for those that were closed.
    """
    if not len(changes):
        return 0
    row = connection.execute(_HOURS, {**changes.columns, "reasons": Jsonb(reasons)}).fetchone()
    return int(row[0]) if row else 0


def change_rolling(
    connection: psycopg.Connection[Any], changes: Changes, newest_minute: int
) -> None:
    """Change the rolling totals that the changed minutes stand in; none holds a later minute."""
    standing = changes.where(changes.columns["minutes"] <= newest_minute)
    if len(standing):
        connection.execute(_ROLL_CHANGES, standing.columns)

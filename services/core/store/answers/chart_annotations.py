"""What to know of a span of time in a chart: alerts, maintenance, gaps, registers, factors ..."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.accounting.alerting.measures import MEASURES
from services.core.store.answers.data_gaps import closed_gaps
from services.core.store.packing import opened
from services.core.store.readings import history
from services.core.store.registry import watched_names

#: Up to this span gaps are told to the minute, beyond it by whole hours.
_TO_THE_MINUTE = timedelta(days=7)

#: Up to this span readings themselves are searched for registers that fell.
_SEARCHED = timedelta(days=2)

#: What titles and texts below are made of, as people read them in other languages.
TEXTS: Final = (
    "{threshold} (undone)",
    "{threshold} (projected)",
    "{name}: {measure} of {window} {value}, limit {limit}",
    "{name}: {measure} {value}, limit {limit}",
    "calibration of {channel} passed",
    "calibration of {channel} failed",
    "no data of {source}",
    "maintenance {maintenance}",
    "register of {channel}: {reason}",
    "register of {channel} fell",
    "starts at {value}",
    "factor {factor}",
    "{value} kg CO2 a {unit}, {citation}",
    "{value} kg CO2e a {unit}, {citation}",
    "{value} kg CO2 and {biogenic} kg from biomass a {unit}, {citation}",
    "{value} kg CO2e and {biogenic} kg from biomass a {unit}, {citation}",
    "{facility} is retired",
    "by {person}: {reason}",
)

#: The unit of an alert's value: that of its measure, or of the channel that is watched.
_UNIT = (
    "CASE w.spec ->> 'measure'"
    + "".join(f" WHEN '{name}' THEN '{m.unit}'" for name, m in MEASURES.items() if m.unit)
    + " ELSE coalesce(named_channel.unit, named_derived.unit) END"
)

_ALERTS = f"""
SELECT a.fired_at AS time, coalesce(a.resolved_at, a.undone_at) AS "timeEnd",
       t.slug || CASE WHEN a.undone_at IS NOT NULL THEN ' (undone)'
                      WHEN a.projected THEN ' (projected)' ELSE '' END AS title,
       concat_ws('. ', rtrim(w.spec ->> 'message', '.'), concat(
           coalesce(names.source_name, names.device_name, f.name), ': ',
           concat_ws(' ', w.spec ->> 'measure', 'of ' || (w.spec ->> 'window'),
                     coalesce(trim_scale(round(a.value::numeric, 3))::text, 'unknown'), names.unit),
           ', limit ',
           concat_ws(' ', trim_scale(round(a.limit_value::numeric, 3)), names.unit))) AS text,
       ARRAY['alert', f.slug, w.spec ->> 'severity', w.spec ->> 'source'] AS tags
FROM alert a JOIN threshold t ON t.id = a.threshold_id JOIN facility f ON f.id = a.facility_id
LEFT JOIN threshold_revision v
       ON v.threshold_id = a.threshold_id AND v.version = a.threshold_version
CROSS JOIN LATERAL (SELECT coalesce(v.spec, t.spec) AS spec) w
{watched_names.joins("a.facility_id", "w.spec")}
CROSS JOIN LATERAL (SELECT {watched_names.COLUMNS}, {_UNIT} AS unit) names
WHERE a.facility_id = ANY(:facilities) AND a.fired_at < :ends
  AND coalesce(a.resolved_at, a.undone_at, 'infinity') >= :begins
"""  # noqa: S608 - joins and measures of tonne's own

_CALIBRATIONS = """
SELECT k.ended_at, NULL::timestamptz,
       concat('calibration of ', d.slug, '.', c.slug, CASE WHEN k.passed THEN ' passed'
              ELSE ' failed' END), k.detail, ARRAY['calibration', f.slug, d.slug]
FROM calibration_test k JOIN channel c ON c.id = k.channel_id JOIN device d ON d.id = c.device_id
JOIN facility f ON f.id = d.facility_id
WHERE f.id = ANY(:facilities) AND k.ended_at >= :begins AND k.ended_at < :ends
"""

_GAPS = """
SELECT g.begins, g.ends, concat('no data of ', g.source), '', ARRAY['gap', g.facility, g.source]
FROM unnest(CAST(:gap_begins AS timestamptz[]), CAST(:gap_ends AS timestamptz[]),
            CAST(:gap_facilities AS text[]), CAST(:gap_sources AS text[]))
     AS g(begins, ends, facility, source)
WHERE g.begins < :ends
"""

_EPOCHS = """
SELECT (e ->> 'from')::timestamptz, NULL::timestamptz,
       concat('register of ', d.slug, '.', c.slug, ': ', e ->> 'reason'),
       CASE WHEN e ->> 'start' IS NULL THEN '' ELSE concat('starts at ', e ->> 'start', ' ', c.unit)
       END, ARRAY['register', f.slug, d.slug]
FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
CROSS JOIN LATERAL jsonb_array_elements(coalesce(c.spec -> 'epochs', '[]')) AS e
WHERE f.id = ANY(:facilities) AND c.active
  AND (e ->> 'from')::timestamptz >= :begins AND (e ->> 'from')::timestamptz < :ends
"""

_COUNTERS = text(
    """
SELECT c.id FROM channel c JOIN device d ON d.id = c.device_id
WHERE d.facility_id = ANY(:facilities) AND c.kind = 'counter' AND c.active
"""
)

_SOURCES = text(
    """
SELECT s.id, f.slug, s.slug FROM source s JOIN facility f ON f.id = s.facility_id
WHERE s.facility_id = ANY(:facilities) AND s.active
"""
)

_FALLS = """
SELECT r.ts, NULL::timestamptz, concat('register of ', d.slug, '.', c.slug, ' fell'),
       concat(r.before, ' -> ', r.value, ' ', c.unit), ARRAY['register', f.slug, d.slug]
FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
CROSS JOIN LATERAL (
    SELECT x.ts, x.value, lag(x.value) OVER (ORDER BY x.ts) AS before
    FROM reading x
    WHERE x.channel_id = c.id AND x.value IS NOT NULL AND x.quality <= 1
      AND x.ts >= :begins AND x.ts < :ends) r
WHERE f.id = ANY(:facilities) AND c.kind = 'counter' AND c.active AND r.value < r.before
"""

_FACTORS = """
SELECT x.valid_from::timestamp AT TIME ZONE f.timezone, NULL::timestamptz,
       concat('factor ', x.slug), concat(
           CASE WHEN x.co2_kg IS NULL THEN concat(x.co2e_kg, ' kg CO2e')
                ELSE concat(x.co2_kg, ' kg CO2') END,
           CASE WHEN x.co2_biogenic_kg <> 0
                THEN concat(' and ', x.co2_biogenic_kg, ' kg from biomass') END,
           ' a ', x.unit, ', ', x.citation),
       ARRAY['factor', f.slug, x.slug]
FROM facility f
CROSS JOIN LATERAL (
    SELECT DISTINCT coalesce(s.spec ->> k, '') AS slug
    FROM source s CROSS JOIN unnest(ARRAY['factor', 'market_factor']) AS k
    WHERE s.facility_id = f.id AND s.active) used
JOIN factor x ON x.slug = used.slug AND x.known_to IS NULL AND x.valid_from IS NOT NULL
 AND (x.facility_id = f.id OR x.facility_id IS NULL AND NOT EXISTS (
     SELECT FROM factor o WHERE o.slug = x.slug AND o.facility_id = f.id AND o.known_to IS NULL))
WHERE f.id = ANY(:facilities)
  AND x.valid_from::timestamp AT TIME ZONE f.timezone >= :begins
  AND x.valid_from::timestamp AT TIME ZONE f.timezone < :ends
"""

_MAINTENANCE = """
SELECT m.from_ts, m.to_ts, concat('maintenance ', m.slug), m.reason,
       ARRAY['maintenance', f.slug] || coalesce(m.sources, '{}')
FROM maintenance m JOIN facility f ON f.id = m.facility_id
WHERE m.active AND f.id = ANY(:facilities) AND m.from_ts < :ends AND m.to_ts > :begins
"""

_RETIREMENTS = """
SELECT r.retired_at, r.returned_at, concat(f.slug, ' is retired'),
       concat_ws(': ', concat('by ', r.retired_by), r.reason), ARRAY['facility', f.slug]
FROM facility_retirement r JOIN facility f ON f.id = r.facility_id
WHERE f.id = ANY(:facilities) AND r.retired_at < :ends
  AND coalesce(r.returned_at, 'infinity') >= :begins
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceGap:
    """A source without data; ``ends`` None: up to now."""

    facility: str
    source: str
    begins: datetime
    ends: datetime | None = None


_PARTS = {
    "facility": _RETIREMENTS,
    "alert": _ALERTS,
    "maintenance": _MAINTENANCE,
    "calibration": _CALIBRATIONS,
    "register": _EPOCHS,
    "factor": _FACTORS,
    "gap": _GAPS,
}


async def chart_annotations(
    connection: AsyncConnection,
    facility_ids: Sequence[int],
    *,
    begins: datetime,
    ends: datetime,
    kinds: Sequence[str],
    open_gaps: Sequence[SourceGap],
    limit: int,
    skip: int = 0,
) -> list[dict[str, Any]]:
    """Read annotations of the span, oldest first; ``kinds`` empty: all, ``skip``: all but so many.

    What lasts is in every span that it shares time with. ``open_gaps``: those that last, of the
    facilities, which no total says. Registers that fell without being announced are looked for in
    spans of up to two days.
    """
    searches = ends - begins <= _SEARCHED and (not kinds or "register" in kinds)
    parts = {**_PARTS, "register": f"{_EPOCHS} UNION ALL {_FALLS}"} if searches else _PARTS
    wanted = [sql for kind, sql in parts.items() if not kinds or kind in kinds]
    gaps = list(open_gaps)
    if not kinds or "gap" in kinds:
        gaps += await _closed_gaps(connection, facility_ids, begins, ends)
    statement = text(
        "SELECT * FROM ("  # noqa: S608 - parts named above
        + " UNION ALL ".join(wanted)
        + ') AS a(time, "timeEnd", title, text, tags) ORDER BY 1, 3, 4, 5'
        + " LIMIT :limit OFFSET :skip"
    )
    keys = {
        "facilities": list(facility_ids),
        "begins": begins,
        "ends": ends,
        "gap_begins": [gap.begins for gap in gaps],
        "gap_ends": [gap.ends for gap in gaps],
        "gap_facilities": [gap.facility for gap in gaps],
        "gap_sources": [gap.source for gap in gaps],
        "limit": limit,
        "skip": skip,
    }
    rows = (await connection.execute(statement, keys)).mappings().all()
    # asked last: what is packed in between is seen here
    if searches and await opened.may_be_packed(connection, opened.READINGS, begins):
        async with opened.snapshot_async(connection):
            answer = await connection.execute(_COUNTERS, {"facilities": list(facility_ids)})
            channels = list(answer.scalars())
            await connection.run_sync(lambda same: history.open_span(same, channels, begins, ends))
            rows = (await connection.execute(statement, keys)).mappings().all()
    return [{**row, "tags": [tag for tag in row["tags"] if tag is not None]} for row in rows]


async def _closed_gaps(
    connection: AsyncConnection, facility_ids: Sequence[int], begins: datetime, ends: datetime
) -> list[SourceGap]:
    rows = await connection.execute(_SOURCES, {"facilities": list(facility_ids)})
    names = {source_id: (facility, source) for source_id, facility, source in rows}
    gaps = await closed_gaps(
        connection, list(names), begins, ends, to_the_minute=ends - begins <= _TO_THE_MINUTE
    )
    return [
        SourceGap(
            facility=names[gap.source_id][0],
            source=names[gap.source_id][1],
            begins=gap.begins,
            ends=gap.ends,
        )
        for gap in gaps
    ]

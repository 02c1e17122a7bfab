"""What ``GET /v1/emissions`` answers, row by row: the definition that its columns are held against.

SQL sums each bucket, and each row is put together of plain integers. It is slow and shares nothing
with what it checks but the scalar definitions of shares, bands and stale factors.
"""

# ruff: noqa: S608 - constants

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import namedtuple_row

from services.api.models.bands import SourceMass, band_kg, masses_kg
from services.api.models.emission_table import Series
from services.api.models.emissions import Emission
from services.api.models.factor_levels import COLUMNS
from services.api.models.shares import quality, shares
from services.api.models.stale import share_stale
from services.core.store.answers.buckets import Bucket
from services.core.store.computation.hours_then import HoursThen
from services.core.store.schema.figures import IN_HOURS, MASSES, METHODS_MS, names
from services.core.timeline.instants import HOUR_US, MINUTE, to_us

_MASSES: LiteralString = "co2_ug, co2e_ug, market_ug, co2_biogenic_ug"
_AMOUNTS = (*names(MASSES), "activity_n", "exported_n")

_BUCKETS: LiteralString = """
WITH b AS (
    SELECT ordinality AS bucket, begins, ends
    FROM unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[])
         WITH ORDINALITY AS u(begins, ends)
)
"""

_FROM_MINUTES: LiteralString = (
    _BUCKETS
    + """
, x AS (
    SELECT m.source_id, width_bucket(m.minute, %(begins)s::timestamptz[]) AS bucket,
           sum(m.co2_ug + m.closing_ug) AS co2_ug, sum(m.co2e_ug + m.closing_ug) AS co2e_ug,
           sum(m.market_ug + m.closing_ug) AS market_ug,
           sum(m.co2_biogenic_ug + m.closing_biogenic_ug) AS co2_biogenic_ug,
           sum(m.activity_n) AS activity_n, sum(m.exported_n) AS exported_n,
           sum(m.covered_ms) AS covered_ms,
           sum(m.covered_ms + m.closing_ms - m.estimated_ms) AS measured_ms,
           sum(m.substituted_ms) AS substituted_ms, sum(m.estimated_ms) AS estimated_ms
    FROM minute_in_force m
    WHERE m.source_id = ANY(%(sources)s) AND m.minute >= %(first)s AND m.minute < %(last)s
      AND m.minute <= %(minute)s
      AND (m.covered_ms + m.closing_ms > 0 OR m.substituted_ms > 0)
    GROUP BY 1, 2
), h AS (
    SELECT h.source_id, {key} AS key, max(h.version) AS version, bool_and(h.final) AS final,
           count(*) FILTER (
               WHERE code IS NOT NULL AND quality IN ('missing', 'partial')) AS voided
    FROM emission_hour h
    WHERE h.source_id = ANY(%(sources)s)
      AND h.hour >= date_trunc('hour', %(first)s::timestamptz) AND h.hour < %(last)s
    GROUP BY 1, 2
)
SELECT b.bucket, s.id AS source_id, x.co2_ug, x.co2e_ug, x.market_ug, x.co2_biogenic_ug,
       x.activity_n, x.exported_n, coalesce(x.covered_ms, 0) AS covered_ms,
       coalesce(x.measured_ms, 0) AS measured_ms, coalesce(x.substituted_ms, 0) AS substituted_ms,
       coalesce(x.estimated_ms, 0) AS estimated_ms, h.version, coalesce(h.final, false) AS final,
       NULL AS quality, NULL AS code, coalesce(h.voided, 0) AS voided
FROM b CROSS JOIN unnest(%(sources)s::int[]) AS s(id)
LEFT JOIN x ON x.source_id = s.id AND x.bucket = b.bucket
LEFT JOIN h ON h.source_id = s.id AND h.key = {bucket}
ORDER BY b.bucket, s.id
"""
)
PARTS_OF_HOURS = _FROM_MINUTES.format(key="h.hour", bucket="date_trunc('hour', b.begins)")
DAYS_OF_MINUTES = _FROM_MINUTES.format(
    key="greatest(1, width_bucket(h.hour, %(begins)s::timestamptz[]))", bucket="b.bucket"
)

_HOUR: LiteralString = """
SELECT source_id, hour, co2_ug, co2e_ug, market_ug, co2_biogenic_ug, activity_n, exported_n,
       covered_ms, estimated_ms, version, final, quality, code
FROM emission_hour{history}
WHERE source_id = ANY(%(sources)s) AND hour >= %(first)s AND hour < %(last)s AND hour <= %(minute)s
"""
_FROM_HOURS: LiteralString = (
    _BUCKETS
    + """
, k AS ({versions}), v AS (
    SELECT k.source_id, k.hour, co2_ug, co2e_ug, market_ug, co2_biogenic_ug, activity_n, exported_n,
           covered_ms, version, final, quality, code, voided,
           CASE WHEN voided THEN 0
                WHEN quality = 'measured' AND code IS NOT NULL THEN 3600000
                WHEN quality = 'substituted' THEN 0
                ELSE covered_ms - estimated_ms END AS measured_ms,
           CASE quality WHEN 'substituted' THEN 3600000 ELSE 0 END AS substituted_ms,
           CASE WHEN voided THEN 0 ELSE estimated_ms END AS estimated_ms
    FROM k CROSS JOIN LATERAL (
        SELECT code IS NOT NULL AND quality IN ('missing', 'partial') AS voided) x
), x AS (
    SELECT v.source_id, width_bucket(v.hour, %(begins)s::timestamptz[]) AS bucket,
           {amounts},
           sum(v.covered_ms) AS covered_ms, sum(v.measured_ms) AS measured_ms,
           sum(v.substituted_ms) AS substituted_ms, sum(v.estimated_ms) AS estimated_ms,
           max(v.version) AS version, max(v.code) AS code,
           bool_and(v.final) AS final, count(*) AS hours,
           count(*) FILTER (WHERE voided) AS voided,
           CASE WHEN bool_and(v.quality = 'missing') THEN 'missing'
                WHEN bool_or(v.quality = 'substituted') THEN 'substituted'
                WHEN bool_or(v.quality IN ('missing', 'partial')) THEN 'partial'
                WHEN sum(v.estimated_ms) > sum(v.measured_ms) THEN 'estimated'
                ELSE 'measured' END AS quality
    FROM (SELECT *, measured_ms + substituted_ms + estimated_ms > 0 AS known FROM v) v
    GROUP BY 1, 2
)
SELECT b.bucket, s.id AS source_id, x.co2_ug, x.co2e_ug, x.market_ug, x.co2_biogenic_ug,
       x.activity_n, x.exported_n, coalesce(x.covered_ms, 0) AS covered_ms,
       coalesce(x.measured_ms, 0) AS measured_ms, coalesce(x.substituted_ms, 0) AS substituted_ms,
       coalesce(x.estimated_ms, 0) AS estimated_ms, x.version,
       coalesce(x.final AND x.hours = round(extract(epoch FROM b.ends - b.begins) / 3600), false)
           AS final,
       CASE WHEN x.quality IS NULL THEN 'missing'
            WHEN x.quality IN ('measured', 'estimated') AND x.hours
                 < extract(epoch FROM least(b.ends, %(minute)s::timestamptz) - b.begins) / 3600
            THEN 'partial' ELSE x.quality END AS quality,
       CASE WHEN b.ends <= b.begins + interval '1 hour' THEN x.code END AS code,
       coalesce(x.voided, 0) AS voided
FROM b CROSS JOIN unnest(%(sources)s::int[]) AS s(id)
LEFT JOIN x ON x.source_id = s.id AND x.bucket = b.bucket
ORDER BY b.bucket, s.id
"""
)
_SUMS: LiteralString = ", ".join(
    f"sum(v.{name}) FILTER (WHERE v.known) AS {name}" for name in _AMOUNTS
)
_AS_KNOWN: LiteralString = (
    _HOUR.replace("{history}", "")
    + " AND known_at <= %(as_of)s UNION ALL "
    + _HOUR.replace("{history}", "_history")
    + " AND known_at <= %(as_of)s AND superseded_at > %(as_of)s UNION ALL "
    + "SELECT source_id, minute_start(60 * hour), co2_ug, co2e_ug, market_ug, co2_biogenic_ug,"
    " activity_n, exported_n, covered_ms, estimated_ms, 1, false,"
    " CASE WHEN covered_ms <= 0 THEN 'missing' WHEN covered_ms < 3600000 THEN 'partial'"
    " WHEN 2 * estimated_ms > covered_ms THEN 'estimated' ELSE 'measured' END, NULL"
    " FROM unnest(%(open_sources)s::int4[], %(open_hours)s::int4[], "
    + ", ".join(f"%(open_{figure})s::{figure.type}[]" for figure in IN_HOURS)
    + ") AS o(source_id, hour, "
    + ", ".join(names(IN_HOURS))
    + ")"
)
HOURS_IN_FORCE = _FROM_HOURS.format(versions=_HOUR.replace("{history}", ""), amounts=_SUMS)
HOURS_AS_KNOWN = _FROM_HOURS.format(versions=_AS_KNOWN, amounts=_SUMS)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The part of a question that is of one time zone."""

    series: Series
    buckets: Sequence[Bucket]
    now: datetime
    then: HoursThen | None = None


def rows(
    connection: psycopg.Connection[Any], asked: Asked, statement: LiteralString
) -> list[dict[str, Any]]:
    """Return the rows by bucket and source; times are datetimes."""
    parameters: dict[str, Any] = {
        "sources": [listed.source.id for listed in asked.series.sources],
        "begins": [bucket.begins for bucket in asked.buckets],
        "ends": [bucket.ends for bucket in asked.buckets],
        "first": asked.buckets[0].begins,
        "last": asked.buckets[-1].ends,
        "minute": asked.now.replace(second=0, microsecond=0),
        "as_of": asked.now,
    }
    then = asked.then
    if then is not None:
        parameters |= {
            "open_sources": [source_id for source_id, _ in then.figures],
            "open_hours": [hour for _, hour in then.figures],
            **{
                f"open_{name}": [hour[name] for hour in then.figures.values()]
                for name in names(IN_HOURS)
            },
        }
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        found = cursor.execute(statement, parameters).fetchall()
    return [_row(asked, row) for row in found]


def _row(asked: Asked, row: Any) -> dict[str, Any]:
    part = asked.series
    listed = next(s for s in part.sources if s.source.id == row.source_id)
    source = listed.source
    bucket = asked.buckets[row.bucket - 1]
    unknown = asked.then.unknown if asked.then else {}
    begins_us, ends_us = to_us(bucket.begins), to_us(bucket.ends)
    lost = None
    for (source_id, hour), why in unknown.items():
        if source_id == source.id and begins_us <= hour * HOUR_US < ends_us:
            lost = lost or why
    masses_ug = None
    if row.co2_ug is not None and lost is None:
        masses_ug = tuple(int(getattr(row, name)) for name in names(MASSES))
    activity_n = None if row.activity_n is None or lost else int(row.activity_n)
    exported_n = None if row.exported_n is None or lost else int(row.exported_n)
    covered_ms = 0 if lost else int(row.covered_ms)
    methods_ms = [0 if lost else int(getattr(row, time)) for time in METHODS_MS]
    word = "missing" if lost else row.quality
    known_until = min(bucket.ends, asked.now.replace(second=0, microsecond=0) + MINUTE)
    length_ms = max(1.0, (known_until - bucket.begins).total_seconds() * 1000)
    coverage = min(1.0, min(covered_ms, sum(methods_ms)) / length_ms)
    account = listed.account
    by_method = shares(length_ms, methods_ms)
    masses = []
    if masses_ug is not None:
        masses.append(
            SourceMass(account=account, co2_ug=masses_ug[0], begins=bucket.begins, ends=bucket.ends)
        )
    low, high = band_kg(masses, ZoneInfo(part.timezone))
    stale, share = listed.stale, 0.0
    if stale is not None and masses_ug is not None:
        share = share_stale(stale.since, bucket.begins, known_until)
    answer = {
        "time": bucket.begins,
        "facility": listed.facility,
        "source": source.slug,
        "scope": source.scope,
        **masses_kg(masses_ug),
        "coverage": round(coverage, 6),
        "quality": word or quality(by_method),
        "version": row.version,
        "activity": None if activity_n is None else activity_n / 1e9,
        "activity_unit": source.activity_unit,
        "exported": None if exported_n is None or not source.has_export else exported_n / 1e9,
        "state": "final" if row.final and lost is None else "provisional",
        "co2_low_kg": low,
        "co2_high_kg": high,
        "counts": (account is None or account.counts) and not source.replaced,
        **{f"share_{method}": share for method, share in by_method.items()},
        "source_name": source.name,
        "code": None if lost else row.code,
        "reason": lost or _invalid(row.voided),
        "stale_factor": stale.why if share and stale is not None else None,
        "stale_factor_share": round(share, 6),
        "removal": None if account is None or account.removal is None else account.removal.kind,
        "evidence": None if account is None else account.evidence,
        "scope3_category": None if account is None else account.category,
        # no factor of these histories is a series
        **dict.fromkeys(COLUMNS),
    }
    return {name: answer[name] for name in Emission.model_fields}


def _invalid(hours: int) -> str | None:
    if not hours:
        return None
    which = "an hour was" if hours == 1 else f"{hours} hours were"
    return f"{which} found invalid by the source's rule and not filled: GET /v1/explain says why"

"""A month of a facility as China's generators prove it: sums, factors, evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row

from services.core.accounting.china_month.record import (
    Evidence,
    FacilityMonth,
    MonthFactor,
    MonthSource,
)
from services.core.accounting.hj212.stack import BEIJING
from services.core.facility.written import written
from services.core.store.answers.counted_factors import counted_factors
from services.core.store.answers.explain import NothingKnownError
from services.core.store.emissions import hour_history
from services.core.store.emissions.hour_quality import HAS_NO_VALUE
from services.core.store.emissions.hours_as_known import HOURS_IN_FORCE, by_method
from services.core.store.readings.archive import months
from services.core.store.schema.figures import FROM_BIOMASS
from services.core.timeline.instants import HOUR

_FACILITY: LiteralString = """
SELECT id, slug, name, document, file, applied_at FROM facility WHERE slug = %(facility)s
"""

_SOURCES: LiteralString = "SELECT id FROM source WHERE facility_id = %(facility)s"

_OF_VALUE: LiteralString = f"FILTER (WHERE NOT {HAS_NO_VALUE})"

_SUMS: LiteralString = f"""
SELECT s.id AS source_id, s.slug, s.scope, s.method, s.spec, coalesce(s.activity_unit, '') AS unit,
       count(k.hour) AS hours, count(*) FILTER (WHERE k.final) AS final,
       count(*) FILTER (WHERE k.version > 1) AS restated,
       sum(k.activity_n) {_OF_VALUE} AS activity_n, sum(k.co2_ug) {_OF_VALUE} AS co2_ug,
       coalesce(sum(k.{FROM_BIOMASS}) {_OF_VALUE}, 0) AS biogenic_ug,
       coalesce(sum(k.co2_ug + coalesce(k.{FROM_BIOMASS}, 0))
                FILTER (WHERE k.quality = 'substituted'), 0) AS substituted_ug,
       coalesce(sum(k.measured_ms), 0) AS measured_ms,
       coalesce(sum(k.substituted_ms), 0) AS substituted_ms,
       coalesce(sum(k.estimated_ms), 0) AS estimated_ms
FROM source s LEFT JOIN ({by_method(HOURS_IN_FORCE)}) k ON k.source_id = s.id
WHERE s.facility_id = %(facility)s
GROUP BY s.id HAVING s.active OR count(k.hour) > 0
ORDER BY s.scope, s.slug
"""  # noqa: S608 - constants

# Each hour has the operating time of the unit with each of its inputs.
_OPERATING: LiteralString = """
SELECT source_id, sum(operating_ms) FROM (
    SELECT DISTINCT ON (source_id, hour) source_id, operating_ms FROM source_hour_input
    WHERE source_id = ANY(%(sources)s) AND hour >= %(first)s AND hour < %(last)s
    ORDER BY source_id, hour, role) h
GROUP BY source_id
"""

_DOCUMENTS: LiteralString = """
SELECT e.id, d.slug || '.' || c.slug AS channel, e.first_day, e.end_day, e.amount, e.unit,
       e.document, e.imported_at, e.imported_by, w.reason AS withdrawn
FROM activity_entry e
LEFT JOIN activity_withdrawal w ON w.facility_id = e.facility_id AND w.id = e.id
JOIN channel c ON c.id = e.channel_id JOIN device d ON d.id = c.device_id
WHERE e.facility_id = %(facility)s AND e.first_day < %(end_day)s AND e.end_day > %(first_day)s
ORDER BY e.first_day, e.id
"""

_TESTS: LiteralString = """
SELECT d.slug || '.' || c.slug AS channel, t.ended_at, t.passed, t.detail
FROM calibration_test t
JOIN channel c ON c.id = t.channel_id JOIN device d ON d.id = c.device_id
WHERE d.facility_id = %(facility)s AND t.ended_at >= %(first)s AND t.ended_at < %(last)s
ORDER BY t.ended_at, 1
"""


_OF_FACTOR: Final = tuple(item.name for item in fields(MonthFactor))


def china_month(
    connection: psycopg.Connection[Any], facility: str, year: int, month: int, now: datetime
) -> FacilityMonth:
    """Read a month of Beijing time, as known now; the connection is in a snapshot.

    :raises NothingKnownError: there is no such facility, or the month has not begun.
    """
    begins = datetime(year, month, 1, tzinfo=BEIJING)
    ends = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=BEIJING)
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_FACILITY, {"facility": facility}).fetchone()
        if row is None:
            raise NothingKnownError(f"There is no facility {facility}.")
        if begins >= now:
            raise NothingKnownError(f"{year}-{month:02d} has not begun.")
        ids = [s["id"] for s in cursor.execute(_SOURCES, {"facility": row["id"]})]
        hour_history.open_span(connection, ids, begins, ends)
        asked = {
            "facility": row["id"],
            "sources": ids,
            "first": begins,
            "last": ends,
            "minute": now,
            "first_day": begins.date(),
            "end_day": ends.date(),
        }
        operating = {s["source_id"]: s["sum"] for s in cursor.execute(_OPERATING, asked).fetchall()}
        elapsed_ms = int((min(ends, now) - begins) / timedelta(milliseconds=1))
        sums = cursor.execute(_SUMS, asked).fetchall()
        factors = counted_factors(connection, ids, begins.date(), ends.date())
        documents = cursor.execute(_DOCUMENTS, asked).fetchall()
        tests = cursor.execute(_TESTS, asked).fetchall()
    files = [f for f in months.files(connection, [facility]) if _overlaps(f, begins, ends)]
    return FacilityMonth(
        facility=facility,
        name=row["name"],
        month=f"{year}-{month:02d}",
        begins=begins,
        ends=ends,
        known_at=now,
        sources=[_source(s, operating.get(s["source_id"]), elapsed_ms) for s in sums],
        factors=[MonthFactor(**{key: row[key] for key in _OF_FACTOR}) for row in factors],
        evidence=[
            _file(row),
            *_audits(row["document"], ends),
            *(_document(document) for document in documents),
            *(_test(test) for test in tests),
            *(_archived(file) for file in files),
        ],
    )


def _overlaps(file: months.ArchiveFile, begins: datetime, ends: datetime) -> bool:
    """Return whether the file's month, of UTC, shares time with the span."""
    return file.month <= ends.date() and file.month >= (begins - 32 * 24 * HOUR).date()


def _source(row: Mapping[str, Any], operating_ms: Decimal | None, elapsed_ms: int) -> MonthSource:
    spec = row["spec"]
    inputs = spec.get("inputs") or {"input": spec.get("input", "")}
    return MonthSource(
        id=row["slug"],
        name=spec.get("name") or row["slug"],
        scope=row["scope"],
        method=row["method"],
        channels=", ".join(sorted(set(inputs.values()))),
        factor=spec.get("factor") or spec.get("equation") or "",
        evidence=spec.get("evidence") or "",
        checks=spec.get("check") or "",
        activity_unit=row["unit"],
        activity=None if row["activity_n"] is None else Decimal(row["activity_n"]) / 10**9,
        co2_kg=None if row["co2_ug"] is None else Decimal(row["co2_ug"]) / 10**9,
        biogenic_kg=Decimal(row["biogenic_ug"]) / 10**9,
        substituted_kg=Decimal(row["substituted_ug"]) / 10**9,
        measured_ms=int(row["measured_ms"]),
        substituted_ms=int(row["substituted_ms"]),
        estimated_ms=int(row["estimated_ms"]),
        elapsed_ms=elapsed_ms,
        hours=row["hours"],
        hours_final=row["final"],
        hours_restated=row["restated"],
        operating_h=None if operating_ms is None else Decimal(operating_ms) / 3_600_000,
    )


def _file(row: Mapping[str, Any]) -> Evidence:
    text = written(row["document"]) if row["file"] is None else row["file"]
    return Evidence(
        kind="设施文件 facility file",
        id=f"{row['slug']}.yaml",
        subject=row["slug"],
        begins="",
        ends="",
        statement="meters, methods and factors as they are configured now",
        digest=hashlib.sha256(text.encode()).hexdigest(),
        recorded_at=row["applied_at"],
    )


def _audits(document: Mapping[str, Any], ends: datetime) -> Iterator[Evidence]:
    """Yield the newest audit of each kind of each monitor that was there before the month ended."""
    end_day = ends.date().isoformat()
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for device in document.get("devices", ()):
        for channel in device.get("channels", ()):
            for audit in channel.get("audits") or ():
                key = f"{device['id']}.{channel['id']}", audit.get("kind") or "rata"
                before = str(newest[key]["at"]) if key in newest else ""
                if before < str(audit["at"]) < end_day:
                    newest[key] = audit
    for (channel_name, kind), audit in newest.items():
        passed = audit.get("passed")
        yield Evidence(
            kind="审核 audit",
            id=kind,
            subject=channel_name,
            begins="",
            ends=str(audit["at"]),
            statement="by its runs" if passed is None else "passed" if passed else "failed",
        )


def _document(row: Mapping[str, Any]) -> Evidence:
    withdrawn = "" if row["withdrawn"] is None else f"; withdrawn: {row['withdrawn']}"
    return Evidence(
        kind="单据 document",
        id=row["id"],
        subject=row["channel"],
        begins=row["first_day"].isoformat(),
        ends=row["end_day"].isoformat(),
        statement=f"{row['amount']:g} {row['unit']}; {row['document'] or 'no document is named'}"
        f"{withdrawn}",
        recorded_at=row["imported_at"],
        by=row["imported_by"],
    )


def _test(row: Mapping[str, Any]) -> Evidence:
    return Evidence(
        kind="校准 calibration",
        id=row["ended_at"].isoformat(),
        subject=row["channel"],
        begins="",
        ends=row["ended_at"].isoformat(),
        statement=f"{'passed' if row['passed'] else 'failed'}; {row['detail']}",
    )


def _archived(file: months.ArchiveFile) -> Evidence:
    return Evidence(
        kind="原始数据 readings",
        id=file.path,
        subject=file.facility,
        begins=f"{file.month:%Y-%m}",
        ends="",
        statement=f"{file.readings} readings in {file.place}",
        digest=file.sha256.hex(),
        recorded_at=file.archived_at,
    )

"""How devices speak, and how the tests of monitors stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import psycopg
from psycopg.rows import class_row

from services.core.store.operations import audits_due
from services.core.store.operations.notices import MAX_MONITORS
from services.core.timeline.instants import from_us

#: A reading that is older says nothing of a clock.
_OLDEST: Final = timedelta(days=31)

# Readings that were timed by their arrival say nothing of a clock, and amounts of an interval may
# be timed by its beginning.
_DEVICES = """
SELECT f.slug AS facility, f.name AS facility_name, f.timezone, d.slug AS device,
       coalesce(d.spec ->> 'name', d.slug) AS name, d.last_seen, d.online, d.status_at,
       newest.ts AS newest_reading, newest.offset_s AS clock_offset_s
FROM device d JOIN facility f ON f.id = d.facility_id
LEFT JOIN LATERAL (
    SELECT max(r.ts) AS ts,
           (array_agg(extract(epoch FROM r.ts - r.received_at)::float8 ORDER BY r.ts DESC)
            FILTER (WHERE c.kind IN ('gauge', 'counter')))[1] AS offset_s
    FROM channel c CROSS JOIN LATERAL (
        SELECT x.ts, x.received_at, x.time_source FROM public.reading x
        WHERE x.channel_id = c.id AND x.ts > %(oldest)s
        ORDER BY x.ts DESC LIMIT 1) r
    WHERE c.device_id = d.id AND c.active AND r.time_source = 0) newest ON true
WHERE d.active AND f.retired_at IS NULL AND f.slug = ANY(%(facilities)s)
ORDER BY f.slug, d.slug
"""

_CALIBRATIONS = """
SELECT f.slug AS facility, f.name AS facility_name, f.timezone,
       d.slug || '.' || c.slug AS channel, 'calibration' AS test, newest.ended_at AS tested_at,
       newest.passed, newest.detail, NULL::timestamptz AS due_before,
       NULL::timestamptz AS expires_at,
       CASE WHEN newest.passed THEN 'passed' WHEN newest.passed IS NULL THEN 'none' ELSE 'failed'
       END AS state
FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
LEFT JOIN LATERAL (
    SELECT k.ended_at, k.passed, k.detail FROM calibration_test k
    WHERE k.channel_id = c.id ORDER BY k.ended_at DESC LIMIT 1) newest ON true
WHERE c.active AND d.active AND f.retired_at IS NULL AND f.slug = ANY(%(facilities)s)
  AND c.spec ->> 'calibration' IS NOT NULL
ORDER BY 1, 4
"""


class KnownFacility(Protocol):
    """A facility, as whoever asks may see it."""

    @property
    def slug(self) -> str:
        """Its id."""
        ...

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def timezone(self) -> str:
        """IANA name."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceHealth:
    """A device, and what was heard of it."""

    facility: str
    facility_name: str
    timezone: str
    device: str
    name: str
    last_seen: datetime | None
    online: bool | None
    status_at: datetime | None
    #: by the device's own clock; None: none in 31 days that is not packed, or it sends no times
    newest_reading: datetime | None
    #: how far that clock was ahead of the arrival of its newest reading of a gauge or counter;
    #: below 0: behind, or sent late
    clock_offset_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitorTest:
    """The newest test of one kind of a monitor."""

    facility: str
    facility_name: str
    timezone: str
    #: as device.channel
    channel: str
    #: calibration, rata, linearity or cga
    test: str
    #: None: there was none yet
    tested_at: datetime | None
    passed: bool | None
    detail: str | None
    #: the next audit has to be before it; None: of a calibration
    due_before: datetime | None
    #: data do not count from then on; None: of a calibration
    expires_at: datetime | None
    #: passed, failed, none, audit-due, audit-in-grace or audit-expired
    state: str


def devices_health(
    connection: psycopg.Connection[Any], facilities: Sequence[str], now: datetime
) -> list[DeviceHealth]:
    """Read the active devices of facilities, by facility and id."""
    with connection.cursor(row_factory=class_row(DeviceHealth)) as cursor:
        keys = {"facilities": list(facilities), "oldest": now - _OLDEST}
        return cursor.execute(_DEVICES, keys).fetchall()


def monitor_tests(
    connection: psycopg.Connection[Any], facilities: Sequence[KnownFacility], now: datetime
) -> list[MonitorTest]:
    """Read the newest daily calibrations and the audits that have deadlines, by facility."""
    with connection.cursor(row_factory=class_row(MonitorTest)) as cursor:
        tests = cursor.execute(
            _CALIBRATIONS, {"facilities": [facility.slug for facility in facilities]}
        ).fetchall()
    for facility in facilities:
        keys = {"facility": facility.slug, "monitors": MAX_MONITORS}
        tests += _audits(facility, connection.execute(audits_due.MONITORS, keys).fetchall(), now)
    return sorted(tests, key=lambda test: (test.facility, test.channel))


def _audits(
    facility: KnownFacility, rows: Sequence[Sequence[Any]], now: datetime
) -> Iterator[MonitorTest]:
    hour = int(now.timestamp()) // 3600
    for row in rows:
        # the row that counts what was not looked at
        if row[0] is None:
            continue
        for audit, term in audits_due.newest_audits(row):
            result = "passed" if audit.passed else "failed"
            yield MonitorTest(
                facility=facility.slug,
                facility_name=facility.name,
                timezone=facility.timezone,
                channel=row[2],
                test=audit.kind,
                tested_at=from_us(audit.ts_us),
                passed=audit.passed,
                detail=None,
                due_before=None if term is None else _hour(term.grace_from),
                expires_at=None if term is None else _hour(term.expires),
                state=result if term is None else audits_due.audit_code(term, hour) or result,
            )


def _hour(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)

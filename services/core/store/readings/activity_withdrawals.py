"""Take imported activities back: their readings are discarded, and the entry stays as withdrawn."""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg

from services.core.accounting.activity_pieces import instants_us
from services.core.store.audit.record import record
from services.core.store.readings import discards
from services.core.store.readings.discards import ChannelKey
from services.core.timeline.instants import from_us

_ENTRY: Final = """
SELECT f.id, f.timezone, c.id, d.slug || '.' || c.slug, c.unit, c.spec,
       e.first_day, e.end_day, w.withdrawn_at
FROM activity_entry e JOIN facility f ON f.id = e.facility_id JOIN channel c ON c.id = e.channel_id
JOIN device d ON d.id = c.device_id
LEFT JOIN activity_withdrawal w ON w.facility_id = e.facility_id AND w.id = e.id
WHERE f.slug = %s AND e.id = %s
"""

_ADD: Final = """
INSERT INTO activity_withdrawal (facility_id, id, withdrawn_by, reason) VALUES (%s, %s, %s, %s)
"""


class NotWithdrawnError(ValueError):
    """An activity cannot be withdrawn; the message says why."""


class UnknownActivityError(NotWithdrawnError):
    """There is no such activity."""


def withdraw(
    connection: psycopg.Connection[Any], facility: str, entry_id: str, *, by: str, reason: str
) -> int:
    """Discard what an entry counts; return its readings, fewer where some were discarded before.

    One transaction. The aggregator restates the hours that they were in.

    :raises UnknownActivityError: there is no such entry.
    :raises NotWithdrawnError: it is withdrawn already.
    :raises ArchivedDayError: its time is archived away.
    """
    with connection.transaction():
        entry = connection.execute(_ENTRY, (facility, entry_id)).fetchone()
        if entry is None:
            raise UnknownActivityError(
                f"{facility} has no activity {entry_id!r}; `tonne activities list` lists them"
            )
        *_, withdrawn_at = entry
        if withdrawn_at is not None:
            raise NotWithdrawnError(f"{entry_id!r} was withdrawn on {withdrawn_at:%Y-%m-%d}")
        facility_id, timezone, channel_id, name, unit, spec, first, end, _ = entry
        channel = ChannelKey(
            facility_id=facility_id,
            facility=facility,
            channel_id=channel_id,
            name=name,
            unit=unit,
            spec=spec,
        )
        connection.execute(_ADD, (facility_id, entry_id, by, reason))
        instants = list(map(from_us, instants_us(entry_id, first, end, ZoneInfo(timezone))))
        discarded = discards.withdraw_activity(
            connection, channel, entry_id, instants, by=by, reason=reason
        )
        record(
            connection,
            "activity.withdraw",
            by=by,
            facility=facility,
            subject=entry_id,
            before={"channel": name, "from": first, "to": end},
            after={"readings discarded": discarded},
            reason=reason,
        )
        return discarded

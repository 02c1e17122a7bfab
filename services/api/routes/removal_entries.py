"""What stands beside emissions: what sources removed, and what facility files state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.context import Reading
from services.api.http.shapes import Row
from services.api.models.removals import RemovalEntry
from services.api.routes.removal_reading import MeasuredRemovals, measured_removals
from services.core.facility.pathway import T_KG
from services.core.facility.removals import Credit, StatedRemoval
from services.core.facility.stated_amounts import day_begins, removed_kg
from services.core.store.answers.balances import balances
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.registry.stated_removals import StatedBalance
from services.core.timeline.instants import DAY, HOUR, MINUTE, to_us

#: What an entry has none of.
_NOTHING: Row = dict.fromkeys(RemovalEntry.model_fields)


async def removal_entries(
    context: Reading,
    connection: AsyncConnection,
    facilities: Sequence[FacilityRow],
    begins: datetime,
    ends: datetime,
    now: datetime,
    *,
    as_of: datetime | None,
) -> list[Row]:
    """Read the removals and credits of facilities between two whole hours, as rows."""
    rows: list[Row] = []
    stated = await balances(connection, [f.slug for f in facilities], as_of)
    measured = await measured_removals(
        context, connection, facilities, [begins, ends], now, as_of=as_of
    )
    for facility in facilities:
        zone = ZoneInfo(facility.timezone)
        rows += [
            {**_NOTHING, "facility": facility.slug, **row}
            for row in (
                *(_measured(removal, begins, ends, now) for removal in measured[facility.slug]),
                *_stated(stated.get(facility.slug), zone, begins, min(ends, now)),
            )
        ]
    return rows


def whole_hours(begins: datetime, ends: datetime) -> tuple[datetime, datetime]:
    """Return the ends of the whole hours that share time with a span."""
    first, last = (t.replace(minute=0, second=0, microsecond=0) for t in (begins, ends))
    return first, last if last == ends else last + HOUR


def _measured(removal: MeasuredRemovals, begins: datetime, ends: datetime, now: datetime) -> Row:
    account = removal.listed.account
    assert account is not None  # noqa: S101 - sources without an account remove nothing
    assert account.removal is not None  # noqa: S101 - it removes
    length_ms = max(min(ends, now) - begins, MINUTE) / timedelta(milliseconds=1)
    is_known = bool(removal.known_ms[0])
    return {
        "time": begins,
        "ends": ends,
        "id": account.slug,
        "origin": "measured",
        "kind": account.removal.kind,
        "scope": account.scope,
        "kg": float(removal.removed_kg[0]) if is_known else None,
        "stored_fossil_kg": float(removal.stored_fossil_kg[0]) if is_known else None,
        "coverage": round(min(1.0, float(removal.known_ms[0]) / length_ms), 6),
        "permanent": account.removal.permanent,
        "document": account.removal.document,
    }


def _stated(
    balance: StatedBalance | None, zone: ZoneInfo, begins: datetime, ends: datetime
) -> Iterator[Row]:
    if balance is None:
        return
    for removal in balance.removals:
        first, last = (day_begins(day, zone) for day in (removal.from_, removal.to))
        part = max(first, begins), min(last, ends)
        if part[0] < part[1]:
            yield {**_removal(removal, zone, *part), "known_at": balance.known_at}
    for credit in balance.credits:
        retired_at = day_begins(credit.retired_on, zone)
        if begins <= retired_at < ends:
            yield {**_credit(credit, retired_at), "known_at": balance.known_at}


def _removal(removal: StatedRemoval, zone: ZoneInfo, begins: datetime, ends: datetime) -> Row:
    span_us = np.array([to_us(begins)]), np.array([to_us(ends)])
    return {
        "time": begins,
        "ends": ends,
        "id": removal.id,
        "origin": "stated",
        "kind": removal.kind,
        "scope": removal.scope,
        "kg": float(removed_kg(removal, zone, *span_us)[0]),
        "permanent": removal.permanent,
        "document": removal.document,
    }


def _credit(credit: Credit, retired_at: datetime) -> Row:
    return {
        "time": retired_at,
        "ends": retired_at + DAY,
        "id": credit.id,
        "origin": "credit",
        "kind": credit.kind,
        "scope": credit.scope,
        "kg": credit.tonnes * T_KG,
        "document": credit.document,
        "registry": credit.registry,
        "serial": credit.serial,
        "first_unit": None if credit.units is None else credit.units.first,
        "last_unit": None if credit.units is None else credit.units.last,
        "vintage": credit.vintage,
        "retired_on": credit.retired_on.isoformat(),
    }

"""Values that were published, between their COMMIT by ingest and what they change.

Ingest may write no factor, and must not wait for what is computed at the moment, as
:mod:`.record` does. So it leaves them here, and the aggregator takes them from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from sqlalchemy import Connection, delete, select

from services.core.accounting.hourly_factors import Floats, Hours
from services.core.store.database import notify
from services.core.store.factor_series.names import Series
from services.core.store.factor_series.record import NewValues, Recorded, record
from services.core.store.schema.factor_series_tables import factor_inbox, factor_series
from services.core.timeline.instants import to_us

#: Who brings them, as the ledger tells it.
BY: Final = "MQTT"

_PUT: LiteralString = """
INSERT INTO factor_inbox (series_id, hours, co2_kg, known_at) VALUES (%s, %s, %s, %s)
"""

_WAITING: Final = "SELECT DISTINCT series_id FROM factor_inbox"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SentValues:
    """Values of one series, in any order."""

    series_id: int
    #: since the epoch
    hours: Hours
    #: kg of CO2 and CO2e per unit of the series; NaN: withdrawn
    kg: Floats
    #: microseconds since the epoch
    known_at_us: Hours


def put(connection: psycopg.Connection[Any], batch: Sequence[SentValues]) -> None:
    """Leave values for the aggregator, in the caller's transaction, and wake it."""
    if not batch:
        return
    for values in batch:
        connection.execute(
            _PUT,
            (
                values.series_id,
                values.hours.astype(np.int32),
                values.kg,
                values.known_at_us.view("M8[us]"),
            ),
        )
    connection.execute("SELECT pg_notify(%s, '')", (notify.FACTOR_VALUES,))


def waiting(connection: psycopg.Connection[Any]) -> list[int]:
    """Read of which series values wait."""
    return [series_id for (series_id,) in connection.execute(_WAITING)]


def take(connection: Connection, series_id: int, now_us: int) -> Recorded:
    """Record what waits of a series, in the caller's transaction.

    What is said to be known later than ``now_us``, by a clock that is ahead, is known from then on.
    """
    inbox = factor_inbox.c
    taken = connection.execute(
        delete(factor_inbox)
        .where(inbox.series_id == series_id)
        .returning(inbox.hours, inbox.co2_kg, inbox.known_at)
    ).all()
    if not taken:
        return Recorded()
    known_at_us = np.array(
        [to_us(instant) for row in taken for instant in row.known_at], dtype=np.int64
    )
    values = NewValues(
        series=_series(connection, series_id),
        hours=np.array([hour for row in taken for hour in row.hours], dtype=np.int64),
        kg=np.array([kg for row in taken for kg in row.co2_kg], dtype=np.float64),
        known_at_us=np.minimum(known_at_us, now_us),
    )
    return record(connection, [values], by=BY)


def _series(connection: Connection, series_id: int) -> Series:
    s = factor_series.c
    row = connection.execute(
        select(s.id, s.facility_id, s.slug, s.unit).where(s.id == series_id)
    ).one()
    return Series(id=row.id, facility_id=row.facility_id, slug=row.slug, unit=row.unit)

"""One history of hours for every reader, whether its months are rows or packed.

As :mod:`services.core.store.readings.history`: a reader says first which hours it is about to ask
for (:func:`open_span`), and then finds them, with those that are rows, under the names
``emission_hour`` and ``emission_hour_history``. He holds the facility, or is in a snapshot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, LiteralString

import numpy as np

from services.core.store.emissions.hour_packing.columns import HourColumns
from services.core.store.emissions.hour_packing.months import months_of, unpacked
from services.core.store.packing import opened
from services.core.store.packing.days import Integers, instants
from services.core.store.packing.opened import AnyConnection, execute
from services.core.store.schema.figures import IN_HOURS, per_figure
from services.core.store.schema.hour_packing import (
    ARRAY_TYPES,
    ARRAYS,
    IN_FORCE,
    NULLABLE,
    SUPERSEDED,
)
from services.core.timeline.instants import DAY_US, HOUR_US, from_us, to_us

if TYPE_CHECKING:
    # SQLAlchemy's asyncio loads its ORM, which the aggregator does without
    from sqlalchemy.ext.asyncio import AsyncConnection

#: Before every hour, and after.
ALWAYS: Final = datetime(1900, 1, 1, tzinfo=UTC)
FOREVER: Final = datetime(9999, 1, 1, tzinfo=UTC)

#: The packed months of sources.
_WANTED: LiteralString = """
SELECT p.id, p.source_id, p.month, p.in_force, p.superseded
FROM packed_hours p
WHERE p.source_id = ANY(%(sources)s::int8[])
"""
_NOT_OPENED: LiteralString = (
    opened.NOT_OPENED.replace("{kind}", "3")
    .replace("{owner}", "source_id")
    .replace("= p.day", "= p.month")
)


def _fill(table: LiteralString, columns: LiteralString, prefix: LiteralString) -> LiteralString:
    figures: LiteralString = (
        per_figure(IN_HOURS, "%(" + prefix + "{f})s::int8[]")
        + ", "
        + per_figure(NULLABLE, "%(" + prefix + "unknown_{f})s::bool[]")
    )
    arrays: LiteralString = ", ".join(
        f"%({prefix}{name})s::{ARRAY_TYPES[name]}[]" for name in ARRAYS
    )
    values: LiteralString = ", ".join(
        f"CASE WHEN NOT u.unknown_{f} THEN u.{f} END" if f in NULLABLE else f"u.{f}"
        for f in IN_HOURS
    )
    return f"""
INSERT INTO pg_temp.{table} ({columns})
SELECT u.source_id, u.hour, {values}, u.version, u.final, u.quality, u.code, u.reason, u.known_at,
       u.last
FROM unnest(%({prefix}source_id)s::int4[], {arrays}, {figures})
     AS u(source_id, {", ".join(ARRAYS)}, {per_figure(IN_HOURS)},
          {per_figure(NULLABLE, "unknown_{f}")})
"""  # noqa: S608 - constants


_FILL: LiteralString = (
    f"WITH versions AS ({_fill('unpacked_hour_version', SUPERSEDED, 'old_')})"
    f" {_fill('unpacked_hour', IN_FORCE, '')}"
)


def open_span(
    connection: AnyConnection,
    source_ids: Sequence[int],
    begins: datetime,
    ends: datetime,
    *,
    known_after: datetime | None = None,
    restated: bool = False,
) -> None:
    """Let queries up to the end of the transaction see packed hours of sources in a span.

    Of those that begin from ``begins`` to before ``ends``, with the versions that they replaced.
    ``known_after``: months of which nothing that is in force was known later may be left out,
    ``restated``: those of which no version was replaced.

    :raises DamagedDayError: one of the months cannot be unpacked.
    """
    if begins < ends:
        where: LiteralString = "p.last_hour >= %(begins)s AND p.first_hour < %(ends)s"
        if known_after is not None:
            where += " AND p.known_to > %(known_after)s"
        if restated:
            where += " AND p.versions > 0"
        key = {"begins": begins, "ends": ends, "known_after": known_after}
        _open(connection, source_ids, begins, where, key)


def open_known(
    connection: AnyConnection,
    source_ids: Sequence[int],
    after: datetime,
    before: datetime = FOREVER,
) -> None:
    """Let queries see packed hours of sources that came into force between two instants.

    :raises DamagedDayError: one of the months cannot be unpacked.
    """
    where: LiteralString = "p.known_to >= %(after)s AND p.known_from <= %(before)s"
    _open(connection, source_ids, ALWAYS, where, {"after": after, "before": before})


def open_each(connection: AnyConnection, source_id: int, hours: Collection[int]) -> None:
    """Let queries see packed hours of a source (since the epoch), each by itself.

    :raises DamagedDayError: one of the months cannot be unpacked.
    """
    if hours:
        months = np.unique(months_of(np.array(list(hours), dtype=np.int64)))
        first = from_us(min(hours) * HOUR_US)
        _open(connection, [source_id], first, "p.month = ANY(%(months)s)", {"months": months})


def _open(
    connection: AnyConnection,
    source_ids: Sequence[int],
    begins: datetime,
    where: LiteralString,
    key: dict[str, Any],
) -> None:
    horizon = opened.horizon(connection, opened.HOURS) if source_ids else None
    if horizon is None or to_us(begins) >= horizon.upto_day * DAY_US:
        return
    rows = execute(
        connection,
        f"{_WANTED} AND {where}{_NOT_OPENED if horizon.has_tables else ''}",
        {"sources": np.array(list(source_ids), dtype=np.int64), **key},
    ).fetchall()
    if rows:
        _show(connection, rows, has_tables=horizon.has_tables)


def open_hours(connection: AnyConnection, source_id: int, first: int, last: int) -> None:
    """Let queries see packed hours of a source from one to another (since the epoch), both too."""
    open_span(connection, [source_id], from_us(first * HOUR_US), from_us((last + 1) * HOUR_US))


@asynccontextmanager
async def reading_async(
    connection: AsyncConnection, source_ids: Sequence[int], begins: datetime, ends: datetime
) -> AsyncIterator[None]:
    """Open a transaction whose statements see the hours of sources in a span; see the module."""
    async with opened.snapshot_async(connection):
        await connection.run_sync(lambda same: open_span(same, source_ids, begins, ends))
        yield


def _show(connection: AnyConnection, rows: Sequence[Any], *, has_tables: bool) -> None:
    owners = np.array([source_id for _, source_id, *_ in rows], dtype=np.int64)
    months = np.array([month for _, _, month, *_ in rows], dtype=np.int64)
    in_force = [unpacked(source_id, month, bytes(blob)) for _, source_id, month, blob, _ in rows]
    superseded = [unpacked(source_id, month, bytes(blob)) for _, source_id, month, _, blob in rows]
    opened.show(
        connection,
        opened.HOURS,
        _FILL,
        {**_arrays("", owners, in_force), **_arrays("old_", owners, superseded)},
        owners=owners,
        days=months,
        ids=np.array([pack_id for pack_id, *_ in rows], dtype=np.int64),
        has_tables=has_tables,
    )


def _arrays(prefix: str, owners: Integers, parts: Sequence[HourColumns]) -> dict[str, Any]:
    hours = HourColumns.joined(parts)
    columns = {
        "source_id": np.repeat(owners, [len(part) for part in parts]).astype(np.int32),
        "hour": instants(hours.hour * HOUR_US),
        "version": hours.version,
        "final": hours.final,
        "quality": hours.quality.texts(),
        "code": hours.code.texts(),
        "reason": hours.reason.texts(),
        "known_at": instants(hours.known_us),
        "last": instants(hours.last_us),
        **hours.figures,
        **{f"unknown_{name}": column for name, column in hours.unknown.items()},
    }
    return {prefix + name: column for name, column in columns.items()}

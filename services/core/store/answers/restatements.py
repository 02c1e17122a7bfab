"""The ledger of restatements: every change of an hour after it was closed.

An hour that was closed leaves its old version in ``emission_hour_history`` when it changes; the
version that follows says why.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.emissions import hour_history
from services.core.store.emissions.hour_packing.months import begin
from services.core.store.packing import opened
from services.core.store.schema.figures import MASSES, per_figure

_CHANGES: Final = f"""
FROM emission_hour_history o
CROSS JOIN LATERAL (
    SELECT h.version, {per_figure(MASSES, "h.{f}")}, h.covered_ms, h.quality, h.code, h.reason,
           h.known_at
    FROM emission_hour h
    WHERE h.source_id = o.source_id AND h.hour = o.hour AND h.version = o.version + 1
    UNION ALL
    SELECT p.version, {per_figure(MASSES, "p.{f}")}, p.covered_ms, p.quality, p.code, p.reason,
           p.known_at
    FROM emission_hour_history p
    WHERE p.source_id = o.source_id AND p.hour = o.hour AND p.version = o.version + 1) n
WHERE o.source_id = ANY(:sources)
  AND (CAST(:begins AS timestamptz) IS NULL OR o.hour >= :begins)
  AND (CAST(:ends AS timestamptz) IS NULL OR o.hour < :ends)
  AND (CAST(:known_from AS timestamptz) IS NULL OR o.superseded_at >= :known_from)
  AND (CAST(:known_to AS timestamptz) IS NULL OR o.superseded_at < :known_to)
  AND (CAST(:as_of AS timestamptz) IS NULL OR o.superseded_at <= :as_of)
"""  # noqa: S608 - constants

_RESTATEMENTS = text(
    f"""
SELECT o.source_id, o.hour, n.version, ARRAY[{per_figure(MASSES, "o.{f}")}] AS old_masses_ug,
       ARRAY[{per_figure(MASSES, "n.{f}")}] AS new_masses_ug, o.covered_ms AS old_covered_ms,
       n.covered_ms AS new_covered_ms, o.quality AS old_quality, n.quality AS new_quality,
       o.code AS old_code, n.code AS new_code, n.reason, n.known_at
{_CHANGES}  AND (CAST(:after_hour AS timestamptz) IS NULL
       OR (o.hour, o.source_id, n.version) > (:after_hour, :after_source, :after_version))
ORDER BY o.hour, o.source_id, o.version LIMIT :limit
"""
)

_SUMMED = text(
    f"""
SELECT o.source_id, n.reason, count(*) AS changes, min(o.hour) AS first_hour,
       max(o.hour) AS last_hour, min(n.known_at) AS first_known_at,
       max(n.known_at) AS last_known_at,
       ARRAY[{per_figure(MASSES, "sum(n.{f} - o.{f})")}] AS differences_ug
{_CHANGES}
GROUP BY o.source_id, n.reason ORDER BY 1, 4, 2
"""
)

_PACKED = text(
    """
SELECT p.month, CAST(sum(p.versions) AS int8) FROM packed_hours p
WHERE p.source_id = ANY(:sources) AND p.versions > 0
  AND p.last_hour >= :begins AND p.first_hour < :ends
GROUP BY 1 ORDER BY 1
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RestatementRow:
    """One change; masses in micrograms, ``version`` the one that it made."""

    source_id: int
    hour: datetime
    version: int
    #: in the order of ``MASSES``, CO2 first
    old_masses_ug: Sequence[int]
    new_masses_ug: Sequence[int]
    old_covered_ms: int
    new_covered_ms: int
    old_quality: str
    new_quality: str
    old_code: str | None
    new_code: str | None
    reason: str
    known_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SummedChanges:
    """All changes of a source for one reason."""

    source_id: int
    reason: str
    changes: int
    first_hour: datetime
    last_hour: datetime
    first_known_at: datetime
    last_known_at: datetime
    #: new less old, in micrograms, in the order of ``MASSES``
    differences_ug: Sequence[int]


class Place(NamedTuple):
    """Where a row is in the ledger."""

    hour: datetime
    source_id: int
    version: int


async def restatements(
    connection: AsyncConnection,
    sources: Sequence[int],
    *,
    begins: datetime | None,
    ends: datetime | None,
    known_from: datetime | None,
    known_to: datetime | None,
    as_of: datetime | None,
    after: Place | None,
    limit: int,
) -> list[RestatementRow]:
    """Read changes by hour, source and version, at most ``limit``; the end is exclusive.

    ``begins`` and ``ends`` bound the hours, ``known_from`` and ``known_to`` the changes, of which
    those after ``as_of`` are left out.
    """
    if not sources:
        return []
    hour, source, version = after or (None, 0, 0)
    rows_so_far: list[RestatementRow] = []
    async with opened.snapshot_async(connection):
        async for from_, to in _intervals(connection, sources, hour or begins, ends, limit):
            rows = await connection.execute(
                _RESTATEMENTS,
                {
                    "sources": list(sources),
                    "begins": from_ or begins,
                    "ends": to,
                    "known_from": known_from,
                    "known_to": known_to,
                    "as_of": as_of,
                    "after_hour": hour,
                    "after_source": source,
                    "after_version": version,
                    "limit": limit - len(rows_so_far),
                },
            )
            rows_so_far += [RestatementRow(**row) for row in rows.mappings()]
            if len(rows_so_far) >= limit:
                break
    return rows_so_far


async def summed_changes(
    connection: AsyncConnection,
    sources: Sequence[int],
    *,
    begins: datetime,
    ends: datetime,
    known_from: datetime,
    as_of: datetime | None,
) -> list[SummedChanges]:
    """Add up the changes, made from ``known_from`` on, of hours before ``ends``, by reason.

    ``as_of``: those after it are left out; None: none is.
    """
    if not sources:
        return []
    asked = {
        "sources": list(sources),
        "begins": begins,
        "ends": ends,
        "known_from": known_from,
        "known_to": None,
        "as_of": as_of,
    }
    async with opened.snapshot_async(connection):
        await _open(connection, sources, begins, ends)
        rows = await connection.execute(_SUMMED, asked)
        return [
            SummedChanges(**{**row, "differences_ug": [int(ug) for ug in row["differences_ug"]]})
            for row in rows.mappings()
        ]


async def _intervals(
    connection: AsyncConnection,
    sources: Sequence[int],
    begins: datetime | None,
    ends: datetime | None,
    limit: int,
) -> AsyncIterator[tuple[datetime | None, datetime | None]]:
    """Yield one interval after the other, each once its packed hours with versions can be seen.

    An interval ends where packed months have as many versions as are asked for.
    """
    first, last = begins or hour_history.ALWAYS, ends or hour_history.FOREVER
    months = await connection.execute(
        _PACKED, {"sources": list(sources), "begins": first, "ends": last}
    )
    from_, opened_from, versions = None, first, 0
    for month, of_month in months.all():
        versions += of_month
        if versions >= limit:
            to = begin(month + 1)
            await _open(connection, sources, opened_from, to)
            yield from_, min(to, last)
            from_, opened_from, versions = to, to, 0
    if opened_from < last:
        await _open(connection, sources, opened_from, last)
        yield from_, ends


async def _open(
    connection: AsyncConnection, sources: Sequence[int], begins: datetime, ends: datetime
) -> None:
    await connection.run_sync(
        lambda same: hour_history.open_span(same, sources, begins, ends, restated=True)
    )

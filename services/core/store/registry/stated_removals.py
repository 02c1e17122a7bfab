"""Removals and credits that files state: kept with every change, and no credit twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, delete, insert, select, text

from services.core.facility.errors import ApplyError
from services.core.facility.model import Credit, FacilityFile, StatedRemoval, spec
from services.core.store.registry import revisions
from services.core.store.schema.removal_tables import credit_unit, removal_revision

_IN_FORCE: Final = """
SELECT DISTINCT ON (facility_id) facility_id, known_at, spec FROM removal_revision
WHERE facility_id = ANY(%(facilities)s)
  AND (%(as_of)s::timestamptz IS NULL OR known_at <= %(as_of)s)
ORDER BY facility_id, known_at DESC
"""

_HOLDER = text(
    """
SELECT f.slug AS facility, u.slug AS credit FROM credit_unit u
JOIN facility f ON f.id = u.facility_id
WHERE u.registry = :registry AND u.serial = :serial AND u.first <= :last AND u.last >= :first
LIMIT 1
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StatedBalance:
    """What a facility's file states of removals and credits, since when."""

    known_at: datetime
    removals: tuple[StatedRemoval, ...]
    credits: tuple[Credit, ...]


def keep(
    connection: Connection,
    facility_id: int,
    file: FacilityFile,
    changes: list[str],
    *,
    limited: bool = False,
) -> None:
    """Add what the file states, known from now on, where it differs from before.

    The registry is locked, so that nobody else takes a credit meanwhile. ``limited``: whoever
    applies may not hear of other facilities.

    :raises ApplyError: another facility has a unit of a credit.
    """
    stated = {
        "removals": [spec(removal) for removal in file.removals],
        "credits": [spec(credit) for credit in file.credits],
    }
    before = connection.scalar(
        select(removal_revision.c.spec)
        .where(removal_revision.c.facility_id == facility_id)
        .order_by(removal_revision.c.known_at.desc())
        .limit(1)
    ) or {key: [] for key in stated}
    if stated == before:
        return
    revisions.keep(connection, removal_revision, facility_id, stated)
    for key, name in (("removals", "removal"), ("credits", "credit")):
        changes += _changes(name, before[key], stated[key])
    _keep_units(connection, facility_id, file.credits, limited=limited)


def _changes(
    name: str, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> Iterable[str]:
    old, new = ({part["id"]: part for part in parts} for parts in (before, after))
    for slug, part in new.items():
        if part != old.get(slug):
            yield f"{'~' if slug in old else '+'} {name} {slug}"
    yield from (f"- {name} {slug}" for slug in old if slug not in new)


def _keep_units(
    connection: Connection, facility_id: int, stated: Sequence[Credit], *, limited: bool
) -> None:
    connection.execute(delete(credit_unit).where(credit_unit.c.facility_id == facility_id))
    for credit in stated:
        registry, serial = credit.key
        first, last = credit.unit_range
        units = {"registry": registry, "serial": serial, "first": first, "last": last}
        holder = connection.execute(_HOLDER, units).one_or_none()
        if holder is not None:
            whose = "another facility" if limited else f"{holder.credit} of {holder.facility}"
            raise ApplyError(
                f"credit {credit.id}: {credit.registry} {credit.serial} has units that {whose}"
                " retired: a credit counts once"
            )
        connection.execute(
            insert(credit_unit).values(facility_id=facility_id, slug=credit.id, **units)
        )


def stated_balances(
    connection: psycopg.Connection[Any], facility_ids: Sequence[int], as_of: datetime | None
) -> dict[int, StatedBalance]:
    """Read what facilities state, of those that do; ``as_of``: as known then, None: now."""
    rows = connection.execute(_IN_FORCE, {"facilities": list(facility_ids), "as_of": as_of})
    balances = {facility_id: balance_of(known_at, stated) for facility_id, known_at, stated in rows}
    return {
        facility_id: balance for facility_id, balance in balances.items() if balance is not None
    }


def balance_of(known_at: datetime, stated: Mapping[str, Any]) -> StatedBalance | None:
    """Return what a revision states; None: nothing."""
    if not stated["removals"] and not stated["credits"]:
        return None
    return StatedBalance(
        known_at=known_at,
        removals=tuple(StatedRemoval.model_validate(part) for part in stated["removals"]),
        credits=tuple(Credit.model_validate(part) for part in stated["credits"]),
    )

"""Contracts and certificates: kept with every change, and read as they were known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from services.core.facility.errors import ApplyError
from services.core.facility.model import Electricity, FacilityFile, spec
from services.core.store.registry import revisions
from services.core.store.schema.electricity_tables import certificate_use, electricity_revision
from services.core.store.schema.tables import facility

_IN_FORCE: Final = """
SELECT DISTINCT ON (facility_id) facility_id, spec FROM electricity_revision
WHERE facility_id = ANY(%(facilities)s)
  AND (%(as_of)s::timestamptz IS NULL OR known_at <= %(as_of)s)
ORDER BY facility_id, known_at DESC
"""


def keep(
    connection: Connection,
    facility_id: int,
    file: FacilityFile,
    changes: list[str],
    *,
    limited: bool = False,
) -> None:
    """Add what the file states of electricity, known from now on, where it differs from before.

    ``changes`` gets a line for each contract that is new, changes or goes, and for the rest.
    ``limited``: nothing is told of other facilities.

    :raises ApplyError: another facility's file names one of its certificates.
    """
    stated = {} if file.electricity is None else spec(file.electricity)
    before = (
        connection.scalar(
            select(electricity_revision.c.spec)
            .where(electricity_revision.c.facility_id == facility_id)
            .order_by(electricity_revision.c.known_at.desc())
            .limit(1)
        )
        or {}
    )
    if stated != before:
        _take_certificates(connection, facility_id, file, limited=limited)
        revisions.keep(connection, electricity_revision, facility_id, stated)
        changes += _changes(before, stated)


def _changes(before: Mapping[str, Any], stated: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("contract", "certificate"):
        old, new = (
            {part["id"]: part for part in document.get(f"{kind}s", ())}
            for document in (before, stated)
        )
        for name, part in new.items():
            if part != old.get(name):
                yield f"{'~' if name in old else '+'} {kind} {name}"
        yield from (f"- {kind} {name}" for name in old if name not in new)
    rest = {*before, *stated} - {"contracts", "certificates"}
    if any(before.get(key) != stated.get(key) for key in rest):
        yield "~ electricity"


def electricity(
    connection: psycopg.Connection[Any], facility_ids: Sequence[int], as_of: datetime | None
) -> dict[int, Electricity]:
    """Read what facilities state of electricity, those that do; ``as_of``: as known then."""
    rows = connection.execute(_IN_FORCE, {"facilities": list(facility_ids), "as_of": as_of})
    return {
        facility_id: Electricity.model_validate(stated) for facility_id, stated in rows if stated
    }


def _take_certificates(
    connection: Connection, facility_id: int, file: FacilityFile, *, limited: bool
) -> None:
    named = {} if file.electricity is None else {c.key: c.id for c in file.electricity.certificates}
    _refuse_what_others_use(connection, facility_id, named, limited=limited)
    u = certificate_use.c
    stored = set(connection.scalars(select(u.certificate).where(u.facility_id == facility_id)))
    gone = stored - named.keys()
    if gone:
        connection.execute(
            delete(certificate_use).where(u.facility_id == facility_id, u.certificate.in_(gone))
        )
    new = named.keys() - stored
    if new:
        connection.execute(
            insert(certificate_use),
            [{"certificate": key, "facility_id": facility_id} for key in sorted(new)],
        )


def _refuse_what_others_use(
    connection: Connection, facility_id: int, named: Mapping[str, str], *, limited: bool
) -> None:
    used = connection.execute(
        select(certificate_use.c.certificate, facility.c.slug)
        .join(facility, facility.c.id == certificate_use.c.facility_id)
        .where(
            certificate_use.c.certificate.in_(list(named)),
            certificate_use.c.facility_id != facility_id,
        )
        .order_by(certificate_use.c.certificate)
        .limit(1)
    ).one_or_none()
    if used is not None:
        owner = "another facility" if limited else f"facility {used.slug}"
        raise ApplyError(
            f"certificate {named[used.certificate]} is already used by {owner}: a certificate"
            " counts once; remove it here or there"
        )

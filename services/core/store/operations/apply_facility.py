"""A facility file put into force, with all that whoever applies it should hear."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from services.core.facility import model
from services.core.store.audit.record import difference, record, state_of_text
from services.core.store.operations import standing, unstated_intervals
from services.core.store.registry import applied_file, queued
from services.core.store.registry.apply import apply, lock


@dataclass(frozen=True, kw_only=True, slots=True)
class AppliedFacility:
    """What became of a facility file, a line each."""

    changes: list[str]
    #: what is computed again because of it: source, from when, why
    restated: list[str]
    #: what stands in the registry now and will surprise
    warnings: list[str]


def apply_facility(
    connection: Connection, file: model.FacilityFile, *, text: str, by: str, limited: bool = False
) -> AppliedFacility:
    """Apply ``file`` in the caller's transaction; to try it only, roll that back.

    :raises ApplyError: as :func:`services.core.store.registry.apply.apply`.
    """
    lock(connection)
    before = queued.newest(connection)
    written = _written(connection, file.facility.id)
    changes = apply(connection, file, text=text, by=by, limited=limited)
    if changes:
        record(
            connection,
            "facility.apply",
            by=by,
            facility=file.facility.id,
            subject=file.facility.id,
            before=None if written is None else state_of_text(written),
            after={
                **state_of_text(text),
                "changes": changes,
                "difference": difference(written, text),
            },
        )
    return AppliedFacility(
        changes=changes,
        restated=queued.since(connection, before, file.facility.id),
        warnings=[
            *standing.at_apply(connection, file.facility.id),
            *unstated_intervals.warnings(connection, file),
        ],
    )


def _written(connection: Connection, slug: str) -> str | None:
    """Return the file that is in force; None: there is none."""
    row = connection.execute(applied_file.statement(slug)).one_or_none()
    return None if row is None else applied_file.text(row)

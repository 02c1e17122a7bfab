"""A facility file put into force, with all that whoever applies it should hear."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from services.core.facility import model
from services.core.facility.differences import Difference, differences
from services.core.store.audit.record import difference, record, state_of_text
from services.core.store.operations import standing, unstated_intervals
from services.core.store.readings.unregistered import replay_registered
from services.core.store.registry import file_versions, queued
from services.core.store.registry.apply import apply, lock
from services.core.store.registry.queued import QueuedSource
from services.core.store.schema import tables as t


@dataclass(frozen=True, kw_only=True, slots=True)
class AppliedFacility:
    """What became of a facility file."""

    #: a line each, also of what is replayed; none: at most comments and layout
    changes: list[str]
    #: every value that the file states otherwise than before
    differences: list[Difference]
    #: what is computed again because of it
    restated: list[QueuedSource]
    #: what stands in the registry now and will surprise, a line each
    warnings: list[str]
    #: digest of the text that is in force now
    sha256: str


def apply_facility(
    connection: Connection,
    file: model.FacilityFile,
    *,
    text: str,
    by: str,
    limited: bool = False,
    replaces: str | None = None,
    only_new: bool = False,
) -> AppliedFacility:
    """Apply ``file`` in the caller's transaction; to try it only, roll that back.

    ``replaces``: the digest of the text that it was made from; None: whatever is in force;
    ``only_new``: there must be no facility of its id yet.

    :raises ApplyError: as :func:`services.core.store.registry.apply.apply`.
    :raises StaleVersionError: another text than ``replaces`` is in force, or one is at all.
    """
    lock(connection)
    slug = file.facility.id
    before = queued.newest(connection)
    written = file_versions.in_force(connection, slug)
    if only_new:
        file_versions.refuse_if_there(slug, written)
    if replaces is not None:
        file_versions.refuse_if_replaced(connection, slug, written, replaces)
    document = t.facility.c.document
    stated = connection.scalar(select(document).where(t.facility.c.slug == slug))
    changes = apply(connection, file, text=text, by=by, limited=limited)
    if changes or text != written:
        record(
            connection,
            "facility.apply",
            by=by,
            facility=slug,
            subject=slug,
            before=None if written is None else state_of_text(written),
            after={
                **state_of_text(text),
                "changes": changes,
                "difference": difference(written, text),
            },
        )
    if text != written:
        file_versions.keep(connection, slug, text, changes, by=by)
    return AppliedFacility(
        changes=[*changes, *replay_registered(connection, file, by=by)],
        differences=differences(stated, file),
        restated=queued.since(connection, before, slug),
        warnings=[
            *standing.at_apply(connection, slug),
            *unstated_intervals.warnings(connection, file),
        ],
        sha256=file_versions.digest(text),
    )

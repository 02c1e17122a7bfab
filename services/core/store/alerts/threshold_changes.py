"""Changes by the API: thresholds, maintenance, acknowledgements."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Table, func, insert, select, text, update

from services.core.facility import threshold_checks
from services.core.facility.alert_codes import AlertCodes, alert_codes
from services.core.facility.model import FacilityFile
from services.core.facility.thresholds import Maintenance, Threshold
from services.core.store.audit.record import record
from services.core.store.database import notify
from services.core.store.registry import apply_thresholds
from services.core.store.registry.apply import raise_revision
from services.core.store.registry.retirements import RetiredError
from services.core.store.schema import alert_tables
from services.core.store.schema import tables as t
from services.core.store.schema.alert_tables import alert, alert_comment

#: What a threshold or maintenance states, by the columns of its table.
_STATED: Final = ("spec", "from_ts", "to_ts", "sources", "thresholds", "reason")


class Remark(NamedTuple):
    """What somebody says of an alert; one of the three at least."""

    comment: str | None = None
    #: code of the facility: why it fired
    reason: str | None = None
    #: code of the facility: what was done
    action: str | None = None

    @property
    def codes(self) -> dict[str, str]:
        """The codes that it gives, by their kind."""
        given = {"reason": self.reason, "action": self.action}
        return {kind: code for kind, code in given.items() if code is not None}


class UnusableError(ValueError):
    """The definition names something unknown; the text says what."""


def put_threshold(
    connection: Connection, facility: str, threshold: Threshold, *, by: str
) -> list[str]:
    """Put a threshold into force; return what changed.

    :raises UnusableError: it watches something unknown.
    :raises RetiredError: the facility is retired.
    :raises OwnedElsewhereError: the facility file has a threshold with that id.
    """
    facility_id, file = _facility(connection, facility)
    for key, reason in threshold_checks.threshold_problems(file, threshold):
        raise UnusableError(f"{key}: {reason}")
    changes: list[str] = []
    before = _stated(connection, alert_tables.threshold, facility_id, threshold.id)
    apply_thresholds.set_threshold(connection, facility_id, threshold, changes, origin="api", by=by)
    if changes:
        record(
            connection,
            "threshold.put",
            by=by,
            facility=facility,
            subject=threshold.id,
            before=before,
            after=_stated(connection, alert_tables.threshold, facility_id, threshold.id),
        )
        raise_revision(connection)
    return changes


def delete_threshold(connection: Connection, facility: str, slug: str, *, by: str) -> bool:
    """Take a threshold out of force; return False if there is none.

    :raises OwnedElsewhereError: the facility file defines it.
    :raises RetiredError: the facility is retired.
    """
    facility_id, _ = _facility(connection, facility)
    before = _stated(connection, alert_tables.threshold, facility_id, slug)
    deleted = apply_thresholds.unset_threshold(
        connection, facility_id, slug, [], origin="api", by=by
    )
    if deleted:
        record(
            connection, "threshold.delete", by=by, facility=facility, subject=slug, before=before
        )
        raise_revision(connection)
    return deleted


def put_maintenance(
    connection: Connection, facility: str, maintenance: Maintenance, *, by: str
) -> list[str]:
    """Put a maintenance into force; return what changed.

    :raises UnusableError: it names something unknown.
    :raises RetiredError: the facility is retired.
    :raises OwnedElsewhereError: the facility file has one with that id.
    """
    facility_id, file = _facility(connection, facility)
    known = set(connection.scalars(_ACTIVE_THRESHOLDS, {"facility": facility_id}))
    for key, reason in threshold_checks.maintenance_problems(file, maintenance, known):
        raise UnusableError(f"{key}: {reason}")
    changes: list[str] = []
    before = _stated(connection, alert_tables.maintenance, facility_id, maintenance.id)
    apply_thresholds.set_maintenance(
        connection, facility_id, maintenance, changes, origin="api", by=by
    )
    if changes:
        record(
            connection,
            "maintenance.put",
            by=by,
            facility=facility,
            subject=maintenance.id,
            before=before,
            after=_stated(connection, alert_tables.maintenance, facility_id, maintenance.id),
            reason=maintenance.reason,
        )
        raise_revision(connection)
    return changes


_ACTIVE_THRESHOLDS = text("SELECT slug FROM threshold WHERE facility_id = :facility AND active")


def delete_maintenance(connection: Connection, facility: str, slug: str, *, by: str) -> bool:
    """Delete a maintenance; return False if there is none.

    :raises OwnedElsewhereError: the facility file defines it.
    :raises RetiredError: the facility is retired.
    """
    facility_id, _ = _facility(connection, facility)
    before = _stated(connection, alert_tables.maintenance, facility_id, slug)
    deleted = apply_thresholds.unset_maintenance(connection, facility_id, slug, [], origin="api")
    if deleted:
        record(
            connection, "maintenance.delete", by=by, facility=facility, subject=slug, before=before
        )
        raise_revision(connection)
    return deleted


def acknowledge(connection: Connection, alert_id: int, remark: Remark | None, *, by: str) -> None:
    """Acknowledge an alert, saying something or nothing; the first acknowledgement stays.

    :raises UnusableError: the facility has no such code.
    """
    facility, document = connection.execute(
        update(alert)
        .where(alert.c.id == alert_id, t.facility.c.id == alert.c.facility_id)
        .values(
            acked_at=func.coalesce(alert.c.acked_at, func.now()),
            acked_by=func.coalesce(alert.c.acked_by, by),
        )
        .returning(t.facility.c.slug, t.facility.c.document["alert_codes"])
    ).one()
    if remark is not None:
        _refuse_unknown(remark, alert_codes(document), facility)
        connection.execute(
            insert(alert_comment).values(alert_id=alert_id, made_by=by, **remark._asdict())
        )
    record(
        connection,
        "alert.acknowledge",
        by=by,
        facility=facility,
        subject=alert_id,
        after=None if remark is None or not remark.codes else remark.codes,
        reason=None if remark is None else remark.comment,
    )
    connection.execute(select(func.pg_notify(notify.LIVE, facility)))


def _refuse_unknown(remark: Remark, codes: AlertCodes, facility: str) -> None:
    for kind, code in remark.codes.items():
        listed = [entry.code for entry in codes.by_kind[kind]]
        if code not in listed:
            raise UnusableError(
                f"{kind}: {facility} has no code {code}; it has {', '.join(listed) or 'none'}"
            )


def _stated(
    connection: Connection, table: Table, facility_id: int, slug: str
) -> dict[str, Any] | None:
    """Read an entry in force, as it was stated; None: there is none."""
    c = table.c
    row = (
        connection.execute(
            select(*(c[name] for name in _STATED if name in c)).where(
                c.facility_id == facility_id, c.slug == slug, c.active
            )
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else dict(row)


def _facility(connection: Connection, slug: str) -> tuple[int, FacilityFile]:
    row = connection.execute(
        select(t.facility.c.id, t.facility.c.document, t.facility.c.retired_at).where(
            t.facility.c.slug == slug
        )
    ).one()
    if row.retired_at is not None:
        raise RetiredError(
            f"facility {slug} was retired at {row.retired_at:%Y-%m-%dT%H:%MZ}: nothing watches it;"
            " apply its file to bring it back"
        )
    return row.id, FacilityFile.model_validate(row.document)

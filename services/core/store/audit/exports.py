"""Who took a copy of a facility file: said once a day, or an open page would fill the log."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.audit.record import record, state_of_text

# Among the newest entries, so that it costs the same in a log of years; where more than those were
# written since, it is said again.
_IS_RECORDED = text(
    """
SELECT EXISTS (
    SELECT FROM (SELECT * FROM audit_entry ORDER BY id DESC LIMIT 1000) e
    WHERE e.action = 'facility.export' AND e.facility = :facility AND e.made_by = :by
      AND e.address = :address AND e.after ->> 'sha256' = :sha256
      AND e.made_at > now() - interval '1 day')
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileCopy:
    """A text of a facility's file that somebody gets."""

    facility: str
    text: str
    by: str
    #: of the client
    address: str


async def is_recorded(connection: AsyncConnection, copy: FileCopy) -> bool:
    """Return whether the log says already that he got this text from there within a day."""
    return bool(
        await connection.scalar(
            _IS_RECORDED,
            {
                "facility": copy.facility,
                "by": copy.by,
                "address": copy.address,
                "sha256": state_of_text(copy.text)["sha256"],
            },
        )
    )


def record_copy(connection: Connection, copy: FileCopy) -> None:
    """Say who got which text."""
    record(
        connection,
        "facility.export",
        by=copy.by,
        facility=copy.facility,
        subject=copy.facility,
        after=state_of_text(copy.text),
    )

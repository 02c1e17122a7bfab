"""Entries of the audit log, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.audit.actions import Action
from services.core.store.schema.audit_tables import audit_entry


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """Something that was done."""

    id: int
    made_at: datetime
    #: who, as the program tells it
    made_by: str
    #: what the program logged in to the database as
    login: str
    address: str
    action: Action
    facility: str | None
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None


async def entries(
    connection: AsyncConnection,
    *,
    facilities: Sequence[str] | None,
    actions: Sequence[str],
    by: str | None,
    begins: datetime | None,
    ends: datetime | None,
    before_id: int | None,
    limit: int,
) -> list[AuditEntry]:
    """Read entries, the newest first; the end is exclusive.

    ``facilities``: only what concerns one of them alone; None: all. ``actions``: none is all.
    ``by``: who, in full.
    """
    c = audit_entry.c
    conditions = [
        *([] if facilities is None else [c.facility.in_(facilities)]),
        *([c.action.in_(actions)] if actions else []),
        *([] if by is None else [c.made_by == by]),
        *([] if begins is None else [c.made_at >= begins]),
        *([] if ends is None else [c.made_at < ends]),
        *([] if before_id is None else [c.id < before_id]),
    ]
    rows = await connection.execute(
        select(audit_entry).where(*conditions).order_by(c.id.desc()).limit(limit)
    )
    return [AuditEntry(**row) for row in rows.mappings()]

"""``/v1/audit``: who did what, from where, before and after."""

from __future__ import annotations

import json
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import BeforeValidator, Field

from services.api.auth import Admin, asked_slugs, no_facility
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.pages import CursorText, Pages, RowLimit
from services.api.http.parameters import End, FacilityList, Instant, Query, split_list
from services.api.http.problems import NotFound
from services.api.http.shapes import Shape
from services.api.models.audit import AuditRow
from services.core.store.audit.actions import Action
from services.core.store.audit.queries import AuditEntry, entries

router = APIRouter(tags=["audit"])

_ROWS = Shape(AuditRow)


class _Place(NamedTuple):
    id: int


_PAGES: Pages[AuditEntry, _Place] = Pages(
    "/v1/audit", Cursor(_Place), lambda entry: _Place(entry.id)
)


class AuditQuery(Query):
    """Parameters of ``GET /v1/audit``."""

    facility: FacilityList = Field(
        [], description="only what concerns these alone; purged ones too; none: everything"
    )
    action: Annotated[list[Action], BeforeValidator(split_list)] = Field(
        [], description="actions; none: all", examples=[["facility.apply"]]
    )
    by: str | None = Field(None, description="who, in full", examples=["key works"])
    from_: Instant | None = Field(None, alias="from", description="done at this time or later")
    to: End | None = Field(None, description="done before this time")
    limit: RowLimit = 1000
    cursor: CursorText = None
    format: TextFormat = None


@router.get(
    "/v1/audit",
    summary="List who did what",
    response_model=list[AuditRow],
    responses=_ROWS.documented(
        "Rows, newest first. JSON or, with `Accept: text/csv`, CSV.", NotFound
    ),
)
async def get_audit(
    context: InContext,
    who: Admin,
    query: Annotated[AuditQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List what people and keys did: configuration, keys, acknowledgements, corrections, exports.

    A key that is limited to facilities sees what concerns one of them alone.
    """
    for slug in query.facility:
        if not who.sees(slug):
            raise no_facility(slug)
    after = _PAGES.after(query)
    async with context.database.read() as connection:
        listed = await entries(
            connection,
            facilities=asked_slugs(who, query.facility),
            actions=query.action,
            by=query.by,
            begins=query.from_,
            ends=query.to,
            before_id=None if after is None else after.id,
            limit=query.limit + 1,
        )
    page = _PAGES.page(listed, query)
    rows = [_row(entry) for entry in page.rows]
    return rows_answer(rows, _ROWS, accept=accept, name=query.format, headers=page.headers)


def _row(entry: AuditEntry) -> dict[str, Any]:
    return _ROWS.row(
        entry,
        time=entry.made_at,
        by=entry.made_by,
        before=_json(entry.before),
        after=_json(entry.after),
    )


def _json(state: dict[str, Any] | None) -> str | None:
    return None if state is None else json.dumps(state, ensure_ascii=False)

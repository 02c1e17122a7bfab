"""``/v1/restatements``: what changed after it was closed, why, and what or who caused it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, visible_facilities
from services.api.context import InContext
from services.api.http import cursors
from services.api.http.answers import MOST_ROWS, next_link, rfc3339, rows_answer
from services.api.http.parameters import End, Instant, Query, SlugList
from services.api.http.problems import NotFound, documented
from services.api.models.bands import kg
from services.api.models.models import Restatement
from services.core.store.answers.facility_queries import all_sources
from services.core.store.answers.restatements import Place, RestatementRow, restatements
from services.core.store.schema.restatement_reasons import parted

router = APIRouter(tags=["restatements"])

_COLUMNS = tuple(Restatement.model_fields)


class RestatementsQuery(Query):
    """Parameters of ``GET /v1/restatements``."""

    facility: SlugList = Field([], description="facility ids; none: all", examples=[["linz"]])
    source: SlugList = Field([], description="source ids; none: all", examples=[["stack-1"]])
    from_: Instant | None = Field(
        None, alias="from", description="hours from then on; default: from the beginning"
    )
    to: End | None = Field(None, description="hours before then; default: all")
    known_from: Instant | None = Field(None, description="changes made then or later")
    known_to: End | None = Field(None, description="changes made before then")
    limit: int = Field(
        1000, ge=1, le=MOST_ROWS, description="most rows; the `Link` header leads to the next"
    )
    cursor: str | None = Field(
        None, description="where the last answer ended, from its `Link` header"
    )


@router.get(
    "/v1/restatements",
    summary="Changes of closed hours",
    response_model=list[Restatement],
    responses={
        200: {
            "description": "Rows by hour, source and version: one for each change of an hour after"
            " it was first closed. JSON or, with `Accept: text/csv`, CSV.",
            "content": {
                "text/csv": {
                    "example": ",".join(_COLUMNS)
                    + "\r\n2026-11-23T17:00:00Z,linz,stack-1,1,2,848.5,850.0,1.5,848.5,850.0,"
                    "partial,measured,late readings,cems-1.co2,2026-11-23T19:03:12.5Z"
                }
            },
        },
        **documented(NotFound),
    },
)
async def get_restatements(
    context: InContext,
    who: Reader,
    query: Annotated[RestatementsQuery, FromQuery()],
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """The ledger: old and new figures, the difference, when, why, and what or who caused it."""
    found = await visible_facilities(context, who, query.facility)
    async with context.engine.connect() as connection:
        sources = {
            row.id: (facility.slug, row)
            for facility in found
            for row in await all_sources(connection, facility.id)
            if not query.source or row.slug in query.source
        }
        unknown = set(query.source) - {row.slug for _, row in sources.values()}
        if unknown:
            raise NotFound(f"There is no source {min(unknown)}; GET /v1/facilities lists them.")
        rows = await restatements(
            connection,
            list(sources),
            begins=query.from_,
            ends=query.to,
            known_from=query.known_from,
            known_to=query.known_to,
            after=_read_cursor(query.cursor),
            most=query.limit + 1,
        )
    page = rows[: query.limit]
    headers = {"Link": _next(query, page[-1])} if len(rows) > len(page) else {}
    answer = []
    for row in page:
        facility, source = sources[row.source_id]
        answer.append(_row(facility, source.slug, source.scope, row))
    return rows_answer(answer, columns=_COLUMNS, accept=accept, headers=headers)


def _row(facility: str, source: str, scope: int, row: RestatementRow) -> dict[str, Any]:
    kind, cause = parted(row.reason)
    old_known = _is_known(row.old_covered_ms, row.old_quality)
    new_known = _is_known(row.new_covered_ms, row.new_quality)
    return {
        "time": row.hour,
        "facility": facility,
        "source": source,
        "scope": scope,
        "version": row.version,
        "old_co2_kg": kg(row.old_co2_ug) if old_known else None,
        "new_co2_kg": kg(row.new_co2_ug) if new_known else None,
        "difference_kg": kg(row.new_co2_ug - row.old_co2_ug),
        "old_co2e_kg": kg(row.old_co2e_ug) if old_known else None,
        "new_co2e_kg": kg(row.new_co2e_ug) if new_known else None,
        "old_quality": row.old_quality,
        "new_quality": row.new_quality,
        "reason": kind,
        "cause": cause,
        "known_at": row.known_at,
    }


def _is_known(covered_ms: int, quality: str) -> bool:
    return covered_ms > 0 or quality == "substituted"


def _next(query: RestatementsQuery, last: RestatementRow) -> str:
    given = query.model_dump(by_alias=True, exclude_unset=True, exclude={"cursor"})
    return next_link(
        "/v1/restatements",
        **{k: rfc3339(v) if isinstance(v, datetime) else v for k, v in given.items()},
        cursor=cursors.written(last.hour, last.source_id, last.version),
    )


def _read_cursor(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    hour, source, version = cursors.parts_of(cursor, 3)
    return cursors.instant(hour), cursors.number(source), cursors.number(version)

"""``/v1/restatements``: changes of closed hours, why, and what or who caused them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.gathered import not_here
from services.api.http.pages import CursorText, Pages, RowLimit
from services.api.http.parameters import End, FacilityList, Instant, Query, SourceList
from services.api.http.problems import NotFound
from services.api.http.shapes import Shape
from services.api.models.bands import masses_kg
from services.api.models.emissions import Restatement
from services.core.store.answers.facility_queries import SourceRow, all_sources
from services.core.store.answers.restatements import Place, RestatementRow, restatements
from services.core.store.emissions.hour_quality import has_value
from services.core.store.schema.figures import kg
from services.core.store.schema.restatement_reasons import kind_and_cause
from services.core.timeline.instants import hour_at_or_before

router = APIRouter(tags=["restatements"])

_ROWS = Shape(Restatement)
_PAGES: Pages[RestatementRow, Place] = Pages(
    "/v1/restatements", Cursor(Place), lambda row: Place(row.hour, row.source_id, row.version)
)


class RestatementsQuery(Query):
    """Parameters of ``GET /v1/restatements``."""

    facility: FacilityList = Field([])
    source: SourceList = Field([])
    from_: Instant | None = Field(
        None,
        alias="from",
        description="hours that end after this time; default: from the beginning",
    )
    to: End | None = Field(None, description="hours before this time; default: all")
    known_from: Instant | None = Field(None, description="changes made at this time or later")
    known_to: End | None = Field(None, description="changes made before this time")
    as_of: Instant | None = Field(
        None, description="returns the changes that were known at this time; default: now"
    )
    limit: RowLimit = 1000
    cursor: CursorText = None
    format: TextFormat = None


@router.get(
    "/v1/restatements",
    summary="List restatements",
    response_model=list[Restatement],
    responses=_ROWS.documented(
        "Rows by hour, source and version, one for each change of an hour after it was first"
        " closed. JSON or, with `Accept: text/csv`, CSV.",
        NotFound,
    ),
)
async def get_restatements(
    context: InContext,
    who: Reader,
    query: Annotated[RestatementsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List changes of closed hours: old and new figures, the reason and the cause."""
    after = _PAGES.after(query)
    facilities = await visible_facilities(context, who, query.facility)
    async with context.database.read() as connection:
        sources = {
            source_id: (facility.slug, row)
            for source_id, (facility, row) in (await all_sources(connection, facilities)).items()
            if not query.source or row.slug in query.source
        }
        unknown = not_here(set(query.source) - {row.slug for _, row in sources.values()})
        if unknown:
            raise NotFound(f"There is no source {min(unknown)}; GET /v1/facilities lists sources.")
        rows = await restatements(
            connection,
            list(sources),
            # the hour that it lies in shares time with the span
            begins=None if query.from_ is None else hour_at_or_before(query.from_),
            ends=query.to,
            known_from=query.known_from,
            known_to=query.known_to,
            as_of=query.as_of,
            after=after,
            limit=query.limit + 1,
        )
    listed = _PAGES.page(rows, query)
    answer = [_row(*sources[row.source_id], row) for row in listed.rows]
    return rows_answer(
        answer,
        _ROWS,
        accept=accept,
        name=query.format,
        headers={**listed.headers, **retired_header(facilities, query.facility)},
    )


def _row(facility: str, source: SourceRow, row: RestatementRow) -> dict[str, Any]:
    kind, cause = kind_and_cause(row.reason)
    old_known = has_value(quality=row.old_quality, code=row.old_code, covered_ms=row.old_covered_ms)
    new_known = has_value(quality=row.new_quality, code=row.new_code, covered_ms=row.new_covered_ms)
    old = masses_kg(row.old_masses_ug if old_known else None)
    new = masses_kg(row.new_masses_ug if new_known else None)
    return _ROWS.row(
        row,
        time=row.hour,
        facility=facility,
        source=source.slug,
        scope=source.scope,
        difference_kg=kg(row.new_masses_ug[0] - row.old_masses_ug[0]),
        **{f"old_{key}": value for key, value in old.items()},
        **{f"new_{key}": value for key, value in new.items()},
        reason=kind,
        cause=cause,
    )

"""``PUT /v1/readings``: people correct readings; and the record of what was corrected.

The API's login can change no reading: it hands what people state to ingest, as it does what devices
send (:mod:`.send_readings`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Engineer, Reader, retired_header, seen_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.pages import CursorText, Pages, RowLimit
from services.api.http.parameters import (
    FacilityList,
    Instant,
    Query,
    SlugList,
    StatedReason,
    TimeSpan,
)
from services.api.http.problems import (
    BodyTooLarge,
    IngestAway,
    NotConfirmed,
    NotFound,
    documented,
)
from services.api.http.shapes import Shape
from services.api.models.corrections import CorrectedReadings, CorrectionRow
from services.api.routes.ask_ingest import IdempotencyKey, answered_once
from services.core.facility.in_force import in_force_at
from services.core.runtime.reading_door import Answer
from services.core.runtime.stated_readings import MAX_ROWS, StatedReading, StatedReadings
from services.core.store.answers.corrections import Correction, Place, corrections
from services.core.store.operations.sent_readings import StoredAnswer
from services.core.store.readings.chart import QUALITIES, ChannelRow, channels
from services.core.timeline.instants import to_us

router = APIRouter(tags=["readings"])

_ROWS = Shape(CorrectionRow)
_PAGES: Pages[Correction, Place] = Pages(
    "/v1/readings/corrections", Cursor(Place), lambda row: Place(row.ts, row.id)
)

StatedQuality = Literal["good", "uncertain", "bad", "calibration", "maintenance"]


class StatedRow(Query):
    """A reading as a person states it."""

    device: str = Field(max_length=63, examples=["meter-grid"])
    channel: str = Field(max_length=63, examples=["import-power"])
    time: Instant = Field(
        description="of the reading, as `GET /v1/readings?raw=true` has it, to the microsecond",
        examples=["2026-11-23T18:00:00Z"],
    )
    value: float | None = Field(
        description="what is right, in the channel's unit as `GET /v1/readings` has it, scale,"
        " offset and calibration worked in; `null` removes the reading: it becomes a gap",
        examples=[412.5],
        allow_inf_nan=False,
    )
    unit: str | None = Field(
        None, max_length=40, description="of `value`; default: the channel's", examples=["kW"]
    )
    quality: StatedQuality | None = Field(
        None, description="default: `good`, of a reading that is removed `bad`"
    )
    was: float | None = Field(
        None,
        description="what is stored, as it was seen: the row is refused where something else is"
        " stored by now. `null`: a gap. Left out: nothing is stored, and the reading is added",
        examples=[9000.0],
        allow_inf_nan=False,
    )
    was_quality: Literal[StatedQuality, "above-range"] | None = Field(
        None, description="the quality that was seen with `was`; default: whatever it is"
    )


class CorrectBody(Query):
    """Body of ``PUT /v1/readings``."""

    facility: str = Field(max_length=63, examples=["linz"])
    reason: StatedReason = Field(
        description="why, shown with the reading and with the totals that are restated",
        examples=["misread; see the photo of 23 November"],
    )
    readings: list[StatedRow] = Field(min_length=1, max_length=MAX_ROWS)


@router.put(
    "/v1/readings",
    summary="Correct readings",
    response_model=CorrectedReadings,
    responses={
        200: {"description": "All of it is stored and durable."},
        207: {
            "model": CorrectedReadings,
            "description": "Some of it was refused: `refusals` says what, why, and what to do. The"
            " rest is stored and durable.",
        },
        **documented(NotFound, BodyTooLarge, IngestAway, NotConfirmed),
    },
)
async def put_readings(
    context: InContext,
    who: Engineer,
    body: CorrectBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Correct, add or remove readings of a facility, with a reason; the answer comes when durable.

    What is replaced stays on record, the totals of its hours are restated, and what devices send
    for these times later waits in quarantine. A row says what it replaces (`was`), so that nobody
    overwrites what somebody else corrected.
    """
    async with context.database.read() as connection:
        await seen_facilities(connection, context, who, [body.facility])
    rows = [msgspec.json.encode([_stated(row) for row in body.readings])]
    question = StatedReadings(
        body_bytes=len(rows[0]),
        facility=body.facility,
        by=who.name,
        address=who.address,
        reason=body.reason,
    )
    return await answered_once(context, who, idempotency_key, question, rows, _outcome)


def _outcome(answer: Answer) -> StoredAnswer | None:
    if answer.corrected is None:
        return None
    return StoredAnswer(
        status=207 if answer.corrected.refused else 200,
        answer=msgspec.json.encode(answer.corrected),
    )


def _stated(row: StatedRow) -> StatedReading:
    default = "bad" if row.value is None else "good"
    return StatedReading(
        device=row.device,
        channel=row.channel,
        ts_us=to_us(row.time),
        value=row.value,
        unit=row.unit,
        quality=row.quality or default,
        is_stored="was" in row.model_fields_set,
        was=row.was,
        was_quality=row.was_quality,
    )


class CorrectionsQuery(TimeSpan):
    """Parameters of ``GET /v1/readings/corrections``."""

    facility: FacilityList = Field([])
    device: SlugList = Field([], description="device ids; none: all", examples=[["meter-grid"]])
    channel: SlugList = Field([], description="channel ids; none: all", examples=[["co2"]])
    limit: RowLimit = 1000
    cursor: CursorText = None
    format: TextFormat = None


@router.get(
    "/v1/readings/corrections",
    summary="List corrections of readings",
    response_model=list[CorrectionRow],
    responses=_ROWS.documented(
        "Rows by time, in the order in which they were made. JSON or, with `Accept: text/csv`,"
        " CSV.",
        NotFound,
    ),
)
async def get_corrections(
    context: InContext,
    who: Reader,
    query: Annotated[CorrectionsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List readings that took the place of another: by a person, or by the channel's own rule."""
    begins, ends = query.bounds(context.clock.now())
    after = _PAGES.after(query)
    async with context.database.read() as connection:
        facilities = await seen_facilities(connection, context, who, query.facility)
        channels_by_id = {
            channel.id: (facility.slug, channel)
            for facility in facilities
            for channel in await channels(
                connection, facility.id, devices=query.device, slugs=query.channel
            )
        }
        rows = await corrections(
            connection,
            list(channels_by_id),
            begins=begins,
            ends=ends,
            after=after,
            limit=query.limit + 1,
        )
    page = _PAGES.page(rows, query)
    return rows_answer(
        [_row(*channels_by_id[row.channel_id], row) for row in page.rows],
        _ROWS,
        accept=accept,
        name=query.format,
        headers={**page.headers, **retired_header(facilities, query.facility)},
    )


def _row(facility: str, channel: ChannelRow, row: Correction) -> dict[str, Any]:
    as_sent = in_force_at(channel.in_force, to_us(row.ts)).as_sent

    def in_unit(sent: float | None) -> float | None:
        return sent if sent is None or as_sent is None else as_sent(sent)

    return {
        "time": row.ts,
        "facility": facility,
        "device": channel.device,
        "channel": channel.slug,
        "unit": channel.unit,
        "old_value": in_unit(row.old_value),
        "old_quality": None if row.old_quality is None else QUALITIES[row.old_quality],
        "new_value": in_unit(row.new_value),
        "new_quality": QUALITIES[row.new_quality],
        "kind": "corrected"
        if row.by_person
        else "by-rule"
        if row.quarantine_id is None
        else "accepted",
        "by": row.corrected_by,
        "reason": row.note,
        "corrected_at": row.corrected_at,
    }

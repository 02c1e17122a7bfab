"""``/v1/facilities/{facility}/imports``: files of history, sent in parts, checked, and taken.

The API reads none of them: it hands the parts to ingest, where they go the way of ``tonne import``.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import AfterValidator, Field

from services.api.admission.spending import leave_place
from services.api.auth import Engineer, Principal, in_force
from services.api.context import Context, InContext
from services.api.http.answers import json_answer
from services.api.http.parameters import Query
from services.api.http.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    IngestAway,
    NotConfirmed,
    NotFound,
    UnsupportedMedia,
    documented,
)
from services.api.languages.reader import translate
from services.api.models.imports import ImportState
from services.api.routes.ask_ingest import ask, problem
from services.core.facility.activity_table import parse_activity_table
from services.core.facility.table_file import parse_table
from services.core.runtime.uploads import MAX_NAME, Holds, Upload, UploadAsk

router = APIRouter(tags=["imports"])

_ADDRESS: Final = "/v1/facilities/{facility}/imports"

#: More than any setting allows, and what every reader of JSON can count.
_MAX_BYTES: Final = 1 << 53

#: Seconds after which it is looked again how far a run is.
_LOOK_AGAIN_S: Final = 1


def _file_name(name: str) -> str:
    if not name.isprintable() or "/" in name or "\\" in name or name.strip(". ") == "":
        raise ValueError("send the name of a file, without its folder")
    return name


class BeginBody(Query):
    """Body of ``POST /v1/facilities/{facility}/imports``."""

    name: Annotated[str, AfterValidator(_file_name)] = Field(
        min_length=1,
        max_length=MAX_NAME,
        description="of the file; its ending tells how it is read: .csv, .csv.gz, .xlsx, .parquet,"
        " .xml (Green Button), .edi or .txt (MSCONS)",
        examples=["profile.csv"],
    )
    bytes: int = Field(ge=1, le=_MAX_BYTES, description="of the file", examples=[1800000])
    holds: Holds = Field(
        "readings",
        description="`readings`: what meters showed; `activities`: amounts of bills, deliveries,"
        " trips and refills",
    )


class RunBody(Query):
    """Body of a run: what the file does not say itself."""

    table: str | None = Field(
        None,
        max_length=200_000,
        description="table file (YAML): what stands where in a table that is not tonne's own",
    )
    device: str | None = Field(
        None, max_length=63, description="of rows that name none", examples=["meter-grid"]
    )
    channel: str | None = Field(
        None,
        max_length=127,
        description="of rows that name none: a channel's id, or device.channel",
        examples=["meter-grid.import-energy"],
    )
    unit: str | None = Field(
        None, max_length=40, description="of rows that name none", examples=["kWh"]
    )


class PartQuery(Query):
    """Parameters of ``PUT .../content``."""

    offset: int = Field(
        0,
        ge=0,
        le=_MAX_BYTES,
        description="byte of the file that the body begins with; see `received`",
    )


_ANSWERS: Final[dict[int | str, dict[str, Any]]] = documented(
    Forbidden, NotFound, Conflict, BodyTooLarge, IngestAway, NotConfirmed
)


@router.post(
    _ADDRESS,
    summary="Begin to upload a file",
    status_code=201,
    response_model=ImportState,
    responses=_ANSWERS,
)
async def post_import(
    context: InContext, who: Engineer, facility: str, body: BeginBody
) -> Response:
    """Announce a file of history; its parts follow by `PUT .../content`.

    What is begun and not taken is deleted after seven days. Of the files that are not taken a
    facility may have 50, with twice the bytes that one may have.
    """
    state = await _asked(
        context,
        who,
        UploadAsk(
            act="begin",
            facility=facility,
            name=body.name,
            size=body.bytes,
            holds=body.holds,
            by=who.name,
        ),
    )
    answer = _one(state, {"Location": f"/v1/facilities/{facility}/imports/{state[0]['id']}"})
    answer.status_code = 201
    return answer


@router.get(
    _ADDRESS,
    summary="List uploaded files",
    response_model=list[ImportState],
    responses=_ANSWERS,
)
async def get_imports(context: InContext, who: Engineer, facility: str) -> Response:
    """List files of a facility that were uploaded, those begun last first.

    What became of a file that was taken can be seen for thirty days.
    """
    return json_answer(await _asked(context, who, UploadAsk(act="list", facility=facility)))


@router.get(
    f"{_ADDRESS}/{{upload}}",
    summary="See how far a file is",
    response_model=ImportState,
    responses=_ANSWERS,
)
async def get_import(context: InContext, who: Engineer, facility: str, upload: str) -> Response:
    """Return how much of a file is here, how far its run is, and what became of its rows."""
    return _one(await _asked(context, who, UploadAsk(act="show", facility=facility, upload=upload)))


@router.put(
    f"{_ADDRESS}/{{upload}}/content",
    summary="Send a part of a file",
    response_model=ImportState,
    responses=_ANSWERS | documented(UnsupportedMedia),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
async def put_import_content(
    request: Request,
    context: InContext,
    who: Engineer,
    facility: str,
    upload: str,
    query: Annotated[PartQuery, FromQuery()],
) -> Response:
    """Send bytes of a file; they are on disk when the answer comes.

    Bytes that are there already are passed over if they are the same. After a lost connection, or a
    restart of whatever process, ask for `received` and go on there. A part may be as large as the
    body of `POST /v1/readings`.
    """
    await in_force(context, who, facility)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMedia(
            "Content-Encoding: send the bytes of the file as they are; a packed file, such as"
            " .csv.gz, is sent as it is, too."
        )
    parts = [part async for part in request.stream() if part]
    question = UploadAsk(
        act="append",
        facility=facility,
        upload=upload,
        offset=query.offset,
        body_bytes=sum(map(len, parts)),
    )
    return _one(await _asked(context, who, question, parts, is_known=True))


@router.post(
    f"{_ADDRESS}/{{upload}}/check",
    summary="Check a file",
    status_code=202,
    response_model=ImportState,
    responses=_ANSWERS,
)
async def post_import_check(
    context: InContext, who: Engineer, facility: str, upload: str, body: RunBody
) -> Response:
    """Begin a dry run: all of the file is checked and counted, and nothing is stored.

    `GET .../{upload}` says how far it is, and has its report as `check` then.
    """
    return await _run(context, who, facility, upload, body, is_trial=True)


@router.post(
    f"{_ADDRESS}/{{upload}}/take",
    summary="Take a file",
    status_code=202,
    response_model=ImportState,
    responses=_ANSWERS,
)
async def post_import_take(
    context: InContext, who: Engineer, facility: str, upload: str, body: RunBody
) -> Response:
    """Begin to store what a file holds, as if its devices had sent it.

    What cannot be stored goes to quarantine. A restart of ingest does not end it: what is stored
    counts once, and the rest follows. Rows of another facility are refused.
    """
    return await _run(context, who, facility, upload, body, is_trial=False)


@router.delete(
    f"{_ADDRESS}/{{upload}}",
    summary="Remove an uploaded file",
    status_code=204,
    response_class=Response,
    responses=_ANSWERS,
)
async def delete_import(context: InContext, who: Engineer, facility: str, upload: str) -> Response:
    """Delete a file, and end its run; what was stored of it by then stays."""
    await _asked(context, who, UploadAsk(act="remove", facility=facility, upload=upload))
    return Response(status_code=204)


async def _run(
    context: Context,
    who: Principal,
    facility: str,
    upload: str,
    body: RunBody,
    *,
    is_trial: bool,
) -> Response:
    await in_force(context, who, facility)
    table = (body.table or "").encode()
    question = UploadAsk(
        act="check" if is_trial else "take",
        facility=facility,
        upload=upload,
        by=who.name,
        address=who.address,
        device=body.device or None,
        channel=body.channel or None,
        unit=body.unit or None,
        body_bytes=len(table),
    )
    if table.strip():
        show = UploadAsk(act="show", facility=facility, upload=upload)
        (state,) = await _asked(context, who, show, is_known=True)
        # what is wrong with it is told with its line, before the file is read
        parse = parse_table if state["holds"] == "readings" else parse_activity_table
        text, limit = body.table or "", context.settings.file_bytes
        await asyncio.to_thread(lambda: parse(text, max_bytes=limit))
    answer = _one(
        await _asked(context, who, question, [table], is_known=True),
        {"Retry-After": str(_LOOK_AGAIN_S)},
    )
    answer.status_code = 202
    return answer


async def _asked(
    context: Context,
    who: Principal,
    question: UploadAsk,
    body: list[bytes] | None = None,
    *,
    is_known: bool = False,
) -> list[dict[str, Any]]:
    """Ask ingest about uploads of a facility that ``who`` may configure.

    :raises Problem: it is not to be had, or ingest refuses.
    """
    if not is_known:
        await in_force(context, who, question.facility)
    await leave_place()
    with context.gate.sending(who.asker):
        answer = await ask(context, question, body or [])
    if answer.uploads is None:
        if answer.outcome == "missing":
            raise NotFound(f"There is no import {question.upload!r} of {question.facility}.")
        if answer.outcome == "conflict":
            raise Conflict(f"{answer.detail[:1].upper()}{answer.detail[1:]}.")
        raise problem(answer)
    return [_state(upload) for upload in answer.uploads]


def _one(states: list[dict[str, Any]], headers: dict[str, str] | None = None) -> Response:
    return json_answer(states[0], headers)


def _report(report: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what became of the rows of a file, in the reader's language."""
    if report is None:
        return None
    refusals = [{**row, "detail": translate(row["detail"])} for row in report["refusals"]]
    return {**report, "refusals": refusals}


def _state(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "facility": upload.facility,
        "name": upload.name,
        "holds": upload.holds,
        "bytes": upload.size,
        "received": upload.received,
        "state": upload.state,
        "read_bytes": upload.read_bytes,
        "rows": upload.rows,
        "error": None if upload.error is None else translate(upload.error),
        "check": _report(upload.check),
        "report": _report(upload.report),
        "by": upload.by,
        "created_at": upload.created_at,
        "changed_at": upload.changed_at,
    }

"""``/v1/facilities/{facility}``: the file of a facility, in force, tried, and as it was before."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import APIRouter, Header, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy import Connection, Row
from starlette.concurrency import run_in_threadpool

from services.api.auth import Engineer, Principal, no_facility
from services.api.context import Context, InContext
from services.api.http.answers import Accept, json_answer, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.pages import CursorText, Pages, RowLimit
from services.api.http.parameters import Query
from services.api.http.problems import (
    BodyTooLarge,
    ChangedMeanwhile,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    documented,
)
from services.api.http.shapes import Shape
from services.api.languages.reader import translate
from services.api.models.facility_files import (
    Applied,
    EditedFile,
    FileCheck,
    FileDifference,
    FileProblem,
    FileVersionRow,
    QueuedRestatement,
)
from services.core.accounting.factors import Factor
from services.core.facility.checks import warnings
from services.core.facility.editing.edits import MAX_EDITS, edited
from services.core.facility.editing.patch import Edit
from services.core.facility.file import check, parse, refuse_other
from services.core.store.audit.exports import FileCopy, is_recorded, record_copy
from services.core.store.audit.record import difference
from services.core.store.operations import heard_topics
from services.core.store.operations.apply_facility import AppliedFacility, apply_facility
from services.core.store.registry import applied_file, file_versions
from services.core.store.registry.shared_factors import shared_factors

router = APIRouter(tags=["facilities"])

_YAML: Final = "application/yaml"
_FILE_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {_YAML: {"schema": {"type": "string"}}}}
}
_FILE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            _YAML: {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}
#: A proxy that compresses an answer makes its strong tag a weak one.
_TAG: Final = re.compile(r'(?:W/)?"([0-9a-f]{64})"')
_PROBLEM, _DIFFERENCE = Shape(FileProblem), Shape(FileDifference)
_RESTATED, _VERSION = Shape(QueuedRestatement), Shape(FileVersionRow)


class ApplyQuery(Query):
    """Parameters of ``PUT /v1/facilities/{facility}``."""

    dry_run: bool = Field(False, description="return what would change, without changing anything")
    wait: bool = Field(
        True,
        description="answer when a running ingest hears the topics of the file, within"
        f" {heard_topics.LONGEST_WAIT_S:g} seconds: what a broker took at a new topic before that"
        " is lost",
    )


@router.get(
    "/v1/facilities/{facility}",
    summary="Get a facility file",
    response_class=Response,
    responses={**documented(Forbidden, NotFound), **_FILE_ANSWER},
)
async def get_facility(context: InContext, who: Engineer, facility: str) -> Response:
    """Return the file as it was applied, with its comments; applying it again changes nothing.

    The file names the recipients of alerts, so this needs a key with the scope `write`. `ETag` is
    the SHA-256 of the text: send it as `If-Match` when you apply what you made of it. The audit log
    says who took a copy of which text, once a day.
    """
    text = await _in_force(context, who, facility)
    await _record_copy(context, who, facility, text)
    tag = file_versions.digest(text)
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    return Response(text, media_type=_YAML, headers=headers)


@router.put(
    "/v1/facilities/{facility}",
    summary="Apply a facility file",
    response_model=Applied,
    responses=documented(Forbidden, NotFound, Conflict, ChangedMeanwhile, BodyTooLarge),
    openapi_extra=_FILE_BODY,
)
async def put_facility(
    context: InContext,
    who: Engineer,
    request: Request,
    facility: str,
    query: Annotated[ApplyQuery, FromQuery()],
    if_match: Annotated[
        str | None,
        Header(
            description="`ETag` of the file that yours was made from; it is refused if another one"
            " was applied since. Default: it is applied whatever is in force."
        ),
    ] = None,
    if_none_match: Annotated[
        str | None,
        Header(
            description="`*`: make a new facility; it is refused if there is one of that id, in"
            " force or retired"
        ),
    ] = None,
) -> Response:
    """Apply a facility file, YAML or JSON: all of it, or nothing if it has an error.

    With a key that is limited to facilities, the file may name topics below
    `emissions/{facility}/`, and other topics and secrets that an admin granted.
    """
    replaces, only_new = _replaced(if_match), _is_new(if_none_match)
    shared, text = await _written(context, who, request, facility)
    max_bytes = context.settings.file_bytes
    file = await run_in_threadpool(lambda: parse(text, shared, max_bytes=max_bytes))
    refuse_other(file, facility)
    limited = who.facilities is not None

    def apply(connection: Connection) -> tuple[AppliedFacility, int]:
        done = apply_facility(
            connection,
            file,
            text=text,
            by=who.name,
            limited=limited,
            replaces=replaces,
            only_new=only_new,
        )
        return done, heard_topics.revision(connection)

    applied, revision = await context.database.write(
        apply, address=who.address, dry_run=query.dry_run
    )
    of_file = await run_in_threadpool(lambda: list(warnings(file, shared)))
    heard = None
    if query.wait and not query.dry_run and applied.changes and heard_topics.names_topics(file):
        heard = await _heard(context, revision)
        if not heard:
            of_file.append(heard_topics.NOT_HEARD)
    return json_answer(
        {
            "changes": applied.changes,
            "differences": [_DIFFERENCE.row(difference) for difference in applied.differences],
            "warnings": list(map(translate, [*of_file, *applied.warnings])),
            "restated": [str(queued) for queued in applied.restated],
            "restatements": [
                _RESTATED.row(queued, **{"from": queued.begins, "to": queued.ends})
                for queued in applied.restated
            ],
            "sha256": applied.sha256,
            "topics_heard": heard,
            "dry_run": query.dry_run,
        }
    )


async def _heard(context: Context, revision: int) -> bool:
    """Wait until every ingest that runs hears the topics of a revision; return whether they do."""
    longest_s = min(heard_topics.LONGEST_WAIT_S, context.settings.api_request_timeout_s / 2)
    give_up_at = time.monotonic() + longest_s
    while True:
        async with context.database.read() as connection:
            if not await heard_topics.processes_behind_async(connection, revision):
                return True
        if time.monotonic() >= give_up_at:
            return False
        await asyncio.sleep(heard_topics.LOOK_EVERY_S)


@router.post(
    "/v1/facilities/{facility}/check",
    summary="Check a facility file",
    response_model=FileCheck,
    responses=documented(Forbidden, NotFound, BodyTooLarge),
    openapi_extra=_FILE_BODY,
)
async def post_check(
    context: InContext, who: Engineer, request: Request, facility: str
) -> Response:
    """Say what is wrong with a text as the file of the facility, while it is being written.

    It looks at the text alone; what it would change, and what the registry would refuse, a dry run
    of applying it tells.
    """
    shared, text = await _written(context, who, request, facility)
    max_bytes = context.settings.file_bytes
    checked = await run_in_threadpool(lambda: check(text, facility, shared, max_bytes=max_bytes))
    return json_answer(
        {
            "errors": [
                _PROBLEM.row(problem, message=translate(problem.message))
                for problem in checked.problems
            ],
            "warnings": list(map(translate, checked.warnings)),
        }
    )


class FileEdit(Query):
    """An operation of JSON Patch, of those that concern one place."""

    op: Literal["add", "replace", "remove"] = Field(description="what to do, as in RFC 6902")
    path: str = Field(
        max_length=2000,
        description="JSON pointer to the part; `-` is behind the end of a list",
        examples=["/thresholds/0/above"],
    )
    value: Any = Field(None, description="what is stated there", examples=[1200])


class EditBody(Query):
    """Body of ``POST /v1/facilities/{facility}/edit``."""

    text: str = Field(
        description="facility file, YAML or JSON", examples=["facility:\n  id: linz  # in topics\n"]
    )
    edits: list[FileEdit] = Field(
        [], max_length=MAX_EDITS, description="made one after another; none: the text is only read"
    )


@router.post(
    "/v1/facilities/{facility}/edit",
    summary="Edit the text of a facility file",
    response_model=EditedFile,
    responses=documented(Forbidden, NotFound, BodyTooLarge),
)
async def post_edit(context: InContext, who: Engineer, facility: str, body: EditBody) -> Response:
    """Change values in a text and leave the rest of it as it is: comments, order and layout.

    Nothing is applied. What cannot be edited without changing other parts, such as what an alias
    stands for, is refused.
    """
    if not who.sees(facility):
        raise no_facility(facility)
    edits = [Edit(op=edit.op, path=edit.path, value=edit.value) for edit in body.edits]
    max_bytes = context.settings.file_bytes
    document = await run_in_threadpool(lambda: edited(body.text, edits, max_bytes=max_bytes))
    return json_answer({"text": document.text, "document": document.value})


class VersionsQuery(Query):
    """Parameters of ``GET /v1/facilities/{facility}/versions``."""

    limit: RowLimit = 100
    cursor: CursorText = None
    format: TextFormat = None


class _Place(NamedTuple):
    number: int


@router.get(
    "/v1/facilities/{facility}/versions",
    summary="List versions of a facility file",
    response_model=list[FileVersionRow],
    responses=_VERSION.documented(
        "Rows, newest first. JSON or, with `Accept: text/csv`, CSV.", Forbidden, NotFound
    ),
)
async def get_versions(
    context: InContext,
    who: Engineer,
    facility: str,
    query: Annotated[VersionsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List every text of the facility's file that came into force, with who applied it.

    A file that was applied before texts were kept is not among them.
    """
    await _in_force(context, who, facility)
    pages: Pages[Row[Any], _Place] = Pages(
        f"/v1/facilities/{facility}/versions", Cursor(_Place), lambda row: _Place(row.number)
    )
    after = pages.after(query)
    statement = file_versions.listed(
        facility, limit=query.limit + 1, before=None if after is None else after.number
    )
    async with context.database.read() as connection:
        versions = (await connection.execute(statement)).all()
    page = pages.page(versions, query)
    return rows_answer(
        [_VERSION.row(version) for version in page.rows],
        _VERSION,
        accept=accept,
        name=query.format,
        headers=page.headers,
    )


@router.get(
    "/v1/facilities/{facility}/versions/{number}",
    summary="Get a version of a facility file",
    response_class=Response,
    responses={**documented(Forbidden, NotFound), **_FILE_ANSWER},
)
async def get_version(context: InContext, who: Engineer, facility: str, number: int) -> Response:
    """Return a text of the facility's file as it was applied, with its comments."""
    await _in_force(context, who, facility)
    text = await _version(context, facility, number)
    await _record_copy(context, who, facility, text)
    return Response(text, media_type=_YAML)


class DifferenceQuery(Query):
    """Parameters of ``GET /v1/facilities/{facility}/versions/{number}/difference``."""

    since: int | None = Field(
        None, ge=0, description="version to compare with; 0: nothing; default: the one before"
    )


@router.get(
    "/v1/facilities/{facility}/versions/{number}/difference",
    summary="Compare two versions of a facility file",
    response_class=Response,
    responses={
        **documented(Forbidden, NotFound),
        200: {"content": {"text/x-diff": {"schema": {"type": "string"}}}},
    },
)
async def get_difference(
    context: InContext,
    who: Engineer,
    facility: str,
    number: int,
    query: Annotated[DifferenceQuery, FromQuery()],
) -> Response:
    """Return what changed between two versions of a file, line by line, as a unified diff."""
    await _in_force(context, who, facility)
    since = number - 1 if query.since is None else query.since
    before = await _version(context, facility, since) if since > 0 else None
    after = await _version(context, facility, number)
    if before is None:
        await _record_copy(context, who, facility, after)
    text = await run_in_threadpool(difference, before, after)
    return Response(text, media_type="text/x-diff")


async def _record_copy(context: Context, who: Principal, facility: str, text: str) -> None:
    """Say in the audit log, before he gets it, who took a copy of which text: once a day."""
    copy = FileCopy(facility=facility, text=text, by=who.name, address=who.address)
    async with context.database.read() as connection:
        if await is_recorded(connection, copy):
            return
    await context.database.write(
        lambda connection: record_copy(connection, copy), address=who.address
    )


async def _version(context: Context, facility: str, number: int) -> str:
    """Read a text of a facility.

    :raises NotFound: there is no such version.
    """
    async with context.database.read() as connection:
        text = await connection.scalar(file_versions.text_of(facility, number))
    if text is None:
        raise NotFound(
            f"{facility} has no version {number};"
            f" GET /v1/facilities/{facility}/versions lists versions."
        )
    return str(text)


async def _in_force(context: Context, who: Principal, facility: str) -> str:
    """Read the file that is in force.

    :raises NotFound: there is no such facility for ``who``.
    """
    if not who.sees(facility):
        raise no_facility(facility)
    async with context.database.read() as connection:
        row = (await connection.execute(applied_file.statement(facility))).one_or_none()
    if row is None:
        raise no_facility(facility)
    return await run_in_threadpool(applied_file.text, row)


async def _written(
    context: Context, who: Principal, request: Request, facility: str
) -> tuple[list[Factor], str]:
    """Return the factors that a file may name, and the file that is sent.

    :raises NotFound: the facility is not one that ``who`` may configure.
    :raises InvalidRequest: what is sent is no text.
    """
    if not who.sees(facility):
        raise no_facility(facility)
    async with context.database.read() as connection:
        shared = await connection.run_sync(shared_factors)
    try:
        return shared, (await request.body()).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("body: a facility file must be UTF-8 text") from None


def _replaced(if_match: str | None) -> str | None:
    """Return the digest that ``If-Match`` names; None: it names none.

    :raises InvalidRequest: it is no tag of a facility file.
    """
    if if_match is None:
        return None
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        raise InvalidRequest(
            "If-Match: send the `ETag` of GET /v1/facilities/{facility}, in its quotes"
        )
    return tag[1]


def _is_new(if_none_match: str | None) -> bool:
    """Whether ``If-None-Match`` asks for a facility that is not there yet.

    :raises InvalidRequest: it is anything but ``*``.
    """
    if if_none_match is None:
        return False
    if if_none_match.strip() != "*":
        raise InvalidRequest(
            "If-None-Match: send `*` to make a new facility; a change of one takes If-Match"
        )
    return True

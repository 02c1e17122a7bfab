"""``/v1/devices/candidates``: devices that nobody registered, adopted or dismissed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import APIRouter, Path
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Engineer, Principal, no_facility
from services.api.context import Context, InContext
from services.api.http.answers import json_answer
from services.api.http.cursors import Cursor
from services.api.http.pages import CursorText, Pages
from services.api.http.parameters import Query
from services.api.http.problems import ChangedMeanwhile, Conflict, Forbidden, NotFound, documented
from services.api.http.shapes import Shape
from services.api.models.candidates import Adopted, Candidate, CandidateChannel, Dismissed
from services.api.models.facility_files import FileDifference
from services.core.facility.checks import warnings
from services.core.facility.discovery.proposals import channels, device_id
from services.core.store.candidates import decisions
from services.core.store.operations.adopt_device import (
    WantedChannel,
    WantedSource,
    Wish,
    adopt_device,
)

router = APIRouter(tags=["devices"])

_CANDIDATE, _CHANNEL = Shape(Candidate), Shape(CandidateChannel)
_DIFFERENCE: Final = Shape(FileDifference)
_SLUG: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"

CandidateId = Annotated[int, Path(ge=1, lt=1 << 63, description="candidate id")]


class CandidatesQuery(Query):
    """Parameters of ``GET /v1/devices/candidates``."""

    state: Literal["open", "adopted", "dismissed", "all"] = Field(
        "open", description="`open`: nobody has decided on it; `all`: whatever became of it"
    )
    limit: int = Field(
        100, ge=1, le=1000, description="maximum number of rows; `Link` leads to the next page"
    )
    cursor: CursorText = None


class _Place(NamedTuple):
    #: one more than its worth: a cursor's numbers begin at 1
    rank: int
    last_seen: datetime
    id: int


_PAGES: Pages[Any, _Place] = Pages(
    "/v1/devices/candidates",
    Cursor(_Place),
    lambda row: _Place(row.worth + 1, row.last_seen, row.id),
)


@router.get(
    "/v1/devices/candidates",
    summary="List unknown devices",
    response_model=list[Candidate],
    responses=documented(Forbidden),
)
async def get_candidates(
    context: InContext, who: Engineer, query: Annotated[CandidatesQuery, FromQuery()]
) -> Response:
    """List devices that are heard at the broker and in no facility file, those that count first.

    A key that is limited to facilities sees those at the topics of its facilities; whose the others
    are, nobody knows.
    """
    after = _PAGES.after(query)
    statement = decisions.listed(
        limit=query.limit + 1,
        states=("open", "adopted", "dismissed") if query.state == "all" else (query.state,),
        facilities=None if who.facilities is None else tuple(who.facilities),
        foreign=who.facilities is None,
        before=None if after is None else (after.rank - 1, after.last_seen, after.id),
    )
    async with context.database.read() as connection:
        rows = (await connection.execute(statement)).all()
    page = _PAGES.page(rows, query)
    bodies = await run_in_threadpool(lambda: [_body(decisions.candidate(row)) for row in page.rows])
    return json_answer(bodies, page.headers)


class ChannelBody(Query):
    """A number of a device that becomes a channel; what is left out stays as it is proposed."""

    topic: str = Field(max_length=256, description="as listed")
    path: str = Field(max_length=256, description="as listed")
    id: str | None = Field(None, pattern=_SLUG, description="id of the channel")
    unit: str | None = Field(None, max_length=40, examples=["kWh"])
    kind: Literal["counter", "gauge"] | None = None


class SourceBody(Query):
    """What the electricity of a device counts as."""

    factor: str = Field(max_length=63, examples=["works-grid"])
    id: str | None = Field(None, pattern=_SLUG, description="default: the device's")


class AdoptBody(Query):
    """Body of ``POST /v1/devices/candidates/{candidate}/adopt``."""

    facility: str = Field(max_length=63, examples=["linz"])
    device: str | None = Field(
        None, pattern=_SLUG, description="id of the device; default: as listed"
    )
    channels: list[ChannelBody] | None = Field(
        None, min_length=1, max_length=80, description="default: those that are included"
    )
    source: SourceBody | None = Field(
        description="a source for it; `null`: it is measured and adds nothing to any total, which"
        " is right behind a meter that counts it already"
    )
    dry_run: bool = Field(False, description="return what would change, without changing anything")


@router.post(
    "/v1/devices/candidates/{candidate}/adopt",
    summary="Adopt an unknown device",
    response_model=Adopted,
    responses=documented(Forbidden, NotFound, Conflict, ChangedMeanwhile),
)
async def post_adopt(
    context: InContext, who: Engineer, candidate: CandidateId, body: AdoptBody
) -> Response:
    """Write a device into a facility's file, and have what was stored of it replayed.

    The text of the file is edited and applied as `PUT /v1/facilities/{facility}` does; comments and
    layout stay. Ingest replays the stored messages as those of quarantine.
    """
    if not who.sees(body.facility):
        raise no_facility(body.facility)
    await _refuse_unseen(context, who, candidate)
    wish = Wish(
        facility=body.facility,
        device=body.device,
        channels=None
        if body.channels is None
        else [WantedChannel(**one.model_dump()) for one in body.channels],
        source=None if body.source is None else WantedSource(**body.source.model_dump()),
    )
    adopted = await context.database.write(
        lambda connection: adopt_device(
            connection,
            candidate,
            wish,
            by=who.name,
            limited=who.facilities is not None,
            max_bytes=context.settings.file_bytes,
        ),
        address=who.address,
        dry_run=body.dry_run,
    )
    of_file = await run_in_threadpool(lambda: list(warnings(adopted.file, adopted.shared)))
    return json_answer(
        {
            "facility": body.facility,
            "device": adopted.device,
            "text_difference": adopted.difference,
            "changes": adopted.applied.changes,
            "differences": [_DIFFERENCE.row(one) for one in adopted.applied.differences],
            "warnings": [*of_file, *adopted.applied.warnings],
            "replayed": adopted.stored,
            "dry_run": body.dry_run,
        }
    )


@router.post(
    "/v1/devices/candidates/{candidate}/dismiss",
    summary="Dismiss an unknown device",
    response_model=Dismissed,
    responses=documented(Forbidden, NotFound),
)
async def post_dismiss(context: InContext, who: Engineer, candidate: CandidateId) -> Response:
    """Take a device off the list; what was stored of it goes."""
    await _refuse_unseen(context, who, candidate)
    await context.database.write(
        lambda connection: decisions.dismiss(connection, candidate, by=who.name),
        address=who.address,
    )
    return json_answer({"id": candidate, "state": "dismissed"})


async def _refuse_unseen(context: Context, who: Principal, candidate: int) -> None:
    """Answer of what a limited key cannot see as of what is not there.

    :raises NotFound: there is no such candidate for ``who``.
    """
    if who.facilities is None:
        return
    async with context.database.read() as connection:
        row = (await connection.execute(decisions.by_id(candidate))).one_or_none()
    if row is None or row.facility is None or not who.sees(row.facility):
        raise NotFound(decisions.no_such(candidate))


def _body(one: decisions.Candidate) -> dict[str, Any]:
    return _CANDIDATE.row(
        one,
        reason=None if one.learned.recognised is None else one.learned.recognised.reason,
        device=one.device or device_id(one.label, one.key),
        channels=[_CHANNEL.row(channel) for channel in channels(one.family, one.learned)],
    )

"""``/v1/explain``: why an hour has the total it has."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import psycopg
from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Reader, visible_facilities
from services.api.context import STATEMENT_TIMEOUT_MS, InContext
from services.api.http.answers import json_answer
from services.api.http.parameters import Instant, Query
from services.api.http.problems import DatabaseAway, NotFound, TooSlow, documented
from services.api.models.explain import explain_body
from services.api.models.models import Explanation
from services.core.store.answers.explain import HourExplanation, NothingKnownError, explain_hour
from services.core.store.database.connect import connect

router = APIRouter(tags=["explain"])


class ExplainQuery(Query):
    """Parameters of ``GET /v1/explain``."""

    facility: str = Field(min_length=1, description="the facility's id", examples=["linz"])
    source: str = Field(min_length=1, description="the source's id", examples=["stack-1"])
    hour: Instant = Field(
        description="any instant of the hour (hours are UTC's)", examples=["2026-11-23T17:00:00Z"]
    )
    as_of: Instant | None = Field(None, description="as it was known then; default: now")


@router.get(
    "/v1/explain",
    summary="What led to an hour's total",
    response_model=Explanation,
    responses=documented(NotFound),
)
async def get_explain(
    context: InContext, who: Reader, query: Annotated[ExplainQuery, FromQuery()]
) -> Response:
    """Inputs, method, factor with its citation, minutes, coverage and every version.

    Configuration, factor and versions are as known at `as_of`; readings and minutes as stored now.
    """
    (facility,) = await visible_facilities(context, who, [query.facility])
    hour = query.hour.replace(minute=0, second=0, microsecond=0)
    as_of = query.as_of or context.clock.now()
    found = await run_in_threadpool(
        _read, context.settings.database, query.facility, query.source, hour, as_of
    )
    return json_answer(
        explain_body(
            found,
            facility=facility.slug,
            facility_retired_at=facility.retired_at,
            source=query.source,
            hour=hour,
            as_of=as_of,
        )
    )


def _read(
    database_url: str, facility: str, source: str, hour: datetime, as_of: datetime
) -> HourExplanation:
    try:
        with connect(
            database_url,
            process="api",
            role="tonne_read",
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        ) as connection:
            return explain_hour(
                connection, facility=facility, source=source, hour=hour, as_of=as_of
            )
    except NothingKnownError as error:
        raise NotFound(str(error)) from None
    except psycopg.errors.QueryCanceled as error:
        raise TooSlow from error
    except psycopg.OperationalError as error:
        raise DatabaseAway from error

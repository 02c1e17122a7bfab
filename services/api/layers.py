"""What each request passes around the routes, from the inside out."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from services.api.admission.gate import Gate
from services.api.admission.requests import Admission, InTurn, Patience
from services.api.cells.all_cells import AllCells
from services.api.cells.over_cells import OverCells
from services.api.http.every_answer import EveryAnswer
from services.api.http.formats import NameFormat
from services.api.http.head_requests import HeadAsGet
from services.api.http.middleware import CountRequests, LimitBody
from services.api.http.parameters import TellTime
from services.api.http.prometheus_errors import PrometheusErrors
from services.api.http.read_again import ReadAgain
from services.api.http.same_site import SameSiteOnly
from services.api.http.well_formed import WellFormedOnly
from services.api.languages.reader import TellReader
from services.core.runtime.clock import Clock
from services.core.runtime.settings import Settings


def add_layers(
    app: FastAPI,
    settings: Settings,
    gate: Gate,
    clock: Clock,
    *,
    cells: AllCells | None,
    calls: Sequence[BaseRoute],
    has_standby: bool,
) -> None:
    """Put around an app what each request passes, from the inside out."""
    if has_standby:
        app.add_middleware(ReadAgain)
    if cells is not None:
        app.add_middleware(OverCells, cells=cells, routes=calls)
    # of what is packed nothing can be told: once more outside, for what never comes so far
    app.add_middleware(PrometheusErrors)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(
        InTurn,
        gate=gate,
        patience=Patience(
            begins_within_s=settings.api_request_timeout_s,
            fetched_within_s=settings.api_answer_timeout_s,
        ),
    )
    app.add_middleware(WellFormedOnly)
    app.add_middleware(
        LimitBody, limit=settings.api_body_bytes, readings_limit=settings.readings_body_bytes
    )
    app.add_middleware(SameSiteOnly, authenticated=settings.api_auth == "required")
    app.add_middleware(Admission, gate=gate)
    app.add_middleware(TellTime, clock=clock)
    for middleware in (TellReader, NameFormat, PrometheusErrors, HeadAsGet, CountRequests):
        app.add_middleware(middleware)
    app.add_middleware(EveryAnswer, access=settings.api_access_log)

"""``/v1/devices`` and ``/v1/monitors``: how devices speak, and how tests of monitors stand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response

from services.api.auth import Reader, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.calls import Call
from services.api.http.parameters import FacilitiesQuery
from services.api.http.problems import NotFound
from services.api.http.shapes import Shape
from services.api.models.data_health import DeviceRow, MonitorRow
from services.core.store.operations.data_health import devices_health, monitor_tests

router = APIRouter(route_class=Call, tags=["facilities"])

_DEVICES, _MONITORS = Shape(DeviceRow), Shape(MonitorRow)


class DevicesQuery(FacilitiesQuery):
    """Parameters of ``GET /v1/devices``."""


class MonitorsQuery(FacilitiesQuery):
    """Parameters of ``GET /v1/monitors``."""


@router.get(
    "/v1/devices",
    summary="List devices",
    response_model=list[DeviceRow],
    responses=_DEVICES.documented(
        "Active devices, by facility and id. JSON or, with `Accept: text/csv`, CSV.", NotFound
    ),
)
async def get_devices(
    context: InContext,
    who: Reader,
    query: Annotated[DevicesQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List devices with when they were heard of, and how far their clocks are off."""
    facilities = await visible_facilities(context, who, query.facility)
    slugs = [facility.slug for facility in facilities]
    now = context.clock.now()
    devices = await context.database.read_in_thread(
        lambda connection: devices_health(connection, slugs, now)
    )
    rows = [_DEVICES.row(device) for device in devices]
    return rows_answer(rows, _DEVICES, accept=accept, name=query.format)


@router.get(
    "/v1/monitors",
    summary="List tests of monitors",
    response_model=list[MonitorRow],
    responses=_MONITORS.documented(
        "The newest daily calibration of each monitor that states one, and its audits that have"
        " deadlines, by facility and channel. JSON or, with `Accept: text/csv`, CSV.",
        NotFound,
    ),
)
async def get_monitors(
    context: InContext,
    who: Reader,
    query: Annotated[MonitorsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List the newest tests of stack monitors, and when audits are due."""
    facilities = [
        facility
        for facility in await visible_facilities(context, who, query.facility)
        if facility.retired_at is None
    ]
    now = context.clock.now()
    tests = await context.database.read_in_thread(
        lambda connection: monitor_tests(connection, facilities, now)
    )
    rows = [_MONITORS.row(test) for test in tests]
    return rows_answer(rows, _MONITORS, accept=accept, name=query.format)

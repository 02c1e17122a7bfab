"""Which channel tells the weather at a facility."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.facility.weather import Weather
from services.core.store.schema.tables import facility


async def stated_weather(connection: AsyncConnection, facility_id: int) -> Weather | None:
    """Read what the file in force says of the weather; None: nothing."""
    stated = await connection.scalar(
        select(facility.c.document["weather"]).where(facility.c.id == facility_id)
    )
    return None if stated is None else Weather.model_validate(stated)

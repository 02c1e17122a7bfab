"""Validators of answers about emissions: what of the clock and of the store they follow from.

Answers about the past (``as_of``) have none: what was known then also follows from readings that
are kept no longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.http.validators import Validator, minute_of
from services.api.states import AnswerStates
from services.core.store.answers.answer_states import AnswerState, totals_state
from services.core.store.answers.facility_queries import FacilityRow


async def totals_of(
    states: AnswerStates, connection: AsyncConnection, facilities: Sequence[str] | None
) -> AnswerState:
    """Read what the totals of facilities follow from, named by their slugs; None: of all.

    Of one, as most who ask want, together with others who ask now.
    """
    if facilities is not None and len(facilities) == 1:
        state = await states.totals(facilities[0])
        if state is not None:
            return state
    return await totals_state(connection, facilities)


async def emissions_validator(
    connection: AsyncConnection,
    request: Request,
    facilities: Sequence[FacilityRow],
    begins: datetime,
    ends: datetime,
    *,
    longest: timedelta,
    now: datetime,
    state: AnswerState | None = None,
) -> Validator:
    """Build the validator of emissions of a span in intervals of ``longest`` at most.

    ``facilities``: that the key can see and the call names, or all that it can see; ``state``: what
    their totals follow from, if it was read before.
    """
    if state is None:
        state = await totals_state(connection, [facility.slug for facility in facilities])
    return Validator(
        *_asked(request),
        _shown(facilities),
        state,
        minute_of(begins),
        minute_of(ends),
        ends - begins,
        _clock(facilities, ends + longest, now),
    )


async def year_validator(
    connection: AsyncConnection,
    request: Request,
    facilities: Sequence[FacilityRow],
    year: int | None,
    now: datetime,
) -> Validator:
    """Build the validator of what is told of a calendar year; None: the running one."""
    state = await totals_state(connection, [facility.slug for facility in facilities])
    last = now if year is None else now.replace(year=year, month=12, day=31) + timedelta(days=3)
    return Validator(*_asked(request), _shown(facilities), state, _clock(facilities, last, now))


def _asked(request: Request) -> tuple[str, str, str]:
    return request.url.path, request.url.query, request.headers.get("accept", "")


def _shown(facilities: Sequence[FacilityRow]) -> object:
    """Return what an answer shows of facilities, which may be of a state before the one read."""
    return [(f.slug, f.name, f.timezone, f.retired_at) for f in facilities]


def _clock(facilities: Sequence[FacilityRow], last: datetime, now: datetime) -> object:
    """Return what an answer up to ``last`` shows of the time of day: its minute, if it is of now.

    What is over only shows the day, from which on factors are stale.
    """
    if last >= now:
        return int(now.timestamp()) // 60
    zones = sorted({facility.timezone for facility in facilities})
    return [now.astimezone(ZoneInfo(zone)).date() for zone in zones]

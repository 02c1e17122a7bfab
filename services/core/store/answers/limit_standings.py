"""How the limits of a stack's pollutants stand in a calendar year."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from services.core.accounting.pollutants.compliance import Compliance, LimitYear
from services.core.facility import assemble_pollutants
from services.core.store.answers.pollutants import StackPollutants
from services.core.store.emissions import pollutant_means
from services.core.timeline.instants import DAY, EPOCH, MINUTE, to_minute


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitStanding:
    """One limit of one pollutant in a year, as far as it was in force in it."""

    facility: str
    source: str
    pollutant: str
    averaging: str
    begins: datetime
    ends: datetime
    compliance: Compliance
    #: end of the newest interval that is formed; None: none is
    until: datetime | None


def standings(
    connection: psycopg.Connection[Any],
    of_stacks: Sequence[StackPollutants],
    pollutants: Collection[str],
    year: int | None,
    now: datetime,
    as_of: datetime | None,
) -> list[LimitStanding]:
    """Read how every limit stands, ``year``: of the facility's calendar; None: the running one.

    ``as_of``: as it was known then, which is ``now``; None: as it is known. ``pollutants``: ids of
    some; none: all.
    """
    return [
        standing
        for stack in of_stacks
        for standing in _of_stack(connection, stack, pollutants, year, now, as_of)
    ]


def _of_stack(
    connection: psycopg.Connection[Any],
    stack: StackPollutants,
    pollutants: Collection[str],
    year: int | None,
    now: datetime,
    as_of: datetime | None,
) -> Iterator[LimitStanding]:
    year = now.astimezone(stack.zone).year if year is None else year
    begins, ends = (
        datetime(january, 1, 1, tzinfo=stack.zone).astimezone(UTC) for january in (year, year + 1)
    )
    for pollutant in stack.pollutants:
        if (pollutants and pollutant.id not in pollutants) or not pollutant.limits:
            continue
        means = pollutant_means.means_between(
            connection,
            stack.source_id,
            pollutant.id,
            assemble_pollutants.averaging_minutes(pollutant),
            begins=begins,
            ends=ends,
            as_of=as_of,
        )
        until = int(means.starts[-1]) + means.minutes if means.starts.size else 0
        for limit in assemble_pollutants.limits(pollutant):
            of_year = LimitYear(limit, means, year, stack.zone)
            if of_year.in_force is None:
                continue
            first, end = (EPOCH + minute * MINUTE for minute in of_year.in_force)
            yield LimitStanding(
                facility=stack.facility,
                source=stack.source,
                pollutant=pollutant.id,
                averaging=pollutant.averaging,
                begins=first,
                ends=end,
                # of a year that is over nothing more comes
                compliance=of_year.compliance(to_minute(ends) if ends < now - DAY else until),
                until=EPOCH + until * MINUTE if until else None,
            )

"""Values of thresholds on pollutants, from the means of the calendar years that they lie in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.alerting.measures.pollutants import PollutantMeasure
from services.core.accounting.alerting.measures.values import Values
from services.core.accounting.pollutants.compliance import LimitYear
from services.core.store.alerts.values.value_request import ValueRequest
from services.core.store.emissions import pollutant_means
from services.core.timeline.instants import to_minute


def fill(values: Values, request: ValueRequest) -> None:
    """Fill in the values of measures of pollutants."""
    selected = [
        (row, watched, measure)
        for measure, members in request.thresholds.items()
        if isinstance(measure, PollutantMeasure)
        for row, watched in members
    ]
    if not selected:
        return
    years = list(_years(request))
    every_minute = np.arange(request.first, request.last + 1)
    # thresholds of one pollutant watch the same limits
    known: dict[tuple[int, str, int], list[LimitYear]] = {}
    for row, watched, measure in selected:
        limited = watched.pollutant
        # the file may name it no more
        if limited is None:
            continue
        for year, begins, ends, columns in years:
            key = (limited.source_id, limited.pollutant, year)
            if key not in known:
                means = pollutant_means.means_between(
                    request.connection,
                    limited.source_id,
                    limited.pollutant,
                    limited.minutes,
                    begins=begins,
                    ends=ends,
                )
                known[key] = [
                    LimitYear(limit, means, year, request.plan.zone) for limit in limited.limits
                ]
            values.value[row, columns] = measure.values(known[key], every_minute[columns])


def _years(request: ValueRequest) -> Iterator[tuple[int, datetime, datetime, NDArray[np.bool_]]]:
    """Yield each calendar year that is asked for, its ends, and which columns lie in it."""
    zone = request.plan.zone
    minutes = np.arange(request.first, request.last + 1)
    first, last = (
        datetime.fromtimestamp(minute * 60, UTC).astimezone(zone).year
        for minute in (request.first, request.last)
    )
    for year in range(first, last + 1):
        begins, ends = (
            datetime(january, 1, 1, tzinfo=zone).astimezone(UTC) for january in (year, year + 1)
        )
        inside = (minutes >= to_minute(begins)) & (minutes < to_minute(ends))
        yield year, begins, ends, inside

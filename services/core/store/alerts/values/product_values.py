"""Values of thresholds on products, from the minutes of their sources and of what counts them."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np

from services.core.accounting.alerting.measures.products import ProductMeasure
from services.core.accounting.alerting.measures.values import Floats, Integers, Values
from services.core.store.alerts import watch_series
from services.core.store.alerts.values.value_request import ValueRequest
from services.core.store.alerts.watch_series import Sources
from services.core.store.registry.watch_plan import Watched, WatchedProduct
from services.core.timeline.instants import EPOCH, MINUTE
from services.core.timeline.windows import rolling_minutes

_UG_PER_KG: Final = 1e9
_N_PER_UNIT: Final = 1e9


def fill(values: Values, request: ValueRequest) -> None:
    """Fill in the values of measures of products."""
    for measure, members in request.thresholds.items():
        if not isinstance(measure, ProductMeasure):
            continue
        for row, watched in members:
            # the file may name it no more
            if watched.product is not None:
                kg, amount = _sums(request, watched, watched.product)
                values.value[row] = measure.values(kg, amount)


def _sums(
    request: ValueRequest, watched: Watched, product: WatchedProduct
) -> tuple[Floats, Floats]:
    """Return what was emitted and made in the window that ends with each minute; NaN: unknown."""
    window = rolling_minutes(watched.spec.window or "") or 1
    first = request.first - window + 1
    minutes = np.arange(first, request.last + 1)
    days = _local_days(request, minutes)
    sources = Sources({source for source, _ in product.shares})
    rows = watch_series.minutes(
        request.connection, sources, watched.spec.mass, [(first, request.last)]
    )
    emitted, are_emissions = np.zeros(minutes.size), np.zeros(minutes.size, dtype=np.int64)
    for source, part in product.shares:
        its = rows[(rows["source"] == source) & (rows["known_ms"] > 0)]
        column = its["minute"] - first
        holds = np.ones(column.size, dtype=np.bool_)
        if part.first is not None or part.end is not None:
            holds = np.array([part.holds(day) for day in days])[column]
        np.add.at(emitted, column[holds], its["ug"][holds] / _UG_PER_KG * float(part.share))
        np.add.at(are_emissions, column[holds], 1)
    made = np.zeros(minutes.size)
    is_counted = np.ones(request.last - request.first + 1, dtype=np.bool_)
    amounts = watch_series.amounts(
        request.connection, [source for source, _ in product.counted], first, request.last
    )
    for source, per_unit in product.counted:
        its = amounts[amounts["source"] == source]
        column = its["minute"] - first
        np.add.at(made, column, its["n"] / _N_PER_UNIT * per_unit)
        known = np.zeros(minutes.size, dtype=np.int64)
        known[column] = 1
        is_counted &= _over(known, window) > 0
    return (
        np.where(_over(are_emissions, window) > 0, _over(emitted, window), np.nan),
        np.where(is_counted, _over(made, window), np.nan),
    )


def _over(of_minute: Floats | Integers, window: int) -> Floats:
    """Add up the minutes of the window that ends with each minute from the first full one on."""
    sums = np.concatenate(([0], np.cumsum(of_minute)))
    return np.asarray(sums[window:] - sums[:-window], dtype=np.float64)


def _local_days(request: ValueRequest, minutes: Integers) -> list[date]:
    zone = request.plan.zone
    return [(EPOCH + int(minute) * MINUTE).astimezone(zone).date() for minute in minutes]

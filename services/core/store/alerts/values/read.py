"""The values that thresholds watch: what measures need is read once for all thresholds.

How values follow from what was read is each measure's own affair. What is read, and how, depends
on the kind of the measure alone: :mod:`.emission_values`, :mod:`.channel_values`,
:mod:`.device_values`, :mod:`.pollutant_values` and :mod:`.product_values`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from services.core.accounting.alerting.measures.measure import Measure
from services.core.accounting.alerting.measures.values import Values
from services.core.store.alerts.values import (
    channel_values,
    device_values,
    emission_values,
    pollutant_values,
    product_values,
)
from services.core.store.alerts.values.value_request import ValueRequest
from services.core.store.registry.watch_plan import Watched, WatchPlan

_FILLS: Final = (
    emission_values.fill,
    channel_values.fill,
    device_values.fill_arrivals,
    device_values.fill_refusals,
    pollutant_values.fill,
    product_values.fill,
)


def values(
    connection: psycopg.Connection[Any],
    facility_id: int,
    plan: WatchPlan,
    selected: Sequence[int],
    first: int,
    last: int,
) -> Values:
    """Return the values of the thresholds with the indices ``selected``, by row.

    Columns are the minutes from ``first`` to ``last``, both included.
    """
    thresholds: dict[Measure, list[tuple[int, Watched]]] = defaultdict(list)
    for row, index in enumerate(selected):
        watched = plan.thresholds[index]
        thresholds[watched.measure].append((row, watched))
    request = ValueRequest(
        connection=connection,
        facility_id=facility_id,
        plan=plan,
        thresholds=thresholds,
        first=first,
        last=last,
    )
    result = Values.unknown(len(selected), last - first + 1)
    for fill in _FILLS:
        fill(result, request)
    return result

"""Give methods that count by series the hours that they are computed for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import psycopg

from services.core.accounting.hourly_factors import Hours
from services.core.accounting.methods import ActivityMethod, Method
from services.core.store.factor_series.values import resolved_hours


def counts_by_series(method: Method) -> bool:
    """Return whether a method needs hours of a series."""
    return isinstance(method, ActivityMethod) and bool(method.series)


def with_hours(
    connection: psycopg.Connection[Any],
    methods: Mapping[int, Method],
    hours: Hours,
    as_of: datetime | None = None,
) -> dict[int, ActivityMethod]:
    """Return those of the methods that count by series, by source, for ``hours``, ascending.

    Methods that were one object are one. ``as_of``: with the values that tonne knew then; None:
    now.
    """
    counting = {
        source_id: method
        for source_id, method in methods.items()
        if isinstance(method, ActivityMethod) and method.series
    }
    if not counting:
        return {}
    hourly = resolved_hours(connection, _orders(counting.values()), hours, as_of)
    given: dict[int, ActivityMethod] = {}
    for method in counting.values():
        if id(method) not in given:
            given[id(method)] = method.with_hours(hourly)
    return {source_id: given[id(method)] for source_id, method in counting.items()}


def _orders(methods: Iterable[ActivityMethod]) -> dict[int, set[tuple[str, ...]]]:
    """Return the series that methods count by, each with its orders of fallbacks."""
    orders: dict[int, set[tuple[str, ...]]] = {}
    for method in {id(method): method for method in methods}.values():
        for series_id, of_series in method.series.items():
            orders.setdefault(series_id, set()).update(of_series)
    return orders

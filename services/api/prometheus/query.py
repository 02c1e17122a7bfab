"""A query from its text to its result, over series that the caller provides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

import numpy as np

from services.api.prometheus.body import instant_result, range_result
from services.api.prometheus.evaluate import Evaluation, Select
from services.api.prometheus.expressions import Expression, Selector, selectors
from services.api.prometheus.parse import parse
from services.api.prometheus.refusals import BadQueryError
from services.api.prometheus.values import Scalar, Vector

#: As Prometheus: a chart has no more pixels.
MAX_STEPS: Final = 11_000


@dataclass(frozen=True, slots=True)
class QueryRange:
    """The steps of a query, in milliseconds since the epoch; both ends are in."""

    start_ms: int
    end_ms: int
    step_ms: int


@dataclass(frozen=True, slots=True)
class Looked:
    """A selector of a query, and between which samples it looks, in milliseconds, ends included."""

    selector: Selector
    first_ms: int
    last_ms: int


#: Provides the series of the selectors of a query.
Provide = Callable[[Sequence[Looked]], Select]


def looked_at(
    expression: Expression, first_ms: int, last_ms: int, lookback_ms: int
) -> list[Looked]:
    """Return the selectors of an expression that is evaluated from one time to another."""
    return [
        Looked(
            selector,
            first_ms - selector.offset_ms - (selector.range_ms or lookback_ms),
            last_ms - selector.offset_ms,
        )
        for selector in selectors(expression)
    ]


def parse_range(query: str) -> Expression:
    """Read a query that is asked for over time.

    :raises BadQueryError: it is none that has a number at each step.
    """
    expression = parse(query)
    if expression.kind not in {"scalar", "vector"}:
        kind = "range vector" if expression.kind == "matrix" else expression.kind
        raise BadQueryError(
            f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
        )
    return expression


def instant_query(query: str, time_ms: int, lookback_ms: int, provide: Provide) -> dict[str, Any]:
    """Return the result of a query at one time.

    :raises QueryError: it has none.
    """
    expression = parse(query)
    select = provide(looked_at(expression, time_ms, time_ms, lookback_ms))
    return evaluate_once(expression, time_ms, lookback_ms, select, Event())


def range_query(
    query: str, times: QueryRange, lookback_ms: int, provide: Provide
) -> dict[str, Any]:
    """Return the result of a query at each step of a range.

    :raises QueryError: it has none.
    """
    expression = parse_range(query)
    select = provide(looked_at(expression, times.start_ms, times.end_ms, lookback_ms))
    return evaluate_range(expression, times, lookback_ms, select, Event())


def evaluate_once(
    expression: Expression, time_ms: int, lookback_ms: int, select: Select, given_up: Event
) -> dict[str, Any]:
    """Evaluate an expression at one time.

    :raises GivenUpError: ``given_up`` was set meanwhile.
    """
    steps_ms = np.array([time_ms])
    value = Evaluation(steps_ms, lookback_ms, select, given_up).value(expression)
    return instant_result(value, time_ms)


def evaluate_range(
    expression: Expression, times: QueryRange, lookback_ms: int, select: Select, given_up: Event
) -> dict[str, Any]:
    """Evaluate an expression at each step of a range.

    :raises GivenUpError: ``given_up`` was set meanwhile.
    """
    steps_ms = np.arange(times.start_ms, times.end_ms + 1, times.step_ms)
    value = Evaluation(steps_ms, lookback_ms, select, given_up).value(expression)
    assert isinstance(value, Vector | Scalar)  # noqa: S101 - see parse_range
    return range_result(value, steps_ms)

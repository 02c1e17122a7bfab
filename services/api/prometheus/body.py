"""The result of a query as Prometheus' JSON: times in seconds, values as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from services.api.prometheus.labels import Labels
from services.api.prometheus.values import Integers, Matrix, Scalar, String, Value, Vector


def instant_result(value: Value, time_ms: int) -> dict[str, Any]:
    """Build the result of a query of one step."""
    match value:
        case String(value=text):
            return _result("string", [_seconds(time_ms), text])
        case Scalar(values=values):
            return _result("scalar", [_seconds(time_ms), written(float(values[0]))])
        case Matrix(series=series):
            return _result(
                "matrix",
                [_series(s.labels, s.times_ms, s.values.tolist()) for s in series],
            )
        case Vector():
            rows = sorted(zip(value.labels, value.values, value.present, strict=True), key=_labels)
            return _result(
                "vector",
                [
                    {"metric": dict(labels), "value": [_seconds(time_ms), written(float(v[0]))]}
                    for labels, v, present in rows
                    if present[0]
                ],
            )


def range_result(value: Vector | Scalar, steps_ms: Integers) -> dict[str, Any]:
    """Build the result of a query of several steps."""
    if isinstance(value, Scalar):
        return _result("matrix", [_series((), steps_ms, value.values.tolist())])
    rows = sorted(zip(value.labels, value.values, value.present, strict=True), key=_labels)
    return _result(
        "matrix",
        [
            _series(labels, steps_ms[present], values[present].tolist())
            for labels, values, present in rows
            if present.any()
        ],
    )


def written(value: float) -> str:
    """Write a value with as many digits as tell it from its neighbours, and no exponent."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        return format(Decimal(text), "f")
    return text.removesuffix(".0")


def _labels(row: tuple[Labels, Any, Any]) -> Labels:
    return row[0]


def _series(labels: Labels, times_ms: Integers, values: list[float]) -> dict[str, Any]:
    times = [_seconds(time_ms) for time_ms in times_ms.tolist()]
    return {
        "metric": dict(labels),
        "values": [[time, written(value)] for time, value in zip(times, values, strict=True)],
    }


def _seconds(time_ms: int) -> int | float:
    whole, rest = divmod(time_ms, 1000)
    return time_ms / 1000 if rest else whole


def _result(kind: str, result: list[Any]) -> dict[str, Any]:
    return {"resultType": kind, "result": result}

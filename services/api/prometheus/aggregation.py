"""Aggregations: many series into one for each group of labels, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from services.api.prometheus.expressions import Aggregation
from services.api.prometheus.labels import NAME, Labels, only, without
from services.api.prometheus.values import Booleans, Floats, Vector, any_of


def aggregated(aggregation: Aggregation, vector: Vector) -> Vector:
    """Return the groups of a vector, in the order in which they first come."""
    groups: dict[Labels, list[int]] = {}
    for index, labels in enumerate(vector.labels):
        groups.setdefault(_group(aggregation, labels), []).append(index)
    combine = OPERATORS[aggregation.operator]
    with np.errstate(all="ignore"):
        rows = [
            (
                labels,
                combine(vector.values[indices], vector.present[indices]),
                any_of(vector.present[indices]),
            )
            for labels, indices in groups.items()
        ]
    return Vector.stacked(rows, vector.steps)


def _group(aggregation: Aggregation, labels: Labels) -> Labels:
    if aggregation.without:
        return without(labels, {*aggregation.labels, NAME})
    return only(labels, aggregation.labels)


def _sum(values: Floats, present: Booleans) -> Floats:
    # one after the other, as Prometheus adds them: another order rounds otherwise
    total = np.zeros(values.shape[1])
    for row, is_there in zip(values, present, strict=True):
        total = np.where(is_there, total + row, total)
    return total


def _mean(values: Floats, present: Booleans) -> Floats:
    """Move the mean on with each value, which never overflows; infinite, it stays so."""
    mean = np.zeros(values.shape[1])
    count = np.zeros(values.shape[1])
    for row, is_there in zip(values, present, strict=True):
        count += is_there
        moved = np.where(count > 1, mean + (row / count - mean / count), row)
        stays = np.isinf(mean) & (
            (np.isinf(row) & (np.sign(row) == np.sign(mean))) | np.isfinite(row)
        )
        mean = np.where(is_there & ~(stays & (count > 1)), moved, mean)
    return mean


def _largest(values: Floats, present: Booleans) -> Floats:
    largest: Floats = np.fmax.reduce(np.where(present, values, np.nan), axis=0)
    return largest


def _smallest(values: Floats, present: Booleans) -> Floats:
    smallest: Floats = np.fmin.reduce(np.where(present, values, np.nan), axis=0)
    return smallest


def _count(_values: Floats, present: Booleans) -> Floats:
    return np.asarray(present.sum(axis=0), dtype=np.float64)


def _one(_values: Floats, present: Booleans) -> Floats:
    return np.ones(present.shape[1])


OPERATORS: Final[Mapping[str, Callable[[Floats, Booleans], Floats]]] = {
    "sum": _sum,
    "avg": _mean,
    "min": _smallest,
    "max": _largest,
    "count": _count,
    "group": _one,
}

"""Functions of scalars and vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from services.api.prometheus.expressions import Expression, Selector
from services.api.prometheus.labels import NAME, Labels, labels_of, nameless
from services.api.prometheus.ranges import RANGE_FUNCTIONS
from services.api.prometheus.values import Floats, Scalar, Value, Vector, any_of


def _changed(vector: Vector, values: Floats) -> Vector:
    """Return a vector with other values, which are no longer those of the metric."""
    return Vector(vector.labels, values, vector.present).labelled(
        [nameless(labels) for labels in vector.labels]
    )


def _by(change: Callable[[Floats], Floats]) -> Callable[..., Value]:
    def function(vector: Vector) -> Vector:
        return _changed(vector, change(vector.values))

    return function


def _round(vector: Vector, nearest: Scalar | None = None) -> Vector:
    """Round to a multiple, halves up; times the reciprocal, as fractions are more exact so."""
    with np.errstate(all="ignore"):
        reciprocal = 1.0 / (np.ones(vector.steps) if nearest is None else nearest.values)
        return _changed(vector, np.floor(vector.values * reciprocal + 0.5) / reciprocal)


def _clamp_min(vector: Vector, least: Scalar) -> Vector:
    return _changed(vector, np.maximum(vector.values, least.values))


def _clamp_max(vector: Vector, largest: Scalar) -> Vector:
    return _changed(vector, np.minimum(vector.values, largest.values))


def _scalar(vector: Vector) -> Scalar:
    """Return the value of the one series that there is at a step, else NaN."""
    is_alone = vector.present.sum(axis=0) == 1
    values = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return Scalar(np.where(is_alone, values, np.nan))


def _vector(scalar: Scalar) -> Vector:
    return Vector([()], scalar.values[np.newaxis], np.ones((1, scalar.values.size), dtype=np.bool_))


def absent(argument: Expression, vector: Vector) -> Vector:
    """Return 1 where a vector has nothing, with the labels that its selector asks for."""
    labels: Labels = ()
    if isinstance(argument, Selector):
        names = [matcher.name for matcher in argument.matchers]
        labels = labels_of(
            {
                matcher.name: matcher.value
                for matcher in argument.matchers
                if matcher.operator == "="
                and matcher.name != NAME
                and names.count(matcher.name) == 1
            }
        )
    is_absent = ~any_of(vector.present)
    return Vector.stacked([(labels, np.ones(vector.steps), is_absent)], vector.steps)


#: Functions whose arguments are evaluated before them.
PLAIN_FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "abs": _by(np.abs),
    "ceil": _by(np.ceil),
    "floor": _by(np.floor),
    "round": _round,
    "clamp_min": _clamp_min,
    "clamp_max": _clamp_max,
    "scalar": _scalar,
    "vector": _vector,
}
#: Functions that ask for more than the values of their arguments.
_OTHERS: Final = ("absent", "time", "timestamp")
FUNCTIONS: Final = (*RANGE_FUNCTIONS, *PLAIN_FUNCTIONS, *_OTHERS)

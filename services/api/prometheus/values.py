"""What is evaluated: series of samples, and what expressions are at the steps of a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.api.prometheus.labels import Labels
from services.api.prometheus.refusals import ExecutionError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def any_of(present: Booleans) -> Booleans:
    """Return at which steps any of several rows has a value."""
    return np.logical_or.reduce(present, axis=0)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A series as it is stored."""

    labels: Labels
    #: milliseconds since the epoch, ascending
    times_ms: Integers
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """Series at each step of a query: their labels, and a row of values for each."""

    labels: Sequence[Labels]
    #: by series and step
    values: Floats
    #: whether the series has a value at the step
    present: Booleans

    @classmethod
    def stacked(cls, rows: Sequence[tuple[Labels, Floats, Booleans]], steps: int) -> Vector:
        """Put rows together, less those without any value."""
        kept_rows = [row for row in rows if row[2].any()]
        if not kept_rows:
            return cls((), np.zeros((0, steps)), np.zeros((0, steps), dtype=np.bool_))
        labels, values, present = zip(*kept_rows, strict=True)
        return cls(labels, np.array(values), np.array(present))

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return int(self.values.shape[1])

    def labelled(self, labels: Sequence[Labels]) -> Vector:
        """Return it with other labels; series with the same become one.

        :raises ExecutionError: two of them have a value at the same step.
        """
        if len(set(labels)) == len(labels):
            return Vector(labels, self.values, self.present)
        rows: dict[Labels, tuple[Floats, Booleans]] = {}
        for its, values, present in zip(labels, self.values, self.present, strict=True):
            others, are_there = rows.get(its, (values, None))
            if are_there is None:
                rows[its] = values, present
                continue
            if (are_there & present).any():
                raise ExecutionError("vector cannot contain metrics with the same labelset")
            rows[its] = np.where(present, values, others), are_there | present
        return Vector.stacked([(its, *row) for its, row in rows.items()], self.steps)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A number at each step."""

    values: Floats


@dataclass(frozen=True, slots=True)
class String:
    """A text."""

    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Stored samples of a range, of a query of one step."""

    series: Sequence[Samples]


Value = Vector | Scalar | String | Matrix

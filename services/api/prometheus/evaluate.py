"""What an expression is at the steps of a query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event

import numpy as np

from services.api.prometheus.aggregation import aggregated
from services.api.prometheus.expressions import (
    Aggregation,
    Call,
    Expression,
    Negation,
    Number,
    Operation,
    Selector,
    Text,
)
from services.api.prometheus.functions import PLAIN_FUNCTIONS, absent
from services.api.prometheus.labels import Labels, nameless
from services.api.prometheus.matching import combined
from services.api.prometheus.operators import COMPARISONS, computed
from services.api.prometheus.ranges import KEEPS_NAME, RANGE_FUNCTIONS, Windows
from services.api.prometheus.refusals import GivenUpError
from services.api.prometheus.values import (
    Booleans,
    Floats,
    Integers,
    Matrix,
    Samples,
    Scalar,
    String,
    Value,
    Vector,
)

#: Series that a selector takes, by their labels, with all samples that it may look at.
Select = Callable[[Selector], Sequence[Samples]]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Steps at which expressions are evaluated, and the series that they are evaluated over."""

    #: milliseconds since the epoch, ascending
    steps_ms: Integers
    #: how old a sample may be that still counts
    lookback_ms: int
    select: Select
    #: set when nobody waits for the answer any more
    given_up: Event

    def value(self, expression: Expression) -> Value:
        """Evaluate an expression; a range of samples only at the one step of a query of one.

        :raises ExecutionError: its series do not fit together.
        :raises GivenUpError: nobody waits for it any more.
        """
        match expression:
            case Text(value=text):
                return String(text)
            case Selector(range_ms=int()):
                return self._matrix(expression)
            case _ if expression.kind == "scalar":
                return self._scalar(expression)
            case _:
                return self._vector(expression)

    def _series(self, selector: Selector) -> Iterator[Samples]:
        for samples in self.select(selector):
            self._go_on()
            yield samples

    def _go_on(self) -> None:
        if self.given_up.is_set():
            raise GivenUpError

    def _scalar(self, expression: Expression) -> Scalar:
        self._go_on()
        match expression:
            case Number(value=number):
                return Scalar(np.full(self.steps_ms.size, number))
            case Negation(operand=operand):
                return Scalar(-self._scalar(operand).values)
            case Operation(operator=operator, left=left, right=right):
                return Scalar(
                    computed(operator, self._scalar(left).values, self._scalar(right).values)
                )
            case Call(function="time"):
                return Scalar(self.steps_ms / 1000)
            case Call():
                value = self._plain(expression)
                assert isinstance(value, Scalar)  # noqa: S101 - as the grammar checked
                return value
        raise AssertionError(expression)

    def _vector(self, expression: Expression) -> Vector:
        self._go_on()
        match expression:
            case Selector():
                return self._newest(expression, lambda samples, index: samples.values[index])
            case Negation(operand=operand):
                vector = self._vector(operand)
                return Vector(vector.labels, -vector.values, vector.present).labelled(
                    [nameless(labels) for labels in vector.labels]
                )
            case Aggregation(operand=operand):
                return aggregated(expression, self._vector(operand))
            case Operation():
                return self._operation(expression)
            case Call():
                return self._called(expression)
        raise AssertionError(expression)

    def _called(self, call: Call) -> Vector:
        if call.function in RANGE_FUNCTIONS:
            return self._over_range(call)
        if call.function == "absent":
            return absent(call.arguments[0], self._vector(call.arguments[0]))
        if call.function == "timestamp":
            return self._timestamps(call.arguments[0])
        value = self._plain(call)
        assert isinstance(value, Vector)  # noqa: S101 - as the grammar checked
        return value

    def _plain(self, call: Call) -> Value:
        return PLAIN_FUNCTIONS[call.function](*map(self.value, call.arguments))

    def _newest(self, selector: Selector, tell: Callable[[Samples, Integers], Floats]) -> Vector:
        """Return what ``tell`` makes of the newest sample of each series before each step."""
        until_ms = self.steps_ms - selector.offset_ms
        rows: list[tuple[Labels, Floats, Booleans]] = []
        for samples in self._series(selector):
            if not samples.times_ms.size:
                continue
            index = np.searchsorted(samples.times_ms, until_ms, side="right") - 1
            # before its first sample a series looks at its last, which is no older than any step
            present = (index >= 0) & (samples.times_ms[index] >= until_ms - self.lookback_ms)
            rows.append((samples.labels, tell(samples, index), present))
        return Vector.stacked(rows, self.steps_ms.size)

    def _timestamps(self, argument: Expression) -> Vector:
        if isinstance(argument, Selector):
            vector = self._newest(argument, lambda samples, index: samples.times_ms[index] / 1000)
        else:
            vector = self._vector(argument)
            values = np.broadcast_to(self.steps_ms / 1000, vector.values.shape)
            vector = Vector(vector.labels, values, vector.present)
        return vector.labelled([nameless(labels) for labels in vector.labels])

    def _over_range(self, call: Call) -> Vector:
        (selector,) = call.arguments
        assert isinstance(selector, Selector)  # noqa: S101 - as the grammar checked
        function = RANGE_FUNCTIONS[call.function]
        rows: list[tuple[Labels, Floats, Booleans]] = []
        for samples in self._series(selector):
            first, end = self._bounds(selector, samples)
            filled = np.flatnonzero(end > first)
            windows = Windows(
                samples.times_ms,
                samples.values,
                first[filled],
                end[filled],
                self.steps_ms[filled] - selector.offset_ms,
                selector.range_ms or 0,
            )
            values = np.zeros(self.steps_ms.size)
            present = np.zeros(self.steps_ms.size, dtype=np.bool_)
            if filled.size:
                values[filled], present[filled] = function(windows)
            rows.append((samples.labels, values, present))
        vector = Vector.stacked(rows, self.steps_ms.size)
        if call.function == KEEPS_NAME:
            return vector
        return vector.labelled([nameless(labels) for labels in vector.labels])

    def _bounds(self, selector: Selector, samples: Samples) -> tuple[Integers, Integers]:
        """Return the first sample of the range of each step, and the first after it."""
        until_ms = self.steps_ms - selector.offset_ms
        since_ms = until_ms - (selector.range_ms or 0)
        return (
            np.searchsorted(samples.times_ms, since_ms, side="left"),
            np.searchsorted(samples.times_ms, until_ms, side="right"),
        )

    def _matrix(self, selector: Selector) -> Matrix:
        assert self.steps_ms.size == 1  # noqa: S101 - a query over time has no ranges
        series = []
        for samples in self._series(selector):
            (first,), (end,) = self._bounds(selector, samples)
            if end > first:
                part = slice(first, end)
                series.append(Samples(samples.labels, samples.times_ms[part], samples.values[part]))
        return Matrix(series)

    def _operation(self, operation: Operation) -> Vector:
        left, right = operation.left, operation.right
        if left.kind == "vector" and right.kind == "vector":
            return combined(operation, self._vector(left), self._vector(right))
        if left.kind == "vector":
            vector, scalar = self._vector(left), self._scalar(right).values
            sides = (vector.values, scalar)
        else:
            vector, scalar = self._vector(right), self._scalar(left).values
            sides = (scalar, vector.values)
        outcome = computed(operation.operator, *sides)
        if operation.operator in COMPARISONS and not operation.as_bool:
            present = vector.present & (outcome == 1)
            return Vector.stacked(
                list(zip(vector.labels, vector.values, present, strict=True)), vector.steps
            )
        return Vector(vector.labels, outcome, vector.present).labelled(
            [nameless(labels) for labels in vector.labels]
        )

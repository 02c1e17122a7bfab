"""The expressions that are evaluated: what is left of a query once the grammar was checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from services.api.prometheus.labels import Matcher

#: Prometheus' names of what an expression evaluates to.
ValueKind = Literal["scalar", "vector", "matrix", "string"]

#: Of how many series of a match group one side may have many: none, that side, or both, of sets.
Cardinality = Literal["one", "left", "right", "sets"]


@dataclass(frozen=True, slots=True)
class Number:
    """A literal."""

    value: float
    kind: ClassVar[ValueKind] = "scalar"


@dataclass(frozen=True, slots=True)
class Text:
    """A literal in quotes."""

    value: str
    kind: ClassVar[ValueKind] = "string"


@dataclass(frozen=True, slots=True)
class Selector:
    """Series by their labels, the name among them, and when they are looked at."""

    matchers: tuple[Matcher, ...]
    #: how much earlier, in milliseconds; below 0 later
    offset_ms: int = 0
    #: None: the newest sample of the lookback
    range_ms: int | None = None

    @property
    def kind(self) -> ValueKind:
        """Return what it evaluates to."""
        return "vector" if self.range_ms is None else "matrix"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of other values."""

    function: str
    arguments: tuple[Expression, ...]
    kind: ValueKind


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Many series into few, by the labels that they have in common."""

    operator: str
    operand: Expression
    labels: frozenset[str]
    #: the labels are those that are dropped, not those that stay
    without: bool
    kind: ClassVar[ValueKind] = "vector"


@dataclass(frozen=True, slots=True)
class Negation:
    """A minus before a value."""

    operand: Expression
    kind: ValueKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """Which series of two vectors belong together."""

    #: the labels must be the same; else all others must
    on: bool = False
    labels: frozenset[str] = frozenset()
    cardinality: Cardinality = "one"
    #: labels that are taken from the side of which there is one
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """Two values with an operator between them."""

    operator: str
    left: Expression
    right: Expression
    matching: Matching
    #: a comparison tells 0 or 1 instead of dropping what it is not true of
    as_bool: bool
    kind: ValueKind


Expression = Number | Text | Selector | Call | Aggregation | Negation | Operation


def selectors(expression: Expression) -> Sequence[Selector]:
    """Return every selector in an expression."""
    match expression:
        case Selector():
            return [expression]
        case Call(arguments=parts):
            return [selector for part in parts for selector in selectors(part)]
        case Aggregation(operand=part) | Negation(operand=part):
            return selectors(part)
        case Operation(left=left, right=right):
            return [*selectors(left), *selectors(right)]
        case _:
            return []

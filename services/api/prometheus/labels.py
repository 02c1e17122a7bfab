"""Labels of series, and what selects by them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from services.api.prometheus.patterns import Pattern

NAME = "__name__"

#: Pairs of name and value, by name; a label without a value is none.
Labels = tuple[tuple[str, str], ...]

MatchOperator = Literal["=", "!=", "=~", "!~"]


@dataclass(frozen=True, slots=True)
class Matcher:
    """What a label's value must be, or must not be; a label that is not there is empty."""

    name: str
    operator: MatchOperator
    value: str
    #: of ``=~`` and ``!~``
    pattern: Pattern | None = None

    def takes(self, value: str) -> bool:
        """Whether the value is one of those that are asked for."""
        hits = value == self.value if self.pattern is None else self.pattern.matches(value)
        return hits is not self.operator.startswith("!")


def labels_of(values: Mapping[str, str]) -> Labels:
    """Return labels in order, without those that are empty."""
    return tuple(sorted((name, value) for name, value in values.items() if value))


def are_taken(labels: Labels, matchers: Iterable[Matcher]) -> bool:
    """Whether all matchers take labels."""
    values = dict(labels)
    return all(matcher.takes(values.get(matcher.name, "")) for matcher in matchers)


def without(labels: Labels, names: Collection[str]) -> Labels:
    """Return labels less those of the names."""
    return tuple(pair for pair in labels if pair[0] not in names)


def only(labels: Labels, names: Collection[str]) -> Labels:
    """Return the labels of the names."""
    return tuple(pair for pair in labels if pair[0] in names)


def nameless(labels: Labels) -> Labels:
    """Return labels less the metric's name."""
    return without(labels, (NAME,))

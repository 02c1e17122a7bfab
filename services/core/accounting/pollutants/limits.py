"""Limits: which means must not exceed what, and how many of them may.

A rule is a set of conditions that all hold, some of them by either of two ways. What a rule is
called stands in the facility file; its conditions are those of the text that is cited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

MeanOf = Literal["interval", "day", "month"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """Of the means of a calendar year, at least `percent` do not exceed `at_most`, in mg/Nm3."""

    means: MeanOf
    at_most: Decimal
    percent: Decimal = Decimal(100)

    def allowed(self, count: int) -> int:
        """Return how many of so many means may exceed it."""
        return int(count * (100 - self.percent) / 100)


@dataclass(frozen=True, kw_only=True, slots=True)
class DayRule:
    """When the mean of a day counts.

    A day on which more than `most_invalid` intervals of operation have no valid mean has none
    either (None: any day with a valid mean has one); `most_discarded` days of a year may be so.
    """

    most_invalid: int | None = None
    most_discarded: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One limit of one pollutant, in force from the first day to before the last one.

    All of `conditions` have to hold, and of `alternatives` one. `deduction` in mg/Nm3: taken off
    each mean of an interval, down to zero, as the confidence interval of the measurement.
    """

    name: str
    rule: str
    citation: str
    value: Decimal
    conditions: tuple[Condition, ...]
    alternatives: tuple[Condition, ...] = ()
    days: DayRule = DayRule()
    deduction: Decimal = Decimal(0)
    valid_from: date | None = None
    valid_to: date | None = None

    def holds_on(self, day: date) -> bool:
        """Tell whether it is in force on a day."""
        return (self.valid_from is None or day >= self.valid_from) and (
            self.valid_to is None or day < self.valid_to
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """The figures that a limit is stated with, in mg/Nm3."""

    value: Decimal
    half_hourly_a: Decimal | None = None
    half_hourly_b: Decimal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitRule:
    """A rule by which a limit is kept; `conditions` and `alternatives` from what is stated."""

    citation: str
    conditions: Callable[[Stated], tuple[Condition, ...]]
    alternatives: Callable[[Stated], tuple[Condition, ...]] = lambda _: ()
    days: DayRule = DayRule()
    #: the intervals that its means are of, in minutes; None: any
    minutes: frozenset[int] | None = None
    #: the figures beside `value` that are stated, one of them at least
    takes: frozenset[str] = frozenset()


def _lrv(stated: Stated) -> tuple[Condition, ...]:
    return (
        Condition(means="day", at_most=stated.value),
        Condition(means="interval", at_most=Decimal("1.2") * stated.value, percent=Decimal(97)),
        Condition(means="interval", at_most=2 * stated.value),
    )


def _ied_lcp(stated: Stated) -> tuple[Condition, ...]:
    return (
        Condition(means="month", at_most=stated.value),
        Condition(means="day", at_most=Decimal("1.1") * stated.value),
        Condition(means="interval", at_most=2 * stated.value, percent=Decimal(95)),
    )


def _columns(stated: Stated) -> tuple[Condition, ...]:
    a, b = stated.half_hourly_a, stated.half_hourly_b
    return (
        *(() if a is None else (Condition(means="interval", at_most=a),)),
        *(() if b is None else (Condition(means="interval", at_most=b, percent=Decimal(97)),)),
    )


#: Limit rules by the name that a facility file gives them.
LIMIT_RULES: Mapping[str, LimitRule] = MappingProxyType(
    {
        "lrv": LimitRule(
            citation="LRV (SR 814.318.142.1) Art. 15(4)", conditions=_lrv, minutes=frozenset({60})
        ),
        # That a day with more than three invalid hours does not count, and that at most ten days a
        # year may be so, is Annex V part 3 point 10.
        "ied_lcp": LimitRule(
            citation="Directive 2010/75/EU Annex V part 4",
            conditions=_ied_lcp,
            days=DayRule(most_invalid=3, most_discarded=10),
            minutes=frozenset({60}),
        ),
        "ied_waste": LimitRule(
            citation="Directive 2010/75/EU Annex VI part 8",
            conditions=lambda stated: (Condition(means="day", at_most=stated.value),),
            alternatives=_columns,
            days=DayRule(most_invalid=5, most_discarded=10),
            minutes=frozenset({30}),
            takes=frozenset({"half_hourly_a", "half_hourly_b"}),
        ),
        "ied_waste_co": LimitRule(
            citation="Directive 2010/75/EU Annex VI part 8 point 1.1(d)(i)",
            conditions=lambda stated: (
                Condition(means="day", at_most=stated.value, percent=Decimal(97)),
                *_columns(stated),
            ),
            days=DayRule(most_invalid=5, most_discarded=10),
            minutes=frozenset({30}),
            takes=frozenset({"half_hourly_a"}),
        ),
    }
)

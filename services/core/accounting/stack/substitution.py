"""Substitution policies: what stands in for an hour without a valid value.

A policy gets all it may look at as one frozen record and answers with a value, the method code
and whether the answer is provisional: an average of the hour before and the hour after a gap
waits for the hour after, a mean over a year waits for the year's end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum
from math import ceil
from types import MappingProxyType
from typing import Protocol

from services.core.accounting.stack.rounding import ARITHMETIC, half_away


class Parameter(StrEnum):
    """What the monitor measures, by the name of the equation's input."""

    CO2 = "co2"
    O2 = "o2"
    MOISTURE = "h2o"
    FLOW = "flow"
    HEAT_INPUT = "heat_input"
    MASS_FLOW = "mass_flow"


@dataclass(frozen=True, kw_only=True)
class MissingHour:
    """Everything a policy may look at for one missing hour; values in the equation's unit.

    `quality_assured_hours` and `clock_hours` count since the monitor was certified (or first gave
    data). `availability_percent` is the percent monitor data availability of this hour.
    `gap_hours` is the length of the missing period in unit operating hours, so far if `after` is
    None (the gap is still open). `before` and `after` are the valid values of the operating hours
    around the gap. `look_back` holds measured values only: the last 720 (flow: 2,160, with a
    `load_range` those in this range), in any order. `potential` is the maximum potential
    concentration or flow; for moisture and oxygen the minimum potential. `period` holds the
    measured values of the reporting period, and `period_closed` whether it has ended.
    """

    parameter: Parameter
    quality_assured_hours: int = 0
    clock_hours: int = 0
    availability_percent: Decimal | None = None
    gap_hours: int = 1
    before: Decimal | None = None
    after: Decimal | None = None
    look_back: tuple[Decimal, ...] = ()
    load_range: int | None = None
    potential: Decimal | None = None
    period: tuple[Decimal, ...] = ()
    period_closed: bool = False


@dataclass(frozen=True, kw_only=True)
class Substitute:
    """The value that stands in (None: the hour stays missing), its code, and the rule in words."""

    value: Decimal | None
    code: str
    provisional: bool
    reason: str


class SubstitutionPolicy(Protocol):
    """The rule that fills a missing hour."""

    @property
    def name(self) -> str:
        """The name a facility file gives it."""
        ...

    @property
    def citation(self) -> str:
        """The text it follows."""
        ...

    def substitute(self, hour: MissingHour) -> Substitute:
        """Return what stands in for the hour."""
        ...


def percentile(values: tuple[Decimal, ...], percent: int) -> Decimal:
    """Return the nearest-rank percentile: the value at rank ceil(percent/100 * n), from below.

    Unverified as the definition EPA means; the text of 40 CFR 75.33 names none. ValueError without
    values.
    """
    if not values:
        raise ValueError("a percentile needs at least one value")
    return sorted(values)[max(ceil(percent * len(values) / 100), 1) - 1]


@dataclass(frozen=True, kw_only=True)
class Part75:
    """40 CFR 75 subpart D: 75.31 (initial), 75.33(b) with 75.35 and 75.37, and 75.33(c).

    Where CO2 comes from an O2 monitor, it is the CO2 that is substituted (75.35(a)).

    CO2 is filled from above; moisture and oxygen from below, since there the low value is the
    conservative one (75.37(d)(1); not for Method 19 equations 19-3, 19-4 and 19-8). Flow takes the
    average of its load range where concentrations take the hours around the gap.
    """

    name: str = "part75"
    citation: str = "40 CFR 75.31, 75.33, 75.35, 75.37"

    def substitute(self, hour: MissingHour) -> Substitute:
        """Return what stands in for the hour.

        Until the gap is closed a rule that looks at the hour after, or at the length of the gap,
        answers provisionally, with the hour before alone.
        """
        standard_after = 2160 if hour.parameter is Parameter.FLOW else 720
        if hour.quality_assured_hours < standard_after and hour.clock_hours < 26_280:
            return self._initial(hour)
        available = hour.availability_percent
        if available is None or available < 80 or not hour.look_back:
            return self._potential(hour)
        if available < 90:
            return self._extreme(hour)
        longest, percent, code = (24, 90, "08") if available >= 95 else (8, 95, "09")
        if hour.gap_hours <= longest:
            return self._average(hour)
        return self._percentile(hour, percent, code)

    def _initial(self, hour: MissingHour) -> Substitute:
        if hour.parameter is Parameter.FLOW:
            if not hour.look_back:
                return self._potential(hour)
            return Substitute(
                value=_recorded(hour.parameter, _mean(hour.look_back)),
                code="07",
                provisional=False,
                reason=f"initial procedure: average of all prior flows{_of_range(hour)}",
            )
        if hour.before is None:
            return self._potential(hour)
        return Substitute(
            value=_around(hour),
            code="07",
            provisional=hour.after is None,
            reason="initial procedure: average of the hour before and the hour after",
        )

    def _average(self, hour: MissingHour) -> Substitute:
        if hour.parameter is Parameter.FLOW:
            return Substitute(
                value=_recorded(hour.parameter, _mean(hour.look_back)),
                code="11",
                provisional=hour.after is None,
                reason=f"average flow{_of_range(hour)} in the look-back",
            )
        return Substitute(
            value=_around(hour),
            code="06",
            provisional=hour.after is None,
            reason="average of the hour before and the hour after",
        )

    def _percentile(self, hour: MissingHour, percent: int, code: str) -> Substitute:
        low = _low_is_conservative(hour.parameter)
        rank = 100 - percent if low else percent
        candidates = [percentile(hour.look_back, rank)]
        around = _around(hour)
        if around is not None:
            candidates.append(around)
        of_both = f"the {rank}th percentile{_of_range(hour)} and the average of the hours around"
        return Substitute(
            value=min(candidates) if low else max(candidates),
            code=code,
            provisional=hour.after is None,
            reason=f"lesser of {of_both}" if low else f"greater of {of_both}",
        )

    def _extreme(self, hour: MissingHour) -> Substitute:
        low = _low_is_conservative(hour.parameter)
        return Substitute(
            value=min(hour.look_back) if low else max(hour.look_back),
            code="10",
            provisional=False,
            reason=f"minimum{_of_range(hour)} in the look-back"
            if low
            else f"maximum{_of_range(hour)} in the look-back",
        )

    def _potential(self, hour: MissingHour) -> Substitute:
        low = _low_is_conservative(hour.parameter)
        return Substitute(
            value=hour.potential,
            code="12",
            provisional=False,
            reason=("minimum potential value" if low else "maximum potential value")
            + ("" if hour.potential is not None else ", which is not configured: stays missing"),
        )


@dataclass(frozen=True, kw_only=True)
class Mrr:
    """Regulation (EU) 2018/2066 Annex VIII eq. 4: mean plus two standard deviations.

    Over the measured values of the reporting period, sample standard deviation. Only for the CO2
    concentration: for the flow and other parameters a mass or energy balance of the process is
    asked for (unverified: general knowledge of Art. 45), which is not known here, so that they
    stay missing.
    """

    name: str = "mrr"
    citation: str = "Regulation (EU) 2018/2066 Annex VIII eq. 4"

    def substitute(self, hour: MissingHour) -> Substitute:
        """Return what stands in for the hour; provisional until the reporting period closed."""
        if hour.parameter is not Parameter.CO2:
            return Substitute(
                value=None,
                code="mrr-balance",
                provisional=False,
                reason=f"{hour.parameter} needs a mass or energy balance of the process",
            )
        if len(hour.period) < 2:
            return Substitute(
                value=None,
                code="mrr-2-sigma",
                provisional=not hour.period_closed,
                reason="fewer than two measured hours in the reporting period",
            )
        with localcontext(ARITHMETIC):
            mean = _mean(hour.period)
            squares = sum(((value - mean) ** 2 for value in hour.period), Decimal(0))
            sigma = (squares / (len(hour.period) - 1)).sqrt()
            value = mean + 2 * sigma
        return Substitute(
            value=value,
            code="mrr-2-sigma",
            provisional=not hour.period_closed,
            reason="mean + 2 standard deviations of the reporting period",
        )


@dataclass(frozen=True, kw_only=True)
class Unfilled:
    """Nothing stands in: a missing hour stays missing."""

    name: str = "none"
    citation: str = "no rule"

    def substitute(self, hour: MissingHour) -> Substitute:
        """Return no value."""
        return Substitute(
            value=None,
            code="none",
            provisional=False,
            reason=f"{hour.parameter} is under no substitution rule",
        )


SUBSTITUTION: Mapping[str, SubstitutionPolicy] = MappingProxyType(
    {"part75": Part75(), "mrr": Mrr(), "none": Unfilled()}
)
"""Substitution policies by the name a facility file gives them."""

LOOK_BACK_HOURS: Mapping[Parameter, int] = MappingProxyType(
    {
        Parameter.CO2: 720,
        Parameter.O2: 720,
        Parameter.MOISTURE: 720,
        Parameter.FLOW: 2160,
    }
)
"""Quality-assured hours a Part 75 look-back holds (40 CFR 75.33, Tables 1 and 2)."""

DEFAULT_POTENTIAL: Mapping[str, Mapping[Parameter, Decimal]] = MappingProxyType(
    {
        "boiler": MappingProxyType(
            {Parameter.CO2: Decimal("14.0"), Parameter.MOISTURE: Decimal("3.0")}
        ),
        "turbine": MappingProxyType(
            {Parameter.CO2: Decimal("6.0"), Parameter.MOISTURE: Decimal("3.0")}
        ),
    }
)
"""Potential values (%) for a source that names none: maximum CO2, minimum moisture; by its unit.

Moisture: the default EPA's checking code accepts. CO2: 40 CFR 75 App. A 2.1.3.1, 14.0 % of boilers
and 6.0 % of combustion turbines (general knowledge of the section). A maximum potential flow is the
plant's own; there is no default.
"""


def more_emission(name: str, one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Return the one of two values of an input that makes more emission; None is no value."""
    known = [value for value in (one, other) if value is not None]
    pick = min if name in _LOW_IS_CONSERVATIVE else max
    return pick(known, default=None)


_LOW_IS_CONSERVATIVE = frozenset({Parameter.MOISTURE, Parameter.O2})


def _low_is_conservative(parameter: Parameter) -> bool:
    return parameter in _LOW_IS_CONSERVATIVE


def _of_range(hour: MissingHour) -> str:
    return "" if hour.load_range is None else f" of load range {hour.load_range}"


def _around(hour: MissingHour) -> Decimal | None:
    sides = tuple(value for value in (hour.before, hour.after) if value is not None)
    return _recorded(hour.parameter, _mean(sides)) if sides else None


def _recorded(parameter: Parameter, value: Decimal) -> Decimal:
    return half_away(value, -3 if parameter is Parameter.FLOW else 1)


def _mean(values: tuple[Decimal, ...]) -> Decimal:
    with localcontext(ARITHMETIC):
        return sum(values, Decimal(0)) / len(values)

"""Validity policies: when an hour of readings makes a valid hourly average.

A rule asks when readings were taken, so policies look at the times of readings and never at the
time that a value is held for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.stack.data_points import data_points, possible_points
from services.core.timeline.instants import MINUTE_US

QUADRANT_MINUTES = 15
QUADRANT_US = QUADRANT_MINUTES * MINUTE_US


@dataclass(frozen=True, kw_only=True)
class HourOfReadings:
    """What one channel gave in one clock hour; times in microseconds since its start.

    `points_us` are the ascending times of valid readings. `every_us` is the channel's interval,
    `is_learned` whether the readings tell it, not the facility file. `operating` are the minutes in
    which the unit burned fuel, `covered_s` the part of them for which a value is known, `excused`
    whether data are missing because of calibration, quality assurance or maintenance.
    """

    points_us: NDArray[np.int64]
    every_us: int
    operating: NDArray[np.bool_]
    covered_s: float
    is_learned: bool = False
    excused: bool = False

    @property
    def possible(self) -> int:
        """How many data points there could have been while the unit operated."""
        return possible_points(60.0 * int(self.operating.sum()), self.every_us)

    @property
    def points(self) -> int:
        """How many data points there were while the unit operated."""
        within = self.points_us[self.operating[self.points_us // MINUTE_US]]
        return min(data_points(within, self.every_us), self.possible)

    @property
    def interval(self) -> str:
        """The interval in words."""
        learned = " as learned from the readings" if self.is_learned else ""
        return f"one every {self.every_us / 1e6:g} s{learned}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether an hour is valid, a short code for the reason, and the reason as a sentence."""

    valid: bool
    code: str
    reason: str

    @property
    def substitute(self) -> bool:
        """Whether the hour needs a substitute: it operated and is not valid."""
        return not self.valid and self.code != NOT_OPERATING


NOT_OPERATING = "not-operating"


class ValidityPolicy(Protocol):
    """The rule that validates an hour."""

    @property
    def name(self) -> str:
        """The name a facility file gives it."""
        ...

    @property
    def citation(self) -> str:
        """The text it follows."""
        ...

    @property
    def counts_points(self) -> bool:
        """Whether it asks how many data points were possible, and so for the interval."""
        ...

    def evaluate(self, hour: HourOfReadings) -> Verdict:
        """Return whether the hour is valid, and why."""
        ...


@dataclass(frozen=True, kw_only=True)
class Quadrants:
    """One data point in each 15-minute quadrant in which the unit operated.

    When data are missing because of calibration, quality assurance or maintenance, two points at
    least 15 minutes apart are enough where the unit operated in more than one quadrant.
    """

    name: str
    citation: str
    counts_points: bool = False

    def evaluate(self, hour: HourOfReadings) -> Verdict:
        """Return whether the hour is valid, and why."""
        needed = np.unique(np.flatnonzero(hour.operating) // QUADRANT_MINUTES).tolist()
        if not needed:
            return _not_operating()
        # a cycle within a quadrant of operation counts, also before the unit started in it
        quadrants = hour.points_us // QUADRANT_US
        points_us = hour.points_us[np.isin(quadrants, needed)]
        lacking = sorted(set(needed) - set(quadrants.tolist()))
        if not lacking:
            return Verdict(
                valid=True,
                code="quadrants",
                reason=f"a data point in each of the {len(needed)} quadrants of operation",
            )
        spread_us = int(points_us[-1] - points_us[0]) if points_us.size else 0
        if hour.excused and len(needed) > 1 and spread_us >= QUADRANT_US:
            return Verdict(
                valid=True,
                code="two-points",
                reason="two data points at least 15 minutes apart in an hour of calibration, "
                "quality assurance or maintenance",
            )
        numbers = ", ".join(str(quadrant + 1) for quadrant in lacking)
        return Verdict(
            valid=False, code="quadrant-missing", reason=f"no data point in quadrant {numbers}"
        )


@dataclass(frozen=True, kw_only=True)
class ShareOfPoints:
    """At least a share of the data points that the operating time could have given.

    `parts` of `whole`; `word` is the code of a valid hour.
    """

    name: str
    citation: str
    parts: int
    whole: int
    word: str
    counts_points: bool = True

    def evaluate(self, hour: HourOfReadings) -> Verdict:
        """Return whether the hour is valid, and why."""
        if not hour.operating.any():
            return _not_operating()
        points, possible = hour.points, hour.possible
        valid = self.whole * points >= self.parts * possible
        return Verdict(
            valid=valid,
            code=self.word if valid else f"below-{self.word}",
            reason=f"{points} of {possible} possible data points, {hour.interval}",
        )


@dataclass(frozen=True, kw_only=True)
class Minutes:
    """At least a number of minutes of valid data, where a reading stands for its interval."""

    name: str
    citation: str
    least_s: float
    counts_points: bool = True

    def evaluate(self, hour: HourOfReadings) -> Verdict:
        """Return whether the hour is valid, and why."""
        if not hour.operating.any():
            return _not_operating()
        points = hour.points
        valid = points * hour.every_us >= self.least_s * 1e6
        return Verdict(
            valid=valid,
            code="minutes" if valid else "too-few-minutes",
            reason=f"{points * hour.every_us / 60e6:g} minutes of valid data,"
            f" {self.least_s / 60:g} needed: {points} data points, {hour.interval}",
        )


@dataclass(frozen=True, kw_only=True)
class AnyData:
    """Any valid data make a valid hour, those of a value that is held as well."""

    name: str
    citation: str
    counts_points: bool = False

    def evaluate(self, hour: HourOfReadings) -> Verdict:
        """Return whether the hour is valid, and why."""
        valid = hour.points_us.size > 0 or hour.covered_s > 0
        return Verdict(
            valid=valid,
            code="any" if valid else "no-data",
            reason="the source is under no validity rule" if valid else "no valid data",
        )


VALIDITY: Mapping[str, ValidityPolicy] = MappingProxyType(
    {
        "part75": Quadrants(name="part75", citation="40 CFR 75.10(d)(1) and (3)"),
        "part60": Quadrants(name="part60", citation="40 CFR 60.13(h)(2)(i) to (iii)"),
        "mrr": ShareOfPoints(
            name="mrr",
            citation="Regulation (EU) 2018/2066 Art. 44(2)",
            parts=4,
            whole=5,
            word="80-percent",
        ),
        # Confirmed second-hand: an excerpt of the sister standard HJ 76-2017, App. B, says that an
        # hour's data hold at least 45 minutes of valid data.
        "hj75": Minutes(name="hj75", citation="HJ 75-2017", least_s=45 * 60.0),
        # Second-hand: the standard itself was not at hand.
        "en17255": ShareOfPoints(
            name="en17255", citation="EN 17255-1:2019", parts=2, whole=3, word="two-thirds"
        ),
        "none": AnyData(name="none", citation="no rule"),
    }
)
"""Validity policies by the name a facility file gives them."""


def _not_operating() -> Verdict:
    return Verdict(valid=False, code=NOT_OPERATING, reason="the unit did not operate")

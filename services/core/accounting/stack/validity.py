"""Validity policies: when an hour of readings makes a valid hourly average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Protocol

HOUR_S = 3600.0
QUADRANT_S = 900.0


@dataclass(frozen=True, kw_only=True)
class HourOfReadings:
    """What one channel gave in one clock hour; times in seconds since its start.

    `points_s` are the valid data points, `possible` how many there could have been, `covered_s`
    the time the valid data stand for, `operating` the spans (from, to) in which the unit burned
    fuel, `excused` whether data are missing because of calibration, quality assurance or
    maintenance.
    """

    points_s: tuple[float, ...]
    covered_s: float
    possible: int
    operating: tuple[tuple[float, float], ...] = ((0.0, HOUR_S),)
    excused: bool = False

    @staticmethod
    def of_minutes(
        covered_s: Sequence[float],
        *,
        operating_minutes: Sequence[bool] | None = None,
        excused: bool = False,
    ) -> HourOfReadings:
        """Return the hour made of 60 minutes, each with the seconds that valid data cover.

        A minute with any valid data is one data point. `operating_minutes` says for each minute
        whether the unit ran (by default it ran the whole hour). ValueError unless there are 60.
        """
        ran = [True] * 60 if operating_minutes is None else list(operating_minutes)
        if len(covered_s) != 60 or len(ran) != 60:
            raise ValueError(f"an hour has 60 minutes, not {len(covered_s)} and {len(ran)}")
        return HourOfReadings(
            points_s=tuple(
                60.0 * minute for minute, covered in enumerate(covered_s) if covered > 0
            ),
            covered_s=float(sum(covered_s)),
            possible=sum(ran),
            operating=tuple((60.0 * m, 60.0 * (m + 1)) for m, on in enumerate(ran) if on),
            excused=excused,
        )


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
    """The rule that judges an hour."""

    @property
    def name(self) -> str:
        """The name a facility file gives it."""
        ...

    @property
    def citation(self) -> str:
        """The text it follows."""
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

    def evaluate(self, hour: HourOfReadings) -> Verdict:
        """Return whether the hour is valid, and why."""
        needed = _quadrants_of(hour.operating)
        if not needed:
            return _not_operating()
        present = {int(point // QUADRANT_S) for point in hour.points_s}
        lacking = [quadrant for quadrant in needed if quadrant not in present]
        if not lacking:
            return Verdict(
                valid=True,
                code="quadrants",
                reason=f"a data point in each of the {len(needed)} quadrants of operation",
            )
        spread = max(hour.points_s) - min(hour.points_s) if hour.points_s else 0.0
        if hour.excused and len(needed) > 1 and spread >= QUADRANT_S:
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
class FourFifths:
    """At least 80 % of the data points that the operating time could have given."""

    name: str
    citation: str

    def evaluate(self, hour: HourOfReadings) -> Verdict:
        """Return whether the hour is valid, and why."""
        if not hour.operating or hour.possible == 0:
            return _not_operating()
        had = len(hour.points_s)
        valid = 5 * had >= 4 * hour.possible
        return Verdict(
            valid=valid,
            code="80-percent" if valid else "below-80-percent",
            reason=f"{had} of {hour.possible} possible data points",
        )


@dataclass(frozen=True, kw_only=True)
class Minutes:
    """At least a number of minutes of valid data."""

    name: str
    citation: str
    least_s: float

    def evaluate(self, hour: HourOfReadings) -> Verdict:
        """Return whether the hour is valid, and why."""
        if not hour.operating:
            return _not_operating()
        valid = hour.covered_s >= self.least_s
        return Verdict(
            valid=valid,
            code="minutes" if valid else "too-few-minutes",
            reason=f"{hour.covered_s / 60:g} minutes of valid data, {self.least_s / 60:g} needed",
        )


@dataclass(frozen=True, kw_only=True)
class AnyData:
    """Any valid data make a valid hour."""

    name: str
    citation: str

    def evaluate(self, hour: HourOfReadings) -> Verdict:
        """Return whether the hour is valid, and why."""
        valid = bool(hour.points_s) or hour.covered_s > 0
        return Verdict(
            valid=valid,
            code="any" if valid else "no-data",
            reason="the source is under no validity rule" if valid else "no valid data",
        )


VALIDITY: Mapping[str, ValidityPolicy] = MappingProxyType(
    {
        "part75": Quadrants(name="part75", citation="40 CFR 75.10(d)(1) and (3)"),
        "part60": Quadrants(name="part60", citation="40 CFR 60.13(h)(2)(i) to (iii)"),
        "mrr": FourFifths(name="mrr", citation="Regulation (EU) 2018/2066 Art. 44(2)"),
        # Confirmed second-hand: an excerpt of the sister standard HJ 76-2017, App. B, says that an
        # hour's data hold at least 45 minutes of valid data.
        "hj75": Minutes(name="hj75", citation="HJ 75-2017", least_s=45 * 60.0),
        "none": AnyData(name="none", citation="no rule"),
    }
)
"""Validity policies by the name a facility file gives them."""


def _quadrants_of(operating: Sequence[tuple[float, float]]) -> list[int]:
    boundaries = [0.0, QUADRANT_S, 2 * QUADRANT_S, 3 * QUADRANT_S, HOUR_S]
    return [
        number
        for number, (start, end) in enumerate(pairwise(boundaries))
        if any(since < end and until > start for since, until in operating)
    ]


def _not_operating() -> Verdict:
    return Verdict(valid=False, code=NOT_OPERATING, reason="the unit did not operate")

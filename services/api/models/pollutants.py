"""Rows of pollutants and of the limits that they have to keep."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer

_VERDICT = (
    "`kept` so far; `at-risk`: too many exceed it so far, and it can still be kept; `broken`: it"
    " cannot be kept any more; `unknown`: there is no mean yet"
)


class PollutantMean(Answer):
    """A pollutant of a stack in one interval; concentrations at 273.15 K and 101.325 kPa."""

    time: datetime = Field(examples=["2026-03-01T05:00:00Z"], description="start of the interval")
    ends: datetime = Field(examples=["2026-03-01T06:00:00Z"], description="its end, exclusive")
    facility: str = Field(examples=["linz"])
    source: str = Field(examples=["stack-1"])
    pollutant: str = Field(examples=["nox"])
    mean_mg_m3: float | None = Field(
        examples=[246.304],
        description="dry, at the reference oxygen; `null`: not valid. Of a longer interval the mean"
        " of the valid means",
    )
    validated_mg_m3: float | None = Field(
        examples=[226.304],
        description="less the confidence interval, at least 0; of the strictest limit in force"
        " where there are several; `null`: no limit was in force",
    )
    kg: float | None = Field(examples=[20.525], description="`null`: not known")
    coverage: float | None = Field(
        examples=[1.0],
        description="share of the time of operation that readings of the concentration cover;"
        " `null`: the unit did not operate",
    )
    kg_coverage: float | None = Field(
        examples=[1.0], description="share of the time of operation whose mass is known"
    )
    operating_h: float = Field(examples=[1.0], description="hours of operation")
    intervals: int = Field(
        examples=[1], description="averaging intervals in which the unit operated"
    )
    intervals_valid: int = Field(examples=[1])
    verdict: str | None = Field(
        examples=["two-thirds"],
        description="code of the validity rule, `air` or `not-operating`; `null` of several"
        " intervals",
    )
    reason: str | None = Field(
        examples=["60 of 60 possible data points, one every 60 s"],
        description="why it is valid or not, and why it has no mass",
    )
    concentration: float | None = Field(
        examples=[100.0], description="mean of the channel, in its unit"
    )
    concentration_unit: str | None = Field(examples=["ppm"])
    dry_mg_m3: float | None = Field(
        examples=[205.2537], description="dry, at the oxygen that there was"
    )
    oxygen_percent: float | None = Field(examples=[6.0], description="mean of the channel")
    moisture_percent: float | None = Field(examples=[None, 12.0])
    factor: float | None = Field(
        examples=[1.2], description="what leads from `dry_mg_m3` to `mean_mg_m3`"
    )
    beyond_calibration: bool | None = Field(
        examples=[False],
        description="whether `mean_mg_m3` lies beyond the valid range of the calibration function;"
        " `null`: there is none, or several intervals",
    )
    flow_nm3_h: float | None = Field(
        examples=[100000.0],
        description="mean flow, as wet or dry as the concentration that it is multiplied by",
    )
    version: int = Field(examples=[1], description="the highest of several")
    cause: str | None = Field(
        examples=["closed"], description="why this version came to be; `null`: several intervals"
    )
    known_at: datetime = Field(
        examples=["2026-03-01T06:16:00.5Z"], description="when the (newest) version was formed"
    )


class LimitStanding(Answer):
    """A condition of a limit, and how it stands in a calendar year."""

    time: datetime = Field(
        examples=["2025-12-31T23:00:00Z"], description="start of the year, or of the limit in it"
    )
    ends: datetime = Field(examples=["2026-12-31T23:00:00Z"], description="its end, exclusive")
    facility: str = Field(examples=["linz"])
    source: str = Field(examples=["stack-1"])
    pollutant: str = Field(examples=["nox"])
    limit: str = Field(examples=["nox-lrv"])
    rule: str = Field(examples=["lrv"])
    citation: str = Field(examples=["LRV (SR 814.318.142.1) Art. 15(4)"])
    value_mg_m3: float = Field(examples=[100.0])
    deduction_mg_m3: float = Field(
        examples=[20.0], description="taken off each mean, down to 0, before it is compared"
    )
    means: Literal["30min", "1h", "day", "month", "discarded-day"] = Field(
        examples=["1h"],
        description="what is counted: means of intervals, days or months that are over; or days"
        " that have no mean because too many of their intervals were not valid",
    )
    at_most_mg_m3: float | None = Field(examples=[120.0])
    percent: float | None = Field(
        examples=[97.0], description="of the means, at least so many do not exceed it"
    )
    either: bool = Field(examples=[False], description="one condition of those marked so is enough")
    count: int = Field(examples=[2160], description="means so far")
    exceeded: int = Field(examples=[12], description="of them, those that exceed it")
    allowed: int | None = Field(
        examples=[64], description="of so many means, may; `null`: any number"
    )
    allowed_at_end: int | None = Field(
        examples=[262], description="may by the end, if all means to come are valid"
    )
    highest_mg_m3: float | None = Field(examples=[131.2])
    verdict: Literal["kept", "at-risk", "broken", "unknown"] = Field(
        examples=["kept"], description=_VERDICT
    )
    limit_verdict: Literal["kept", "at-risk", "broken", "unknown"] = Field(
        examples=["kept"], description="the worst of all conditions of the limit"
    )
    exceeded_at: str = Field(
        examples=["2026-03-01T05:00:00Z 2026-02-14T17:00:00Z"],
        description="starts of the ten newest means that exceed it, parted by spaces",
    )
    until: datetime | None = Field(
        examples=["2026-03-31T22:00:00Z"],
        description="end of the newest interval that is formed; `null`: none is",
    )

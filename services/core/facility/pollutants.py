"""What a facility file may say of a stack's other pollutants: what is measured, and its limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from services.core.accounting.pollutants.limits import LIMIT_RULES
from services.core.facility.fields import (
    ChannelReference,
    Day,
    Part,
    PositiveFigure,
    Slug,
    Within,
    at_most,
)

#: What parts the id of a pollutant from what a channel is to it, in the role of a source's channel.
OF_POLLUTANT = ":"

Averaging = Literal["30min", "1h"]

_Share = Annotated[float, Field(gt=0), Within(lowest=0.01, highest=100)]


class LimitCondition(Part):
    """Of the means of a calendar year, which share may not exceed how much."""

    means: Literal["interval", "day", "month"] = Field(
        examples=["day"],
        description="Means that are compared: of the averaging interval, of days or of months.",
    )
    factor: Annotated[float, Field(gt=0), Within(lowest=0.001, highest=1000)] = Field(
        1.0, description="What the limit's value is multiplied by."
    )
    percent: _Share = Field(
        100.0, description="Percent of the means that do not exceed it, at least."
    )


class PollutantLimit(Part):
    """A limit of a pollutant, from a day on."""

    id: Slug = Field(
        examples=["nox-day"],
        description="Name of the limit. Several entries with one id are its versions. A slug.",
    )
    rule: Literal["lrv", "ied_lcp", "ied_waste", "ied_waste_co", "stated"] = Field(
        examples=["ied_lcp"],
        description=(
            "By which rule it is kept. lrv: Swiss LRV Art. 15. ied_lcp: combustion plants,"
            " 2010/75/EU Annex V. ied_waste: waste incineration, Annex VI part 8; ied_waste_co: its"
            " carbon monoxide. stated: as conditions say."
        ),
    )
    value: PositiveFigure = Field(
        examples=[200],
        description=(
            "mg/Nm3 (0 degC, 101.325 kPa), dry, at the reference oxygen; of ied_waste and"
            " ied_waste_co that of daily means."
        ),
    )
    half_hourly_a: PositiveFigure | None = Field(
        None,
        description=(
            "ied_waste: mg/Nm3 that no half-hourly mean exceeds, column A; ied_waste_co: the same."
        ),
    )
    half_hourly_b: PositiveFigure | None = Field(
        None,
        description="ied_waste: mg/Nm3 that 97 % of half-hourly means do not exceed, column B.",
    )
    conditions: Annotated[tuple[LimitCondition, ...], at_most(20)] = Field(
        (), description="stated: what has to hold, all of it."
    )
    most_invalid: Annotated[int, Within(lowest=0, highest=48)] | None = Field(
        None,
        description=(
            "stated: a day with more invalid means has none itself. Default: one valid is enough."
        ),
    )
    most_discarded: Annotated[int, Within(lowest=0, highest=366)] | None = Field(
        None, description="stated: how many days of a year may have none. Default: any number."
    )
    citation: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        None, description="Where the limit is from, such as a permit. Default: the rule's text."
    )
    valid_from: Day | None = Field(
        None, description="First day, in the facility's time zone. Default: always."
    )
    valid_to: Day | None = Field(
        None, description="First day on which it no longer holds. Default: until further notice."
    )

    def overlaps(self, other: PollutantLimit) -> bool:
        """Return whether there is a day on which both hold."""
        return not any(
            one.valid_to and two.valid_from and one.valid_to <= two.valid_from
            for one, two in ((self, other), (other, self))
        )

    @model_validator(mode="after")
    def _has_what_its_rule_takes(self) -> PollutantLimit:
        if self.rule == "stated" and not self.conditions:
            raise ValueError("rule: stated needs conditions, such as [{means: day}]")
        if self.rule != "stated" and self.conditions:
            raise ValueError(
                f"rule: {self.rule} has its own conditions: leave conditions out, or write rule:"
                " stated"
            )
        if self.rule != "stated" and (self.most_invalid, self.most_discarded) != (None, None):
            raise ValueError("most_invalid and most_discarded belong to rule: stated")
        takes = frozenset() if self.rule == "stated" else LIMIT_RULES[self.rule].takes
        given = {k for k in ("half_hourly_a", "half_hourly_b") if getattr(self, k) is not None}
        for key in sorted(given - takes):
            raise ValueError(f"{key} does not belong to rule: {self.rule}")
        if takes and not given:
            raise ValueError(f"rule: {self.rule} needs {' or '.join(sorted(takes))}")
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must come after valid_from; it is exclusive")
        return self


class Pollutant(Part):
    """A pollutant that is measured in the stack beside CO2."""

    id: Slug = Field(
        examples=["nox"], description="Name of the pollutant, unique within the source. A slug."
    )
    substance: Slug | None = Field(
        None,
        description=(
            "nox (counted as NO2), so2, co, dust, toc (as C), hcl, hf, nh3, hg, n2o, ch4, or any"
            " other name. Default: the id."
        ),
    )
    molar_mass: Annotated[float, Field(gt=0), Within(lowest=1, highest=1000)] | None = Field(
        None, description="g/mol, of another gas that is measured in ppm. Default: the substance's."
    )
    concentration: ChannelReference = Field(
        examples=["cems-1.nox"],
        description=(
            "Gauge of the concentration, as device.channel: a fraction such as ppm, or mg/Nm3, or"
            " mg/m3 with temperature and pressure. It states its basis, wet or dry."
        ),
    )
    oxygen: ChannelReference | None = Field(
        None, description="Gauge of O2 for the reference oxygen. Default: the source's input o2."
    )
    moisture: ChannelReference | None = Field(
        None, description="Gauge of the moisture of wet gas. Default: the source's input h2o."
    )
    temperature: ChannelReference | None = Field(
        None,
        description=(
            "Gauge of the temperature of the gas whose mg/m3 are measured. Default: the source's"
            " input temperature."
        ),
    )
    pressure: ChannelReference | None = Field(
        None,
        description="Gauge of its absolute pressure. Default: the source's input pressure.",
    )
    flow: ChannelReference | None = Field(
        None, description="Gauge of the flow that gives the mass. Default: the source's input flow."
    )
    reference_oxygen: Annotated[float, Within(lowest=0, highest=20)] | None = Field(
        None,
        description=(
            "Percent of O2 that limits refer to: 3 for gas and oil, 6 for solid fuels, 11 for"
            " waste. Default: means stay at the oxygen that there is."
        ),
    )
    oxygen_correction: Literal["always", "above_reference"] = Field(
        "always",
        description=(
            "above_reference: where there is less oxygen than the reference, means stay as they"
            " are, as for pollutants that are abated."
        ),
    )
    averaging: Averaging = Field(
        "1h", description="Interval that means are formed of, within the hour of UTC."
    )
    validity: Literal["part75", "part60", "mrr", "hj75", "en17255", "none"] | None = Field(
        None,
        description=(
            "Rule that decides whether an interval is valid; en17255: two thirds of its data"
            " points. Default: the source's, and en17255 where that is none."
        ),
    )
    confidence_interval: _Share | None = Field(
        None,
        description=(
            "Percent of a limit's value that is taken off each mean, down to 0, before it is"
            " compared. Directive 2010/75/EU: at most 10 for CO, 20 for SO2 and NOx, 30 for dust"
            " and TOC, 40 for HCl and HF. Default: nothing."
        ),
    )
    limits: Annotated[tuple[PollutantLimit, ...], at_most(100)] = Field(
        (), description="Limits that it has to keep."
    )

    @model_validator(mode="after")
    def _limits_do_not_overlap(self) -> Pollutant:
        for i, one in enumerate(self.limits):
            for other in self.limits[:i]:
                if one.id == other.id and one.overlaps(other):
                    raise ValueError(f"two versions of limit {one.id!r} hold at the same time")
        return self

    @property
    def channels(self) -> dict[str, str]:
        """The channels that it names itself, by their roles among the source's."""
        named = {
            "concentration": self.concentration,
            "oxygen": self.oxygen,
            "h2o": self.moisture,
            "temperature": self.temperature,
            "pressure": self.pressure,
            "flow": self.flow,
        }
        return {
            self.role(name): reference for name, reference in named.items() if reference is not None
        }

    def role(self, name: str) -> str:
        """Return the role of a channel that it names."""
        return f"{self.id}{OF_POLLUTANT}{name}"

"""The record of a report: everything that one says, once; every format is written from it.

Masses are whole micrograms, as the store has them, so that a sum is exact in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from services.core.accounting.emission_report.period import Period

#: How a source enters totals: it counts; it only checks another one; another one took its place;
#: it removes.
Standing = Literal["counts", "check", "replaced", "removes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Masses:
    """Micrograms; biogenic CO2 is in none of the others."""

    co2_ug: int
    co2e_ug: int
    #: scope 2 by contracts, else as ``co2_ug``
    market_based_ug: int
    biogenic_ug: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What sources emitted in a span of time, and how that is known.

    Shares are of the time of the span that is over; measured, substituted, estimated and missing
    add up to 1.
    """

    #: None: nothing is known
    masses: Masses | None
    #: 95 % interval of the CO2; None: not every meter and factor states its uncertainty
    low_kg: float | None
    high_kg: float | None
    coverage: float
    measured: float
    substituted: float
    estimated: float
    missing: float
    quality: str
    is_final: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedFacility:
    """A facility, and the instants between which the period lies in its time zone."""

    id: str
    name: str
    timezone: str
    begins: datetime
    ends: datetime
    #: None: it is in force
    retired_at: datetime | None
    #: since when its file is in force, and the file's SHA-256; None: the file of then was not kept
    configured_at: datetime | None
    configuration: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """The sum of sources that count."""

    #: None: of all facilities of the report
    facility: str | None
    #: None: of all scopes
    scope: int | None
    sources: int
    figures: Figures


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthTotal:
    """The sum of a facility's sources that count, in a month of the period that has begun."""

    facility: str
    month: str
    begins: datetime
    figures: Figures


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceTotal:
    """One source over the period."""

    facility: str
    id: str
    name: str
    scope: int
    standing: Standing
    #: in the unit of its meter; None: it has none, or nothing is known
    activity: float | None
    activity_unit: str | None
    #: hours that its rule found invalid and did not fill
    voided_hours: int
    #: why nobody can tell any more what was known; None: it is told
    unknown: str | None
    #: why it should count by a newer factor; None: nothing says so
    stale_factor: str | None
    figures: Figures


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """How a source's figures are determined, by its configuration."""

    facility: str
    source: str
    #: activity or stack
    method: str
    #: of a stack, with where the rule stands
    equation: str | None
    citation: str | None
    #: of an activity, the factors that multiply it
    factor: str | None
    market_factor: str | None
    #: set of warming potentials
    gwp: str | None
    #: rules that judge its hours and fill those without a value; None: none does
    validity: str | None
    substitution: str | None
    #: device.channel, comma separated
    channels: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleTotal:
    """What a rule reports of a stack, in its own unit and rounding, by its own calendar."""

    facility: str
    source: str
    period: str
    begins: datetime
    ends: datetime
    #: standard or local time
    reporting_zone: str
    equation: str
    citation: str
    unit: str
    #: rounded as the rule does; None: it cannot be computed, as ``reason`` says
    value: Decimal | None
    unrounded: Decimal | None
    operating_h: Decimal
    hours_waiting: int
    is_final: bool
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedFactor:
    """A version of a factor that holds on a day of the period, per unit of activity."""

    facility: str
    id: str
    #: ids, space separated
    sources: str
    unit: str
    #: None: only CO2e is published
    co2_kg: float | None
    #: as published; None: it follows from the gases
    co2e_kg: float | None
    biogenic_kg: float
    uncertainty_percent: float | None
    valid_from: date | None
    #: exclusive
    valid_to: date | None
    known_from: datetime
    data_year: int | None
    release: str
    citation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BesideEmissions:
    """What was removed, or retired as credits; it is deducted from nothing."""

    facility: str
    id: str
    #: measured, stated or credit
    origin: str
    kind: str
    scope: int
    #: None: unknown
    kg: float | None
    #: fossil CO2 that was stored, which is no removal
    stored_fossil_kg: float | None
    #: None: it is not measured
    coverage: float | None
    document: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Restated:
    """Changes of closed hours of a source, for one reason."""

    facility: str
    source: str
    reason: str
    cause: str | None
    changes: int
    first_hour: datetime
    last_hour: datetime
    first_known_at: datetime
    last_known_at: datetime
    #: new less old
    difference: Masses


@dataclass(frozen=True, kw_only=True, slots=True)
class EmissionReport:
    """Emissions of a period, as known at an instant."""

    period: Period
    #: id of the facility or organisation; None: all facilities that whoever asks may see
    subject: str | None
    #: name that people read; None: as ``subject``
    name: str | None
    known_at: datetime
    #: restatements are those since then; None: since the period was over
    since: datetime | None
    facilities: Sequence[ReportedFacility]
    totals: Sequence[Total]
    months: Sequence[MonthTotal]
    sources: Sequence[SourceTotal]
    beside: Sequence[BesideEmissions]
    rules: Sequence[RuleTotal]
    methods: Sequence[Method]
    factors: Sequence[UsedFactor]
    restatements: Sequence[Restated]

    @property
    def is_over(self) -> bool:
        """Whether the period is over in the time zone of each facility."""
        return all(facility.ends <= self.known_at for facility in self.facilities)

    @property
    def is_final(self) -> bool:
        """Whether all of its hours are final."""
        return self.is_over and all(
            source.figures.is_final for source in self.sources if source.standing != "replaced"
        )

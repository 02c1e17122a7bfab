"""Emission factors: versions in two times, and the one that holds.

A factor is a row per version. *Valid time* is when the activity took place; *known-at time* is
when the figure could be known: a figure corrected later ends the known time of the old row and
opens a new one, so that a total can be computed as it was and as it should have been.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeVar

from services.core.accounting.gwp import AR6, GwpSet, MethaneOrigin, co2e_kg

T = TypeVar("T", date, datetime)
Basis = Literal["none", "gross", "net", "location", "market"]


class FactorError(LookupError):
    """No version of a factor holds at a time, or more than one does."""


class ConfigurationError(ValueError):
    """What a facility file asks for cannot be computed; the message says why and what helps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeatContent:
    """A default heat content: `mj` megajoules per one `unit` of fuel, on the factor's own basis."""

    mj: float
    unit: str
    citation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """One version of one factor, per `unit` of activity.

    `ch4_kg`, `n2o_kg`: kg of the gas. `co2_biogenic_kg`: kg of CO2 from biomass, which is
    neither in `co2_kg` nor in CO2e (GHG Protocol Corporate Standard, ch. 9: reported apart).
    `co2e_kg`: set where CO2e was published instead of the gases; it then stands as published,
    under the GWP set of its publisher. `basis`: gross or net calorific value for fuels by
    energy, location or market for electricity. `valid_from` (included) and `valid_to`
    (excluded) are calendar days of the facility, `known_from`/`known_to` instants; None is
    open. `data_year` is the year the figure describes, `release` the publication it stands in.
    `uncertainty`: percent, half the 95 % interval. `gases`: kg of each other greenhouse gas, by the
    name that `gwp` has for it. `density_kg_m3`: of the fuel as it is metered. `publication` names a
    built-in figure's publication; `successor_expected` is the day by which a newer figure is due.
    `fallback`: of a series of values by the hour, what holds for hours without one, in order; a
    series has no figures of its own, `series_id` is where its values are.
    """

    id: str
    unit: str
    co2_kg: float | None
    citation: str
    ch4_kg: float = 0.0
    n2o_kg: float = 0.0
    co2_biogenic_kg: float = 0.0
    co2e_kg: float | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    known_from: datetime | None = None
    known_to: datetime | None = None
    basis: Basis = "none"
    data_year: int | None = None
    release: str = ""
    uncertainty: float | None = None
    ch4_origin: MethaneOrigin = "non-fossil"
    heat_content: HeatContent | None = None
    gases: tuple[tuple[str, float], ...] = ()
    density_kg_m3: float | None = None
    publication: str = ""
    successor_expected: date | None = None
    fallback: tuple[str, ...] | None = None
    series_id: int | None = None

    @property
    def is_series(self) -> bool:
        """Whether it has values by the hour, and no figures of its own."""
        return self.fallback is not None

    def total_co2e_kg(self, gwp: GwpSet = AR6) -> float:
        """CO2e in kg per unit of activity; ConfigurationError when no figure is given at all."""
        if self.co2e_kg is not None:
            return self.co2e_kg
        if self.co2_kg is None:
            raise ConfigurationError(f"factor {self.id!r} gives neither co2_kg nor co2e_kg")
        return co2e_kg(
            self.co2_kg,
            self.ch4_kg,
            self.n2o_kg,
            gases=self.gases,
            gwp=gwp,
            ch4_origin=self.ch4_origin,
        )

    @property
    def counted_co2_kg(self) -> float:
        """CO2 in kg per unit that counts; what is published as CO2e only counts whole as CO2.

        :raises ConfigurationError: no figure is given at all.
        """
        return self.total_co2e_kg() if self.co2_kg is None else self.co2_kg


def version_in_force(
    factors: Iterable[Factor], when: date | datetime, known_at: datetime
) -> Factor:
    """Return the version of one factor (all `factors` share an id) that holds for an activity.

    `when` as a datetime is aware and in the facility's time zone: its calendar day counts.
    `known_at` is aware. Raises FactorError when no version holds, naming what there is, and when
    more than one does.
    """
    rows = tuple(factors)
    if not rows:
        raise FactorError("no such factor")
    day = _day(when)
    if known_at.tzinfo is None:
        raise ValueError("known_at must be an aware datetime")
    known = [f for f in rows if _within(known_at, f.known_from, f.known_to)]
    valid = [f for f in known if _within(day, f.valid_from, f.valid_to)]
    if len(valid) == 1:
        return valid[0]
    name = rows[0].id
    if valid:
        versions = "; ".join(_validity(f) for f in valid)
        raise FactorError(f"factor {name!r} has {len(valid)} versions for {day}: {versions}")
    versions = "; ".join(_validity(f) for f in known) or "none"
    raise FactorError(
        f"factor {name!r} has no version for {day} as known at {known_at.isoformat()}: "
        f"there is {versions}"
    )


def overlaps(factors: Iterable[Factor]) -> list[tuple[Factor, Factor]]:
    """Pairs of versions of the same id that hold at the same valid and known-at time."""
    rows = list(factors)
    return [
        (one, other)
        for i, one in enumerate(rows)
        for other in rows[i + 1 :]
        if one.id == other.id
        and _meet(one.valid_from, one.valid_to, other.valid_from, other.valid_to)
        and _meet(one.known_from, one.known_to, other.known_from, other.known_to)
    ]


def _day(when: date | datetime) -> date:
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ValueError("when must be an aware datetime, in the facility's time zone")
        return when.date()
    return when


def _within(moment: T, first: T | None, end: T | None) -> bool:
    return (first is None or first <= moment) and (end is None or moment < end)


def _meet(a_first: T | None, a_end: T | None, b_first: T | None, b_end: T | None) -> bool:
    return (a_first is None or b_end is None or a_first < b_end) and (
        b_first is None or a_end is None or b_first < a_end
    )


def _validity(factor: Factor) -> str:
    return f"{factor.valid_from or 'always'} to {factor.valid_to or 'open'}"

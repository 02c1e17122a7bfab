"""What a facility file says of its path to net zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from services.core.accounting.factors import ConfigurationError
from services.core.accounting.pathway import paths
from services.core.accounting.pathway.balance import Counting
from services.core.accounting.pathway.policies import POLICIES, Policy, PolicyName
from services.core.facility.fields import Part, Within, at_most

#: kg of a tonne.
T_KG: Final = 1000.0

_Year = Annotated[int, Within(lowest=1990, highest=2150)]
_Tonnes = Annotated[float, Within(lowest=0, highest=1e12)]
_Amount = Annotated[float, Field(gt=0), Within(lowest=1e-9, highest=1e15)]
_Percent = Annotated[float, Within(lowest=0, highest=100)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]

#: Keys that belong to one form of path alone.
_KEYS: Final = {
    "stated": ("milestones", "interpolation"),
    "contraction": ("rate",),
    "sda": ("sector", "production", "sector_production"),
    "peak-then-neutral": ("peak", "neutral_year"),
}


class YearTonnes(Part):
    """A mass of a calendar year."""

    year: _Year = Field(examples=[2030], description="Calendar year of the facility's time zone.")
    tonnes: _Tonnes = Field(examples=[58000], description="t of the figure in that year.")


class YearAmount(Part):
    """An amount of production in a calendar year."""

    year: _Year = Field(examples=[2030], description="Calendar year.")
    amount: _Amount = Field(examples=[120000], description="What was, or will be, produced.")


class YearIntensity(Part):
    """What a sector emits by unit of production in a calendar year."""

    year: _Year = Field(examples=[2030], description="Calendar year.")
    tonnes_per_unit: _Tonnes = Field(
        examples=[1.29], description="t of the figure by unit of production."
    )


class ActualTonnes(YearTonnes):
    """What was emitted in a year that tonne did not measure."""

    citation: _Text | None = Field(
        None, examples=["verified report 2024"], description="Where the figure stands."
    )


class BaseYear(Part):
    """The year that a path begins at."""

    year: _Year = Field(examples=[2020], description="Calendar year of the facility's time zone.")
    tonnes: _Tonnes | None = Field(
        None,
        examples=[100000],
        description=(
            "t of the figure in that year. Default: what tonne knows of it, once the year is over"
            " and all its hours are closed."
        ),
    )
    citation: _Text | None = Field(
        None,
        examples=["verified report 2020"],
        description="Where the stated figure stands, and why it changed if it did.",
    )
    recalculate_at: Annotated[float, Within(lowest=0.1, highest=100)] = Field(
        5.0,
        description=(
            "Percent by which restatements must move what tonne knows of the year before the base"
            " is recalculated."
        ),
    )


class ScopePath(Part):
    """What one scope of the facility may emit in each year, gross."""

    scope: Literal[1, 2, 3] = Field(examples=[1], description="Scope that the path is of.")
    figure: Literal["co2", "co2e", "market"] = Field(
        "co2e",
        description="Mass that it is of; market is market-based CO2 of scope 2, by market_factor"
        " and without contracts.",
    )
    base: BaseYear = Field(
        examples=[{"year": 2020, "tonnes": 100000}], description="The year that it begins at."
    )
    policy: PolicyName = Field(
        examples=["sbti-1.5c-2019"],
        description=(
            "Rule that gives each year's allowance: stated, contraction, sda, peak-then-neutral, or"
            " a published one."
        ),
    )
    rate: Annotated[float, Field(gt=0), Within(lowest=0.1, highest=100)] | None = Field(
        None, description="Percent of the base by which a contraction falls each year."
    )
    milestones: Annotated[tuple[YearTonnes, ...], at_most(200)] = Field(
        (), description="Points of a stated path, after the base year."
    )
    interpolation: Literal["linear", "steps"] | None = Field(
        None,
        description=(
            "Between stated points: linear; or steps, where each holds up to the next. Default:"
            " linear."
        ),
    )
    sector: Annotated[tuple[YearIntensity, ...], at_most(200)] = Field(
        (),
        description=(
            "The sector's intensities of an sda path, from the base year on; straight between them."
        ),
    )
    production: Annotated[tuple[YearAmount, ...], at_most(200)] = Field(
        (), description="The facility's own production of an sda path, for the same years."
    )
    sector_production: Annotated[tuple[YearAmount, ...], at_most(200)] = Field(
        (), description="The sector's production. Default: the market share stays as it is."
    )
    peak: YearTonnes | None = Field(
        None,
        examples=[{"year": 2030, "tonnes": 115000}],
        description="The highest year of a peak-then-neutral path.",
    )
    neutral_year: _Year | None = Field(
        None,
        examples=[2060],
        description=(
            "Year in which a peak-then-neutral path reaches its residual. Default: the policy's."
        ),
    )
    residual: _Percent = Field(
        0.0,
        description=(
            "Percent of the base, or of the peak, that stays in a neutral year: as much has to be"
            " removed for good."
        ),
    )
    credits_share: _Percent = Field(
        0.0,
        description=(
            "Percent of the residual that credits may balance in a neutral year. Policies that"
            " forbid them take 0 alone."
        ),
    )
    actual: Annotated[tuple[ActualTonnes, ...], at_most(200)] = Field(
        (),
        description=(
            "What was emitted in years that tonne did not measure; it counts in place of what tonne"
            " knows."
        ),
    )

    @property
    def counting(self) -> Counting:
        """Return what may count against the residual."""
        return Counting(
            removals_percent=self.definition.removals_percent, credits_percent=self.credits_share
        )

    @property
    def definition(self) -> Policy:
        """Return the policy itself."""
        return POLICIES[self.policy]

    @model_validator(mode="after")
    def _has_what_its_policy_takes(self) -> ScopePath:
        policy = self.definition
        if self.credits_share > policy.most_credits_percent:
            raise ValueError(
                f"policy: {self.policy} lets credits balance {policy.most_credits_percent:g} % of"
                f" the residual, not {self.credits_share:g} %: {policy.counting}"
            )
        for form, keys in _KEYS.items():
            given = [key for key in keys if getattr(self, key)]
            if given and form != policy.form:
                raise ValueError(f"{given[0]} does not belong to policy: {self.policy}")
        if policy.form == "contraction":
            self._check_rate(policy)
        if policy.form == "stated" and not self.milestones:
            raise ValueError("policy: stated needs milestones, such as [{year: 2030, tonnes: 900}]")
        if policy.form == "sda" and not (self.sector and self.production):
            raise ValueError("policy: sda needs sector and production")
        if policy.form == "peak-then-neutral":
            self._check_peak(policy)
        try:
            # of any base: whether it can be computed does not depend on the figure
            self.path(1.0)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _states_each_year_once(self) -> ScopePath:
        for key in ("milestones", "sector", "production", "sector_production", "actual"):
            _once(key, (entry.year for entry in getattr(self, key)))
        if any(entry.year <= self.base.year for entry in self.actual):
            raise ValueError("actual is of years after the base year; the base says what that was")
        return self

    def _check_rate(self, policy: Policy) -> None:
        if self.rate is None and policy.percent_a_year is None:
            raise ValueError("policy: contraction needs rate, percent of the base each year")
        if self.rate is not None and policy.percent_a_year is not None:
            raise ValueError(
                f"policy: {self.policy} has its own rate: leave rate out, or write policy:"
                " contraction"
            )
        if self.residual >= 100:
            raise ValueError("a residual of 100 % leaves nothing to contract")

    def _check_peak(self, policy: Policy) -> None:
        if self.peak is None:
            raise ValueError(
                f"policy: {self.policy} needs its peak, such as peak: {{year: 2030, tonnes: 11500}}"
            )
        neutral = self.neutral_year or policy.neutral_year
        if neutral is None:
            raise ValueError(f"policy: {self.policy} needs neutral_year")
        for key, year, latest in (
            ("peak", self.peak.year, policy.peak_year),
            ("neutral_year", neutral, policy.neutral_year),
        ):
            if latest is not None and year > latest:
                raise ValueError(f"{key} is {latest} at the latest under policy: {self.policy}")

    def path(self, base_kg: float) -> paths.Path:
        """Return the allowances that follow from the mass of the base year.

        :raises ConfigurationError: they do not.
        """
        base = paths.Point(year=self.base.year, value=base_kg)
        policy, residual = self.definition, self.residual
        if policy.form == "contraction":
            rate = self.rate or policy.percent_a_year or 0.0
            return paths.contraction(base, rate, residual_percent=residual)
        if policy.form == "stated":
            return paths.stated(
                base,
                _masses(self.milestones),
                steps=self.interpolation == "steps",
                residual_percent=residual,
            )
        if policy.form == "sda":
            return paths.convergence(
                base,
                [paths.Point(year=e.year, value=e.amount) for e in self.production],
                [paths.Point(year=e.year, value=e.tonnes_per_unit * T_KG) for e in self.sector],
                [paths.Point(year=e.year, value=e.amount) for e in self.sector_production],
                residual_percent=residual,
            )
        (peak,) = _masses([] if self.peak is None else [self.peak])
        neutral = self.neutral_year or policy.neutral_year or 0
        return paths.peak_then_neutral(base, peak, neutral, residual_percent=residual)


def _masses(entries: Iterable[YearTonnes]) -> list[paths.Point]:
    return [paths.Point(year=entry.year, value=entry.tonnes * T_KG) for entry in entries]


def _once(key: str, years: Iterable[int]) -> None:
    twice = [year for year, count in Counter(years).items() if count > 1]
    if twice:
        raise ValueError(f"{min(twice)} stands twice among {key}")

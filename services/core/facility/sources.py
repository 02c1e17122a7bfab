"""What a facility file may say of sources: what emits, by which method, from which channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from services.core.accounting.fuel_equations import FUEL_EQUATIONS
from services.core.accounting.gwp import GwpName
from services.core.accounting.stack.biogenic import BIOGENIC
from services.core.facility.fields import (
    ChannelReference,
    Day,
    Direction,
    Figure,
    Part,
    Percent,
    PositiveFigure,
    Role,
    Slug,
    WaitS,
    Within,
    at_most,
)
from services.core.facility.pollutants import OF_POLLUTANT, Pollutant
from services.core.facility.removals import MeasuredRemoval

#: Roles of the channels that tell whether a unit operates, its load, and what of its CO2 is from
#: biomass: no inputs of an equation.
OPERATING = "operating"
LOAD = "load"
TELLING = frozenset({OPERATING, LOAD, BIOGENIC})


def enters(role: str) -> bool:
    """Return whether a source's channel in this role enters what is counted of its CO2."""
    return role not in TELLING and OF_POLLUTANT not in role


#: By which time quarters and years of reports begin: without daylight saving time, or by the clock.
ReportingZone = Literal["standard", "local"]

#: How well an activity is known: from a meter, from a bill, or from what it probably was.
Evidence = Literal["metered", "billed", "estimated"]


class _Source(Part):
    id: Slug = Field(
        examples=["grid"], description="Name of the source, unique within the facility. A slug."
    )
    name: str | None = Field(None, description="Name that people read.")
    scope: Literal[1, 2, 3] = Field(examples=[2], description="Scope of the GHG Protocol.")
    validity: Literal["part75", "mrr", "hj75", "none"] = Field(
        "none", description="Rule that decides whether an hour of the source is valid."
    )
    substitution: Literal["part75", "mrr", "none"] = Field(
        "none", description="Rule that fills an hour that is missing or invalid."
    )
    lateness: WaitS = Field(
        900.0,
        description="How long after its end an hour stays open for late readings, a duration.",
    )
    check: Slug | None = Field(
        None,
        description=(
            "Another source that measures the same emission: this one counts in no sum, the "
            "difference is reported."
        ),
    )
    scope3_category: Annotated[int, Within(lowest=1, highest=15)] | None = Field(
        None,
        examples=[6],
        description=(
            "Scope 3: category of the GHG Protocol Corporate Value Chain Standard, 1 to 15, such as"
            " 1 for purchased goods and services, 5 for waste, 6 for business travel."
        ),
    )
    evidence: Evidence | None = Field(
        None,
        examples=["billed"],
        description=(
            "How the activity is known: metered, billed or estimated. Default: estimated where the"
            " factor is by money, billed where the channel is a log of events, else metered."
        ),
    )
    removal: MeasuredRemoval | None = Field(
        None,
        description=(
            "The source removes CO2: what it comes to was captured and stored. It stands beside"
            " emissions and is deducted from none. Default: it emits."
        ),
    )

    @model_validator(mode="after")
    def _category_is_of_scope_3(self) -> _Source:
        if self.scope3_category is not None and self.scope != 3:
            raise ValueError(
                f"scope3_category belongs to scope 3, and this source is scope {self.scope}"
            )
        return self

    @model_validator(mode="after")
    def _removal_is_measured(self) -> _Source:
        if self.removal is None:
            return self
        if self.scope == 2:
            raise ValueError(
                "a removal is of scope 1, the facility's own, or 3, somebody else's in its chain"
            )
        if self.substitution != "none":
            raise ValueError(
                "substitution fills gaps with what was probably emitted; of a removal nothing is"
                " filled in: remove it"
            )
        return self


class Derived(Part):
    """The derived channel that is a source's input, written out: it is kept with the source."""

    channel: ChannelReference = Field(description="The derived channel, as device.channel.")
    quantity: str = Field(description="What it comes to.")
    unit: str = Field(description="Unit of what it comes to.")
    formula: str = Field(description="How it is computed, every channel by its full name.")
    inputs: tuple[ChannelReference, ...] = Field(
        min_length=1, description="The channels of the formula, each as device.channel."
    )
    basis: Literal["wet", "dry"] | None = Field(
        None, description="Whether a gas is with its water vapour (wet) or without (dry)."
    )
    maximum_potential: PositiveFigure | None = Field(
        None, description="Maximum potential concentration or flow, in its unit."
    )
    uncertainty: Percent | None = Field(
        None, description="Percent of what it comes to, half the 95 % interval."
    )


if TYPE_CHECKING:
    MeasuredEquation = str
else:
    #: A type whose values are the names, for schemas and their error messages.
    MeasuredEquation = Literal[tuple(e.id for e in FUEL_EQUATIONS.values() if not e.heat_mmbtu)]


class MeasuredAnalysis(Part):
    """What is measured of a fuel while it burns, for an equation of 40 CFR 98 subpart C."""

    equation: MeasuredEquation = Field(
        examples=["C-2a"],
        description=(
            "C-2a: by measured heat content. C-3, C-4, C-5: by the carbon of a solid, liquid or"
            " gaseous fuel."
        ),
    )
    heat_content: ChannelReference | None = Field(
        None,
        description=(
            "Gauge of the gross heat content, such as of an online analyser in Btu/scf or MJ/kg."
            " Default, but for C-2a: that of the factor, for CH4 and N2O."
        ),
    )
    carbon_content: ChannelReference | None = Field(
        None, description="Gauge of the carbon: a fraction (C-3, C-5), or kg/gal or the like (C-4)."
    )
    molecular_weight: ChannelReference | None = Field(
        None, description="C-5: gauge of the molecular weight, in kg/kmol."
    )

    @model_validator(mode="after")
    def _has_what_the_equation_takes(self) -> MeasuredAnalysis:
        equation = FUEL_EQUATIONS[self.equation]
        for finding in equation.measured:
            if finding.name not in self.channels:
                raise ValueError(f"{equation.id} needs {finding.name}: name its channel")
        for name in set(self.channels) - {finding.name for finding in equation.takes}:
            raise ValueError(f"{equation.id} would not use {name}: remove it")
        return self

    @property
    def channels(self) -> dict[str, str]:
        """The channels, ``device.channel`` by what they measure."""
        stated = {name: getattr(self, name) for name in sorted(OF_FUEL)}
        return {name: reference for name, reference in stated.items() if reference is not None}


#: Roles of the channels that tell what a fuel is like, and not how much of it was burnt.
OF_FUEL = frozenset(MeasuredAnalysis.model_fields) - {"equation"}


class ActivitySource(_Source):
    """Mass = activity x emission factor."""

    method: Literal["activity"] = Field(
        examples=["activity"], description="Mass = activity x emission factor."
    )
    input: ChannelReference = Field(
        examples=["main-meter.import"],
        description="Channel that measures the activity, as device.channel.",
    )
    factor: Slug = Field(
        examples=["grid-gb"], description="Factor of this file, an imported or a built-in one."
    )
    analysis: MeasuredAnalysis | None = Field(
        None,
        description=(
            "Heat content or carbon of the fuel, measured while it burns: the factor is then the"
            " fuel of 40 CFR 98 tables C-1 and C-2. Default: by the factor alone."
        ),
    )
    market_factor: Slug | None = Field(
        None, description="Scope 2: market-based factor beside the location-based one."
    )
    gwp: GwpName | None = Field(
        None,
        description=(
            "Set of global warming potentials of this source. Default: the facility's, else AR6."
        ),
    )
    calorific_value: Annotated[float, Field(gt=0), Within(lowest=0.1, highest=1000)] | None = Field(
        None,
        description=(
            "MJ per m3, gross: turns a gas volume into energy where the factor is by energy."
        ),
    )
    density: Annotated[float, Field(gt=0), Within(lowest=1e-3, highest=1e5)] | None = Field(
        None,
        description=(
            "kg per m3 of the fuel as it is metered: leads from volume to mass where the factor is"
            " by the other one."
        ),
    )
    volume_correction: Annotated[float, Field(gt=0), Within(lowest=0.001, highest=1000)] = Field(
        1.0,
        description=(
            "From the metered to the reference volume where the meter does not correct; 1.02264"
            " in Great Britain."
        ),
    )

    derived: Derived | None = Field(
        None, description="The derived channel that is the input, as stored; no key of a file."
    )
    direction: Direction | None = Field(
        None, description="Direction of the input, as stored; it is a key of the channel."
    )

    @property
    def channels(self) -> dict[str, str]:
        """The channels it needs, ``device.channel`` by role; of a derived one, those it is of."""
        measured = {} if self.analysis is None else self.analysis.channels
        if self.derived is not None:
            return {**{name: name for name in self.derived.inputs}, **measured}
        return {"input": self.input, **measured}

    def measures(self, role: str) -> bool:
        """Return whether a role is of a channel that measures the fuel."""
        return self.analysis is not None and role in self.analysis.channels

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors it needs: its own, and the market-based one where it names one."""
        return (self.factor,) if self.market_factor is None else (self.factor, self.market_factor)


class Operating(Part):
    """What shows that the unit operates: a gauge, such as its load, above a value."""

    channel: ChannelReference = Field(
        examples=["cems-1.load"],
        description="Gauge that tells whether the unit operates, as device.channel.",
    )
    above: Figure = Field(
        examples=[5],
        description="The unit operates while the gauge is above this value, in the channel's unit.",
    )


class Load(Part):
    """The unit's load, by which a missing flow is filled from hours of about the same load."""

    channel: ChannelReference = Field(
        examples=["cems-1.load"], description="Gauge of the unit's load, as device.channel."
    )
    maximum: PositiveFigure = Field(
        examples=[120],
        description=(
            "Greatest load of an hour, in the channel's unit; it is divided into ten load ranges."
        ),
    )


class BiogenicShare(Part):
    """What of a stack's CO2 is from biomass, from a day on, by an analysis."""

    share: Annotated[float, Within(lowest=0, highest=100)] = Field(
        examples=[35], description="Percent of the CO2 that is from biomass."
    )
    valid_from: Day | None = Field(
        None, description="First day, in the facility's time zone. Default: always."
    )
    citation: Annotated[str, StringConstraints(min_length=1)] = Field(
        examples=["laboratory report of March 2026"],
        description="Where the share is from: analysis, laboratory report, estimation method.",
    )


class Biogenic(Part):
    """What of a stack's CO2 is from biomass: stated by analyses, or measured."""

    channel: ChannelReference | None = Field(
        None,
        description=(
            "Gauge of the share, as device.channel. Where it is not known all CO2 is fossil."
        ),
    )
    shares: Annotated[tuple[BiogenicShare, ...], at_most(1000)] = Field(
        (), description="Shares, each from its day on until the next one."
    )

    @model_validator(mode="after")
    def _is_told_once(self) -> Biogenic:
        if (self.channel is None) == (not self.shares):
            raise ValueError("biogenic has either a channel or shares")
        days = [share.valid_from for share in self.shares]
        if len(set(days)) < len(days):
            raise ValueError("two shares are stated from the same day on")
        return self


class StackSource(_Source):
    """Mass from what an emission monitoring system measures in the stack."""

    method: Literal["stack"] = Field(
        examples=["stack"], description="Mass from the monitors of a stack."
    )
    equation: str = Field(examples=["F-11"], description="Equation, such as F-11.")
    diluent: Literal["F-14A", "F-14B"] | None = Field(
        None, description="Equation that gives CO2 from O2."
    )
    fuel: str | None = Field(None, description="Fuel whose F-factors a diluent or G-4 uses.")
    unit_type: Literal["boiler", "turbine"] | None = Field(
        None,
        description=(
            "What burns the fuel: it decides the diluent cap, and the maximum potential CO2 of a"
            " monitor that states none, 14.0 % of a boiler, 6.0 % of a turbine. Default: boiler."
        ),
    )
    diluent_cap: bool | None = Field(
        None,
        description=(
            "Whether an hourly O2 above the diluent cap of 40 CFR 75 counts as the cap (14.0 % of"
            " a boiler, 19.0 % of a turbine), and a CO2 below it as the cap (5.0 %, 1.0 %), with"
            " method code 14. Default: no."
        ),
    )
    inputs: dict[Role, ChannelReference] = Field(
        examples=[{"co2": "cems-1.co2", "flow": "cems-1.flow"}],
        min_length=1,
        description="Channels of the equation's inputs, as role: device.channel.",
    )
    derived_inputs: dict[Role, Derived] = Field(
        default_factory=dict,
        exclude_if=lambda derived: not derived,
        description="The derived channels among the inputs, as stored; no key of a file.",
    )
    operating: Operating | None = Field(
        None, description="How it is known that the unit operates. Default: always."
    )
    reporting_zone: ReportingZone | None = Field(
        None, description="By which time reports are cut. Default: the facility's."
    )
    biogenic: Biogenic | None = Field(
        None,
        description=(
            "What of the CO2 is from biomass: it is a total of its own, CO2 is the rest."
            " Default: nothing."
        ),
    )
    load: Load | None = Field(
        None, description="Load by which a missing flow is filled. Default: one load range."
    )

    pollutants: Annotated[tuple[Pollutant, ...], at_most(100)] | None = Field(
        None,
        description="Other pollutants of the stack, such as NOx, with their limits. Default: none.",
    )

    @model_validator(mode="after")
    def _pollutants_have_names(self) -> StackSource:
        names = [pollutant.id for pollutant in self.pollutants or ()]
        if len(set(names)) < len(names):
            raise ValueError("two pollutants of a source have the same id")
        return self

    @model_validator(mode="after")
    def _inputs_are_inputs(self) -> StackSource:
        for role in TELLING & set(self.inputs):
            raise ValueError(
                f"{role} is no input: it stands beside inputs, as {role}: {{channel:}}"
            )
        return self

    @property
    def channels(self) -> dict[str, str]:
        """The channels it needs, ``device.channel`` by role; not all :func:`enters` its CO2.

        Of a derived input they are those that it is of, each by its own name.
        """
        telling = {OPERATING: self.operating, LOAD: self.load, BIOGENIC: self.biogenic}
        of_pollutants = {
            role: reference
            for pollutant in self.pollutants or ()
            for role, reference in pollutant.channels.items()
        }
        return {
            **{role: name for role, name in self.inputs.items() if role not in self.derived_inputs},
            **{name: name for part in self.derived_inputs.values() for name in part.inputs},
            **of_pollutants,
            **{
                role: part.channel
                for role, part in telling.items()
                if part is not None and part.channel is not None
            },
        }


class ProductionSource(Part):
    """What a channel counts of a product, contract or storage: a source that emits nothing.

    Its scope is 0, and no file has it among its sources: it is made of what those name. Its amounts
    are kept, closed, packed, restated and verified as the activity of any source is.
    """

    id: ChannelReference
    name: None = None
    scope: Literal[0] = 0
    method: Literal["production"] = "production"
    input: ChannelReference
    lateness: WaitS = 900.0
    validity: Literal["none"] = "none"
    substitution: Literal["none"] = "none"
    check: None = None
    scope3_category: None = None
    evidence: None = None
    removal: None = None
    derived: Derived | None = None

    @property
    def channels(self) -> dict[str, str]:
        """The channels it needs, ``device.channel`` by role; of a derived one, those it is of."""
        if self.derived is not None:
            return {name: name for name in self.derived.inputs}
        return {"input": self.input}


Source = Annotated[ActivitySource | StackSource, Field(discriminator="method")]

#: What the registry has of sources: those of the file, and what is counted of its products.
StoredSource = Annotated[
    ActivitySource | StackSource | ProductionSource, Field(discriminator="method")
]

"""What a facility file says of products: what counts them, and which emissions are theirs."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from services.core.accounting.intensity.allocation import (
    WHOLE,
    Allocation,
    AllocationMethod,
    changes,
    exact,
)
from services.core.accounting.intensity.cbam import CbamGoods
from services.core.facility.fields import (
    ChannelReference,
    Day,
    GasKg,
    Instant,
    Part,
    Percent,
    PositiveFigure,
    Slug,
    WaitS,
    Within,
    at_most,
)

_Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
_Urn = Annotated[str, StringConstraints(pattern=r"^[uU][rR][nN]:.+", max_length=1000)]
_Share = Annotated[float, Field(gt=0), Within(lowest=1e-6, highest=100)]

#: Whole shares.
_PERCENT: Final = 100


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class SharedSource(Part):
    """What of a source that several products share is one product's, by a named method."""

    source: Slug = Field(examples=["grid"], description="Source of this file.")
    method: AllocationMethod = Field(
        examples=["area"],
        description=(
            "By which key it is shared out: mass, energy, area or money, the product's key over the"
            " total; or stated, as a share."
        ),
    )
    key: PositiveFigure | None = Field(
        None, examples=[1200], description="The product's key value, such as its floor area."
    )
    total: PositiveFigure | None = Field(
        None, examples=[2000], description="The key value of all that share the source."
    )
    unit: _Text | None = Field(
        None, examples=["m2"], description="Unit of both key values, or their currency."
    )
    share: _Share | None = Field(
        None, examples=[40], description="stated: percent of the source that is the product's."
    )
    valid_from: Day | None = Field(
        None, description="First day that it holds, in the facility's time zone. Default: always."
    )
    valid_to: Day | None = Field(
        None, description="Day after the last one that it holds. Default: until the next entry."
    )
    citation: _Text | None = Field(
        None, examples=["floor plan 2026"], description="Where the key values are from."
    )

    @model_validator(mode="after")
    def _has_what_its_method_takes(self) -> SharedSource:
        keys = {"key": self.key, "total": self.total, "unit": self.unit}
        if self.method == "stated":
            given = [name for name, value in keys.items() if value is not None]
            if self.share is None or given:
                raise ValueError(
                    "method: stated takes share, in percent, and no key, total or unit"
                )
            return self
        missing = [name for name, value in keys.items() if value is None]
        if missing or self.share is not None:
            raise ValueError(f"method: {self.method} takes key, total and unit, and no share")
        if (self.key or 0.0) > (self.total or 0.0):
            raise ValueError("key is more than total, which is the key value of all that share")
        return self

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> SharedSource:
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("valid_to is not after valid_from")
        return self

    @property
    def allocation(self) -> Allocation:
        """Return the share itself, exactly as it is written."""
        share = (
            exact(self.share) / _PERCENT
            if self.share is not None
            else exact(self.key or 0.0) / exact(self.total or 1.0)
        )
        return Allocation(
            source=self.source,
            method=self.method,
            share=share,
            first=self.valid_from,
            end=self.valid_to,
        )


class Precursor(Part):
    """A material of which a product is made, with what was emitted for it before."""

    name: _Text = Field(examples=["pig iron"], description="Name of the material.")
    consumption: ChannelReference = Field(
        examples=["scale.pig-iron"],
        description="Channel that counts what of it is used for the product, as device.channel.",
    )
    unit: _Text = Field(
        examples=["t"], description="Unit that its embedded emissions are stated by."
    )
    direct_kg: GasKg = Field(
        examples=[1900], description="kg of CO2e embedded in one unit: direct emissions."
    )
    indirect_kg: GasKg = Field(
        0.0, description="kg of CO2e embedded in one unit: of electricity used for it."
    )
    valid_from: Day | None = Field(
        None, description="First day of use, in the facility's time zone. Default: always."
    )
    valid_to: Day | None = Field(
        None, description="Day after the last one of use. Default: until further notice."
    )
    citation: _Text = Field(
        examples=["supplier's communication 2026"],
        description="Where the figures are from: supplier, installation, default value.",
    )

    def holds(self, day: date) -> bool:
        """Return whether its figures hold on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day < self.valid_to
        )


class Deduction(Part):
    """What leaves a production process and takes emissions with it, such as heat that is sold."""

    name: _Text = Field(examples=["steam to the town"], description="What leaves.")
    channel: ChannelReference = Field(
        examples=["steam-meter.export"], description="Channel that counts it, as device.channel."
    )
    unit: _Text = Field(examples=["MWh"], description="Unit that its emissions are stated by.")
    kg: GasKg = Field(examples=[220], description="kg of CO2e deducted by one unit.")
    citation: _Text = Field(
        examples=["factor of the boiler's fuel, 90 % efficiency"],
        description="Where the figure is from.",
    )


class Cbam(Part):
    """The product as a good of the carbon border adjustment mechanism of the European Union."""

    goods: CbamGoods = Field(
        examples=["iron-and-steel"], description="Category of Regulation (EU) 2023/956."
    )
    cn_code: _Text = Field(examples=["7207 11 14"], description="Code of the nomenclature.")
    route: _Text | None = Field(
        None, examples=["electric arc furnace"], description="Production route."
    )
    heat: Annotated[tuple[Slug, ...], at_most(1000)] = Field(
        (),
        description=(
            "Sources of scope 2 that are heat from outside: its emissions are direct ones. The"
            " others are electricity, whose emissions are indirect."
        ),
    )
    deductions: Annotated[tuple[Deduction, ...], at_most(100)] = Field(
        (),
        description="Heat, waste gases and electricity that leave the process.",
    )


class Footprint(Part):
    """What a footprint says of the product that no meter measures (PACT data model 3.0)."""

    company: _Text = Field(examples=["Example Steel Ltd"], description="Owner of the data.")
    company_ids: Annotated[tuple[_Urn, ...], Field(min_length=1), at_most(100)] = Field(
        examples=[["urn:company:example.com:steel"]], description="Identifiers of the owner, URNs."
    )
    product_ids: Annotated[tuple[_Urn, ...], Field(min_length=1), at_most(100)] = Field(
        examples=[["urn:product:example.com:billet-150"]],
        description="Identifiers of the product, URNs.",
    )
    classifications: Annotated[tuple[_Urn, ...], at_most(100)] = Field(
        (), description="Classifications of the product, URNs, such as by CPC."
    )
    description: _Text = Field(
        examples=["Billets, 150 mm, of scrap"], description="What the product is."
    )
    mass_kg: GasKg | None = Field(
        None,
        description=(
            "kg of one unit of the product without packaging; 0 for energy. Default: by its unit,"
            " where that is one of mass."
        ),
    )
    fossil_carbon_kg: GasKg = Field(
        examples=[0.8], description="kg of fossil carbon in one unit of the product."
    )
    biogenic_carbon_kg: GasKg = Field(
        0.0, description="kg of biogenic carbon in one unit of the product."
    )
    standards: Annotated[tuple[_Text, ...], Field(min_length=1), at_most(20)] = Field(
        examples=[["ISO14067", "PACT-3.0"]],
        description="Cross-sectoral standards that the footprint follows.",
    )
    exempted_percent: Percent = Field(
        0.0, description="Percent of emissions that the footprint leaves out."
    )
    exempted: _Text | None = Field(None, description="What is left out, and why.")
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = Field(
        None, examples=["AT"], description="Where it is made: ISO 3166-1 alpha-2."
    )
    subdivision: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}-[A-Z0-9]{1,3}$")] | None = (
        Field(None, examples=["AT-4"], description="In place of country: ISO 3166-2.")
    )
    boundary: _Text | None = Field(
        None,
        examples=["melting, casting; upstream: scrap, electrodes"],
        description="Processes that the footprint is of.",
    )
    packaging_included: bool = Field(
        False, description="Whether emissions of packaging are among those of the sources."
    )
    primary_data_percent: Percent | None = Field(
        None, description="Percent of the footprint that rests on primary data."
    )

    @model_validator(mode="after")
    def _is_of_one_place(self) -> Footprint:
        if self.country is not None and self.subdivision is not None:
            raise ValueError("a footprint has a country or a subdivision of one, not both")
        return self


class Batch(Part):
    """A batch whose begin and end are stated."""

    id: _Text = Field(examples=["2026-0417"], description="Name of the batch.")
    from_: Instant = Field(
        alias="from", examples=["2026-11-22T06:00:00Z"], description="When it begins."
    )
    to: Instant = Field(examples=["2026-11-22T13:30:00Z"], description="When it ends.")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Batch:
        if self.to <= self.from_:
            raise ValueError(f"batch {self.id} does not end after it begins")
        return self


class Product(Part):
    """Something that is made, counted by channels, and what is emitted for it."""

    id: Slug = Field(
        examples=["billets"], description="Name of the product, unique within the facility. A slug."
    )
    name: _Text | None = Field(
        None, examples=["Steel billets"], description="Name that people read."
    )
    unit: _Text = Field(
        examples=["t"], description="Unit that emissions are told by, such as t, kWh, piece."
    )
    production: Annotated[
        tuple[ChannelReference, ...],
        BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
        Field(min_length=1),
        at_most(100),
    ] = Field(
        examples=["scale.billets"],
        description=(
            "Channel that counts what is made, as device.channel, or a list of channels whose"
            " amounts are added up: counters, gauges of a flow, intervals or events."
        ),
    )
    sources: Annotated[tuple[Slug, ...], at_most(10_000)] = Field(
        (), examples=[["furnace"]], description="Sources that are wholly this product's."
    )
    shared: Annotated[tuple[SharedSource, ...], at_most(10_000)] = Field(
        (), description="Sources of which a share is this product's."
    )
    batches: Annotated[tuple[Batch, ...], at_most(10_000)] = Field(
        (), description="Batches whose begin and end are known otherwise."
    )
    batch_channel: ChannelReference | None = Field(
        None,
        examples=["mes.batch"],
        description=(
            "Channel whose value is the number of the batch that is being made, 0 between two: an"
            " event channel or a gauge, as device.channel."
        ),
    )
    precursors: Annotated[tuple[Precursor, ...], at_most(1000)] = Field(
        (), description="Materials whose embedded emissions are the product's too."
    )
    footprint: Footprint | None = Field(
        None, description="What a footprint for customers takes (PACT data model 3.0)."
    )
    cbam: Cbam | None = Field(
        None, description="What reports of the carbon border adjustment mechanism take."
    )
    lateness: WaitS = Field(
        900.0,
        description="How long after its end an hour stays open for late amounts, a duration.",
    )

    @model_validator(mode="after")
    def _names_each_once(self) -> Product:
        if len(set(self.production)) < len(self.production):
            raise ValueError("a channel stands twice in production")
        if len(set(self.sources)) < len(self.sources):
            raise ValueError("a source stands twice in sources")
        ids = [batch.id for batch in self.batches]
        if len(set(ids)) < len(ids):
            raise ValueError("two batches have the same id")
        return self

    @property
    def channels(self) -> tuple[str, ...]:
        """Every channel whose amounts are kept for it, as ``device.channel``."""
        deductions = () if self.cbam is None else self.cbam.deductions
        return tuple(
            dict.fromkeys(
                (
                    *self.production,
                    *(precursor.consumption for precursor in self.precursors),
                    *(deduction.channel for deduction in deductions),
                )
            )
        )

    @property
    def change_days(self) -> list[date]:
        """Return the days, ascending, from which on something else is the product's."""
        stated = {
            day
            for precursor in self.precursors
            for day in (precursor.valid_from, precursor.valid_to)
            if day is not None
        }
        return sorted(stated | set(changes(self.allocations)))

    @property
    def allocations(self) -> tuple[Allocation, ...]:
        """Return what of each source is this product's, and when."""
        return (
            *(Allocation(source=name, method="whole", share=WHOLE) for name in self.sources),
            *_until_the_next(tuple(shared.allocation for shared in self.shared)),
        )


def _until_the_next(allocations: tuple[Allocation, ...]) -> list[Allocation]:
    return [
        allocation.until(
            min(
                (
                    other.first
                    for other in allocations
                    if other.source == allocation.source
                    and other.first is not None
                    and (allocation.first is None or other.first > allocation.first)
                ),
                default=None,
            )
        )
        for allocation in allocations
    ]

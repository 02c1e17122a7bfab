"""The footprint of a product, put together."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final
from uuid import UUID, uuid5

from services.api.models.footprints import (
    CarbonFootprint,
    EmissionFactorSource,
    ProductFootprint,
)
from services.api.routes.intensity_reading import FacilitySums, ProductSum
from services.core.accounting.intensity.allocation import exact
from services.core.accounting.intensity.footprint import (
    DeclaredUnit,
    FootprintFigures,
    declared_unit,
    figures,
)
from services.core.accounting.intensity.ratio import REASONS
from services.core.facility.model import Product
from services.core.facility.products import Footprint
from services.core.store.answers.buckets import Bucket
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.footprint_factors import FootprintFactors
from services.core.store.schema.figures import MASSES

_SPECIFICATION: Final = "3.0.0"
#: Of footprints of tonne: whoever computes the same has the same ids.
_NAMESPACE: Final = UUID("6f1d2c52-6a55-5c0e-9d6f-3a4b8f2f7c11")
_BILLION: Final = 10**9
_CO2E: Final = next(i for i, mass in enumerate(MASSES) if mass.stem == "co2e")
_BIOGENIC: Final = next(i for i, mass in enumerate(MASSES) if mass.stem == "co2_biogenic")


class FootprintError(ValueError):
    """A footprint cannot be told; the text says why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def footprint_of(
    facility: FacilityRow,
    product: Product,
    period: Bucket,
    sums: FacilitySums,
    product_sum: ProductSum,
    used: FootprintFactors,
    now: datetime,
) -> ProductFootprint:
    """Build the footprint of a product, which has ``footprint``, over a period.

    :raises FootprintError: a part of it is not known.
    """
    stated, declared = product.footprint, declared_unit(product.unit)
    assert stated is not None  # noqa: S101 - only such products come here
    assert declared is not None  # noqa: S101 - tonne apply refuses others
    computed = _figures(product, stated, declared, period, sums, product_sum)
    body = ProductFootprint(
        id="",
        spec_version=_SPECIFICATION,
        created=now,
        status="Active",
        company_name=stated.company,
        company_ids=list(stated.company_ids),
        product_description=stated.description,
        product_ids=list(stated.product_ids),
        product_classifications=list(stated.classifications) or None,
        product_name_company=product.name or product.id,
        comment=_comment(facility, product_sum),
        pcf=_carbon(stated, declared, computed, product_sum, used, period, now),
    )
    # an unfinished period ends with what is known, which is another footprint each time
    name = body.model_dump_json(by_alias=True, exclude={"id", "created"})
    return body.model_copy(update={"id": str(uuid5(_NAMESPACE, name))})


def check_coverage(product_sum: ProductSum, least: float) -> None:
    """Refuse the footprint of a period of which too little is known: a share, from 0 to 1.

    The data model's ``Active`` says that it may be used, and has no field for how much is known.

    :raises FootprintError: less is known of its emissions or of what was produced.
    """
    shares = {
        "emissions": product_sum.coverage or 0.0,
        "production": product_sum.production_coverage,
    }
    for name, share in shares.items():
        if share < least:
            raise FootprintError(
                "coverage-too-low",
                f"{name} known for {_percent(share)} % of the period, {100 * least:g} % are asked"
                " for: choose a period that is known by `from` and `to`, send what is missing, or"
                " accept less by `min_coverage`",
            )


def _figures(
    product: Product,
    stated: Footprint,
    declared: DeclaredUnit,
    period: Bucket,
    sums: FacilitySums,
    product_sum: ProductSum,
) -> FootprintFigures:
    ratio = product_sum.ratio
    if ratio.code is not None or ratio.masses_ug is None or ratio.amount_n is None:
        code = ratio.code or "emissions-unknown"
        raise FootprintError(code, REASONS[code])
    precursors = Fraction()
    for part in product.precursors:
        amount = sums.amount_of(part.consumption, part.unit, period, part.holds)
        if amount is None:
            raise FootprintError(
                "amount-unknown", f"nothing is known of what was used of {part.name}"
            )
        precursors += amount * (exact(part.direct_kg) + exact(part.indirect_kg))
    return figures(
        co2e_kg=ratio.masses_ug[_CO2E] / _BILLION,
        co2_biogenic_kg=ratio.masses_ug[_BIOGENIC] / _BILLION,
        precursors_kg=precursors,
        biogenic_carbon_kg=exact(stated.biogenic_carbon_kg) / declared.ratio,
        amount=ratio.amount_n / _BILLION * declared.ratio,
    )


def _carbon(
    stated: Footprint,
    declared: DeclaredUnit,
    computed: FootprintFigures,
    product_sum: ProductSum,
    used: FootprintFactors,
    period: Bucket,
    now: datetime,
) -> CarbonFootprint:
    mass_kg = declared.ratio if stated.mass_kg is None else exact(stated.mass_kg)
    primary = stated.primary_data_percent
    return CarbonFootprint(
        declared_unit_of_measurement=declared.name,
        declared_unit_amount="1",
        product_mass_per_declared_unit=_decimal(mass_kg / declared.ratio),
        reference_period_start=period.begins,
        reference_period_end=min(period.ends, now.replace(second=0, microsecond=0)),
        geography_country=stated.country,
        geography_country_subdivision=stated.subdivision,
        boundary_processes_description=stated.boundary,
        pcf_excluding_biogenic_uptake=_decimal(computed.excluding_uptake_kg),
        pcf_including_biogenic_uptake=_decimal(computed.including_uptake_kg),
        fossil_ghg_emissions=_decimal(computed.fossil_kg),
        fossil_carbon_content=_decimal(exact(stated.fossil_carbon_kg) / declared.ratio),
        biogenic_carbon_content=_decimal(exact(stated.biogenic_carbon_kg) / declared.ratio),
        biogenic_co2_uptake=_decimal(computed.uptake_kg),
        packaging_emissions_included=stated.packaging_included,
        ipcc_characterization_factors=list(used.gwp) or ["AR6"],
        cross_sectoral_standards=list(dict.fromkeys(stated.standards)),
        exempted_emissions_percent=_decimal(exact(stated.exempted_percent)),
        exempted_emissions_description=stated.exempted or "",
        allocation_rules_description=", ".join(part.text for part in product_sum.allocations),
        secondary_emission_factor_sources=[
            EmissionFactorSource(name=name, version=version) for name, version in used.factors
        ]
        or None,
        primary_data_share=None if primary is None else _decimal(exact(primary)),
    )


def _comment(facility: FacilityRow, product_sum: ProductSum) -> str:
    known = _percent(product_sum.coverage or 0.0)
    made = _percent(product_sum.production_coverage)
    state = "all hours are final" if product_sum.final else "some hours are still provisional"
    return (
        f"facility {facility.slug}; emissions known for {known} % of the time, production for"
        f" {made} %; {state}; electricity location-based"
    )


def _percent(share: float) -> str:
    """Write a share in percent, rounded down: what is not whole never looks so."""
    return f"{math.floor(share * 10_000) / 100:g}"


def _decimal(value: Fraction) -> str:
    """Write a number without an exponent, as the nearest float has it."""
    return f"{Decimal(repr(float(value))).normalize():f}"

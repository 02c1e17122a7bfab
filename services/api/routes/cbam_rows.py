"""The rows of ``GET /v1/reports/cbam``."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from services.api.http.shapes import Row, Shape
from services.api.models.cbam import CbamPeriod
from services.api.models.emission_table import ListedSource
from services.api.routes.intensity_reading import FacilitySums
from services.core.accounting.intensity.allocation import exact
from services.core.accounting.intensity.cbam import (
    Embedded,
    EmbeddedEmissions,
    embedded,
    is_co2_alone,
    policy_on,
)
from services.core.accounting.intensity.ratio import REASONS, SharedMass
from services.core.facility.model import Product
from services.core.facility.products import Cbam
from services.core.store.answers.buckets import Bucket
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.schema.figures import MASSES

ROWS: Final = Shape(CbamPeriod)

_BILLION: Final = 10**9
#: Where each mass is among those of a source.
_MASS: Final = {mass.stem: number for number, mass in enumerate(MASSES)}
_HEAT_OR_POWER: Final = 2

_UNKNOWN_AMOUNT: Final = "nothing is known of what was used of {name}"


def cbam_row(
    facility: FacilityRow, product: Product, name: str, period: Bucket, sums: FacilitySums
) -> Row:
    """Build the row of a product, which has ``cbam``, in a period."""
    good = product.cbam
    assert good is not None  # noqa: S101 - only such products come here
    gases = "co2" if is_co2_alone(good.goods) else "co2e"
    policy = policy_on(period.begins.astimezone(ZoneInfo(facility.timezone)).date())
    product_sum = sums.sum_of(product, period)
    used, left = _amounts(product, good, period, sums)
    direct_kg, indirect_kg = _attributed(product_sum.shared, good, _MASS[gases])
    emissions = embedded(direct_kg, indirect_kg, used, left)
    ratio = product_sum.ratio
    amount = None if ratio.amount_n is None else ratio.amount_n / _BILLION
    counts = policy.counts_indirect(good.goods)
    code = ratio.code or _code(emissions)
    return ROWS.row(
        product_sum,
        time=period.begins,
        until=period.ends,
        period=name,
        facility=facility.slug,
        product=product.id,
        product_name=product.name or product.id,
        goods=good.goods,
        cn_code=good.cn_code,
        route=good.route,
        policy=policy.name,
        policy_published=policy.published.isoformat(),
        gases=gases,
        unit=product.unit,
        production=_float(amount),
        direct_kg=_float(emissions.direct_kg),
        indirect_kg=_float(emissions.indirect_kg),
        precursors_direct_kg=_float(emissions.precursors_direct_kg),
        precursors_indirect_kg=_float(emissions.precursors_indirect_kg),
        indirect_counts=counts,
        direct_kg_per_unit=None if code else _float(emissions.direct_by_unit(amount)),
        indirect_kg_per_unit=None if code else _float(emissions.indirect_by_unit(amount)),
        embedded_kg_per_unit=None
        if code
        else _float(emissions.by_unit(amount, with_indirect=counts)),
        precursors="; ".join(
            f"{stated.name} {_written(part)} {stated.unit} of {stated.direct_kg:g} +"
            f" {stated.indirect_kg:g} kg ({stated.citation})"
            for stated, part in zip(product.precursors, used, strict=True)
        ),
        deductions="; ".join(
            f"{stated.name} {_written(part)} {stated.unit} of {stated.kg:g} kg ({stated.citation})"
            for stated, part in zip(good.deductions, left, strict=True)
        ),
        coverage=None if product_sum.coverage is None else round(product_sum.coverage, 6),
        production_coverage=round(product_sum.production_coverage, 6),
        state="final" if product_sum.final else "provisional",
        allocation=", ".join(part.text for part in product_sum.allocations),
        code=code,
        reason=_reason(product, good, used, left, code),
    )


def _attributed(
    shared: Sequence[tuple[ListedSource, SharedMass]], good: Cbam, mass: int
) -> tuple[Fraction | None, Fraction | None]:
    """Return direct and indirect emissions of the process in kg; None: a part is not known.

    What is of scope 3 belongs to no process.
    """
    direct: list[Fraction | None] = []
    indirect: list[Fraction | None] = []
    for listed, part in shared:
        scope, slug = listed.source.scope, listed.source.slug
        kg = None if part.masses_ug is None else part.masses_ug[mass] * part.share / _BILLION
        if scope == 1 or slug in good.heat:
            direct.append(kg)
        elif scope == _HEAT_OR_POWER:
            indirect.append(kg)
    return _sum(direct), _sum(indirect)


def _amounts(
    product: Product, good: Cbam, period: Bucket, sums: FacilitySums
) -> tuple[list[Embedded], list[Embedded]]:
    """Return what was used of each precursor, and what left by each deduction."""
    used = [
        Embedded(
            amount=sums.amount_of(stated.consumption, stated.unit, period, stated.holds),
            direct_kg=exact(stated.direct_kg),
            indirect_kg=exact(stated.indirect_kg),
        )
        for stated in product.precursors
    ]
    left = [
        Embedded(
            amount=sums.amount_of(stated.channel, stated.unit, period, lambda _: True),
            direct_kg=exact(stated.kg),
        )
        for stated in good.deductions
    ]
    return used, left


def _code(emissions: EmbeddedEmissions) -> str | None:
    if emissions.precursors_direct_kg is None or emissions.direct_kg is None:
        return "amount-unknown"
    return None


def _reason(
    product: Product,
    good: Cbam,
    used: Sequence[Embedded],
    left: Sequence[Embedded],
    code: str | None,
) -> str | None:
    if code is None or code in REASONS:
        return None if code is None else REASONS[code]
    stated = [*(part.name for part in product.precursors), *(d.name for d in good.deductions)]
    amounts = [part.amount for part in (*used, *left)]
    names = [name for name, amount in zip(stated, amounts, strict=True) if amount is None]
    return _UNKNOWN_AMOUNT.format(name=", ".join(names))


def _sum(parts: Sequence[Fraction | None]) -> Fraction | None:
    known = [part for part in parts if part is not None]
    return sum(known, Fraction()) if len(known) == len(parts) else None


def _float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _written(part: Embedded) -> str:
    return "?" if part.amount is None else f"{float(part.amount):.6g}"

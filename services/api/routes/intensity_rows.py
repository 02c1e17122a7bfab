"""The rows of ``GET /v1/intensity``."""

from __future__ import annotations

from typing import Final

from services.api.http.shapes import Row, Shape
from services.api.models.intensity import ProductIntensity
from services.api.routes.intensity_reading import ProductSum
from services.core.accounting.intensity.ratio import REASONS
from services.core.facility.model import Product
from services.core.store.answers.buckets import Bucket
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.schema.figures import MASSES

ROWS: Final = Shape(ProductIntensity, arrow=True)

#: Micrograms of a kilogram, and billionths of a unit.
_BILLION: Final = 10**9


def intensity_row(
    facility: FacilityRow,
    product: Product,
    bucket: Bucket,
    product_sum: ProductSum,
    *,
    batch: str | None = None,
) -> Row:
    """Build the row of a product in an interval."""
    ratio, limits = product_sum.ratio, product_sum.ratio.band_per_unit
    return ROWS.row(
        product_sum,
        time=bucket.begins,
        until=bucket.ends,
        facility=facility.slug,
        product=product.id,
        product_name=product.name or product.id,
        batch=batch,
        unit=product.unit,
        production=None if ratio.amount_n is None else float(ratio.amount_n / _BILLION),
        **{
            mass.answer: None
            if ratio.masses_ug is None
            else float(ratio.masses_ug[number] / _BILLION)
            for number, mass in enumerate(MASSES)
        },
        **{
            f"{mass.answer}_per_unit": ratio.per_unit_kg(number)
            for number, mass in enumerate(MASSES)
        },
        co2_low_kg_per_unit=None if limits is None else limits.low_kg,
        co2_high_kg_per_unit=None if limits is None else limits.high_kg,
        coverage=None if product_sum.coverage is None else round(product_sum.coverage, 6),
        production_coverage=round(product_sum.production_coverage, 6),
        state="final" if product_sum.final else "provisional",
        allocation=", ".join(part.text for part in product_sum.allocations),
        code=ratio.code,
        reason=None if ratio.code is None else REASONS[ratio.code],
    )

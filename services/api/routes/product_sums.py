"""What is a facility's products' in whole hours, days or longer, read and ready to be added up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from services.api.context import Context
from services.api.http.intervals import DAILY, IntervalLength
from services.api.routes.emission_series import columns_of, hours_then, series_of
from services.api.routes.intensity_reading import FacilitySums, of_products, refined
from services.core.facility.model import Product
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.facility_queries import FacilityRow


async def product_sums(
    context: Context,
    facility: FacilityRow,
    products: Sequence[Product],
    intervals: Buckets,
    interval: IntervalLength,
    *,
    now: datetime,
    as_of: datetime | None,
) -> FacilitySums | None:
    """Read the columns of a facility's products in intervals; None: there is nothing to add up.

    ``as_of``: as it was known at ``now``.
    """
    if not intervals:
        return None
    buckets = intervals
    if interval.mean >= DAILY.mean:
        buckets = refined(intervals, products, ZoneInfo(facility.timezone))
    async with context.database.read() as connection:
        (series,) = await series_of(
            connection,
            context.accounts,
            [facility],
            [],
            intervals[0].begins,
            min(intervals[-1].ends, now),
            now=now,
            as_of=as_of,
            with_production=True,
        )
        series = of_products(series, products)
        then = None
        if as_of is not None:
            then = await hours_then(context.database, [(series, buckets)], interval, now)
        columns = await columns_of(
            connection, series, buckets, interval, now=now, is_past=as_of is not None, then=then
        )
    return None if columns is None else FacilitySums(facility, series, buckets, columns, now)

"""The rows of ``GET /v1/intensity`` by batch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.context import Context
from services.api.http.pages import MAX_ROWS
from services.api.http.problems import TooManyRows
from services.api.http.shapes import Row
from services.api.routes.emission_series import series_of
from services.api.routes.intensity_reading import FacilitySums, change_instants, of_products
from services.api.routes.intensity_rows import intensity_row
from services.core.accounting.intensity.batches import RunningNumber, numbered
from services.core.facility.model import Product
from services.core.store.answers import emissions
from services.core.store.answers.buckets import Bucket, Buckets
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.readings.chart import channels, every_reading
from services.core.timeline.instants import HOUR_US, MINUTE_US, from_us, to_us

#: So long before a span a batch may have begun of which a channel tells the number.
BATCHES_SINCE: Final = timedelta(days=31)
#: Readings whose number is good or uncertain.
_USABLE: Final = 1


class _Batch(NamedTuple):
    name: str
    bucket: Bucket


async def batch_rows(
    context: Context,
    facility: FacilityRow,
    products: Sequence[Product],
    between: tuple[datetime, datetime],
    now: datetime,
) -> list[Row]:
    """Read and add up the batches of a facility's products."""
    rows: list[Row] = []
    for product in products:
        async with context.database.read() as connection:
            batches = await _batches(connection, facility, product, between, now)
            if not batches:
                continue
            buckets = _within_hours(batches, product, ZoneInfo(facility.timezone))
            (series,) = await series_of(
                connection,
                context.accounts,
                [facility],
                [],
                buckets[0].begins,
                buckets[-1].ends,
                now=now,
                with_production=True,
            )
            series = of_products(series, [product])
            ids = [listed.source.id for listed in series.sources]
            columns = await emissions.parts_of_hours(connection, ids, buckets, now=now)
        sums = FacilitySums(facility, series, buckets, columns, now)
        rows += [
            intensity_row(
                facility,
                product,
                batch.bucket,
                sums.sum_of(product, batch.bucket),
                batch=batch.name,
            )
            for batch in batches
        ]
    return rows


async def _batches(
    connection: AsyncConnection,
    facility: FacilityRow,
    product: Product,
    between: tuple[datetime, datetime],
    now: datetime,
) -> list[_Batch]:
    """Read the batches of a product that share time with a span, in whole minutes."""
    begins, ends = between
    known = [
        RunningNumber(name=batch.id, begins_us=to_us(batch.from_), ends_us=to_us(batch.to))
        for batch in product.batches
    ]
    if product.batch_channel is not None:
        device, slug = product.batch_channel.split(".")
        for channel in await channels(connection, facility.id, devices=[device], slugs=[slug]):
            read = await every_reading(
                connection, channel, begins=begins - BATCHES_SINCE, ends=ends, limit=sys.maxsize
            )
            series = read.series
            usable = ~series.missing & (series.quality <= _USABLE)
            known += numbered(series.ts_us[usable], series.value[usable], to_us(now))
    cut = [
        (run.name, run.begins_us // MINUTE_US, min(run.ends_us, to_us(now)) // MINUTE_US)
        for run in known
    ]
    return [
        _Batch(name, Bucket(begins=from_us(first * MINUTE_US), ends=from_us(last * MINUTE_US)))
        for name, first, last in cut
        if first < last and first * MINUTE_US < to_us(ends) and last * MINUTE_US > to_us(begins)
    ]


def _within_hours(batches: Sequence[_Batch], product: Product, zone: ZoneInfo) -> Buckets:
    """Cut the time of batches so that each part lies in one hour, one share and all or no batch.

    :raises TooManyRows: there would be more parts than an answer adds up.
    """
    first = min(to_us(batch.bucket.begins) for batch in batches)
    last = max(to_us(batch.bucket.ends) for batch in batches)
    hours = np.arange(first - first % HOUR_US + HOUR_US, last, HOUR_US)
    if hours.size + 2 * len(batches) > MAX_ROWS:
        raise TooManyRows("The batches take too many hours to add up; use a shorter time span.")
    ends = [to_us(b.bucket.begins) for b in batches] + [to_us(b.bucket.ends) for b in batches]
    shares = [us for us in change_instants([product], zone) if first < us < last]
    return Buckets.between_us(np.unique(np.concatenate((hours, ends, shares)).astype(np.int64)))

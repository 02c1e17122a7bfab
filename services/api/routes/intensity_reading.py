"""What ``/v1/intensity`` reads of a facility: what is its products', and how much was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from fractions import Fraction
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.api.models.emission_table import ListedSource, Series, lengths_ms, local_days
from services.core.accounting.intensity.allocation import Allocation, in_force
from services.core.accounting.intensity.ratio import (
    Amount,
    Intensity,
    SharedMass,
    intensity,
    unit_ratio,
)
from services.core.facility.model import Product
from services.core.store.answers.buckets import Bucket, Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.schema.figures import MASSES
from services.core.timeline.instants import to_us

#: Billionths of a unit, in which amounts are kept.
_BILLION: Final = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductSum:
    """What is a product's in a span of time."""

    #: each source that it has a share of; one whose share changes comes several times
    shared: tuple[tuple[ListedSource, SharedMass], ...]
    ratio: Intensity
    #: of the time that can be known, of all sources together; None: no source is the product's
    coverage: float | None
    production_coverage: float
    final: bool
    #: all that hold at any time of it
    allocations: tuple[Allocation, ...]


def of_products(series: Series, products: Sequence[Product]) -> Series:
    """Return the sources that any of the products names, and what counts them."""
    named = {part.source for product in products for part in product.allocations}
    named |= {channel for product in products for channel in product.channels}
    chosen = (source for source in series.sources if source.source.slug in named)
    return replace(series, sources=tuple(s for s in chosen if not s.source.replaced))


def refined(buckets: Buckets, products: Sequence[Product], zone: ZoneInfo) -> Buckets:
    """Cut buckets of whole days where what of a source is a product's changes."""
    cuts = change_instants(products, zone)
    inside = [us for us in cuts if buckets.begins_us[0] < us < buckets.ends_us[-1]]
    boundaries_us = np.concatenate((buckets.begins_us, buckets.ends_us[-1:], inside))
    return Buckets.between_us(np.unique(boundaries_us.astype(np.int64)))


def change_instants(products: Sequence[Product], zone: ZoneInfo) -> list[int]:
    """Return when what of a source is a product's changes, in microseconds since the epoch."""
    days = {day for product in products for day in product.change_days}
    return [to_us(_midnight(day, zone)) for day in sorted(days)]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


_ratio = cache(unit_ratio)


class FacilitySums:
    """The columns of a facility's sources and production channels, to be added up by product."""

    def __init__(
        self,
        facility: FacilityRow,
        series: Series,
        buckets: Buckets,
        columns: EmissionColumns,
        now: datetime,
    ) -> None:
        shape = (len(buckets), len(series.sources))
        zone = ZoneInfo(facility.timezone)
        self._active = {source.id for source in facility.sources}
        self._sources = {listed.source.slug: i for i, listed in enumerate(series.sources)}
        self._listed = series.sources
        self._buckets = buckets
        self._days, self._end_days = (
            [date.fromordinal(day) for day in local_days(instants_us, zone).tolist()]
            for instants_us in (buckets.begins_us, buckets.ends_us)
        )
        self._allocations: dict[str, tuple[Allocation, ...]] = {}
        self._by_day: dict[tuple[str, date], tuple[Allocation, ...]] = {}
        self._known = columns.known.reshape(shape)
        self._masses = [columns.masses_ug[mass.name].reshape(shape) for mass in MASSES]
        self._amounts = columns.activity_n.reshape(shape)
        self._has_amount = (columns.known & columns.has_activity).reshape(shape)
        self._final = columns.final.reshape(shape)
        known_ms: NDArray[Any] = np.sum(list(columns.methods_ms.values()), axis=0)
        length_ms = lengths_ms(buckets, columns, now)
        covered = np.minimum(np.minimum(columns.covered_ms, known_ms), length_ms)
        self._length_ms = length_ms.reshape(shape)
        self._covered_ms = covered.reshape(shape)

    def sum_of(self, product: Product, bucket: Bucket) -> ProductSum:
        """Add up what is a product's in a bucket, which is one of those read or made of some."""
        rows = self._rows(bucket)
        holding: dict[Allocation, list[int]] = {}
        for row in rows:
            for part in self._in_force_on(product, self._days[row]):
                holding.setdefault(part, []).append(row)
        shares = [
            (self._sources[part.source], part.share, its)
            for part, its in holding.items()
            if part.source in self._sources and self._is_expected(self._sources[part.source], rows)
        ]
        counting = [self._sources[name] for name in product.production if name in self._sources]
        masses = [self._mass(*share) for share in shares]
        amounts = [self._amount(name, product.unit, rows) for name in product.production]
        sources = [source for source, _, _ in shares]
        return ProductSum(
            shared=tuple(
                (self._listed[source], mass) for source, mass in zip(sources, masses, strict=True)
            ),
            ratio=intensity(masses, amounts),
            coverage=self._coverage([(its, source) for source, _, its in shares]),
            production_coverage=self._coverage([(rows, source) for source in counting]) or 0.0,
            final=bool(self._final[np.ix_(rows, [*counting, *sources])].all()),
            allocations=tuple(holding),
        )

    def amount_of(
        self, channel: str, unit: str, bucket: Bucket, holds: Callable[[date], bool]
    ) -> Fraction | None:
        """Add up what a channel counted on the days that hold, in a unit; None: it is not known."""
        rows = [row for row in self._rows(bucket) if holds(self._days[row])]
        if not rows:
            return Fraction()
        amount = self._amount(channel, unit, rows)
        return None if amount.n is None else amount.n * amount.per_unit / _BILLION

    def _in_force_on(self, product: Product, day: date) -> tuple[Allocation, ...]:
        """Return what holds on a day, by which many rows ask."""
        if product.id not in self._allocations:
            self._allocations[product.id] = product.allocations
        key = product.id, day
        if key not in self._by_day:
            self._by_day[key] = in_force(self._allocations[product.id], day)
        return self._by_day[key]

    def _rows(self, bucket: Bucket) -> range:
        ends = [to_us(bucket.begins), to_us(bucket.ends)]
        first, last = np.searchsorted(self._buckets.begins_us, ends).tolist()
        return range(first, last)

    def _is_expected(self, source: int, rows: range) -> bool:
        """Return whether a source is there: of one that is retired it is what is known."""
        is_active = self._listed[source].source.id in self._active
        return is_active or bool(self._known[rows.start : rows.stop, source].any())

    def _mass(self, source: int, share: Fraction, rows: Sequence[int]) -> SharedMass:
        known = [row for row in rows if self._known[row, source]]
        account = self._listed[source].account
        return SharedMass(
            masses_ug=tuple(sum(column[known, source].tolist()) for column in self._masses)
            if known
            else None,
            share=share,
            components=None
            if account is None
            else account.components(self._days[rows[0]], self._end_days[rows[-1]]),
        )

    def _amount(self, channel: str, unit: str, rows: Sequence[int]) -> Amount:
        source = self._sources.get(channel)
        if source is None:
            return Amount(n=None, per_unit=Fraction(1))
        listed = self._listed[source]
        known = [row for row in rows if self._has_amount[row, source]]
        return Amount(
            n=sum(self._amounts[known, source].tolist()) if known else None,
            per_unit=_ratio(listed.source.activity_unit or unit, unit),
            meters=() if listed.account is None else listed.account.meters,
        )

    def _coverage(self, cells: Sequence[tuple[Sequence[int], int]]) -> float | None:
        """Return the known share of rows of sources."""
        expected = sum(float(self._length_ms[rows, source].sum()) for rows, source in cells)
        covered = sum(float(self._covered_ms[rows, source].sum()) for rows, source in cells)
        return covered / expected if expected else None

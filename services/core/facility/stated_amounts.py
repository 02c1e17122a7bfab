"""What stated removals and credits come to in spans of time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.pathway.balance import Removed
from services.core.facility.pathway import T_KG
from services.core.facility.removals import Credit, StatedRemoval
from services.core.timeline.instants import to_us

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StatedAmounts:
    """kg of each span."""

    removed_kg: Floats
    #: of it, what is stored for good
    permanent_kg: Floats
    credits_kg: Floats


def day_begins(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which a day begins."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def removed_kg(
    removal: StatedRemoval, zone: ZoneInfo, begins_us: Integers, ends_us: Integers
) -> Floats:
    """Return what was removed in each span of a removal that went evenly over its period."""
    first, last = (to_us(day_begins(day, zone)) for day in (removal.from_, removal.to))
    overlap_us = np.minimum(ends_us, last) - np.maximum(begins_us, first)
    share = np.maximum(overlap_us, 0) / np.float64(last - first)
    return np.asarray(removal.tonnes * T_KG * share, dtype=np.float64)


def retired_kg(credit: Credit, zone: ZoneInfo, begins_us: Integers, ends_us: Integers) -> Floats:
    """Return what was retired in each span."""
    at_us = to_us(day_begins(credit.retired_on, zone))
    is_in = ((begins_us <= at_us) & (at_us < ends_us)).astype(np.float64)
    return np.multiply(credit.tonnes * T_KG, is_in, dtype=np.float64)


def stated_amounts(
    removals: Iterable[StatedRemoval],
    retired: Iterable[Credit],
    zone: ZoneInfo,
    begins_us: Integers,
    ends_us: Integers,
) -> StatedAmounts:
    """Add up what is stated of each span, ``begins_us`` inclusive, ``ends_us`` exclusive."""
    removed, permanent, credits_kg = np.zeros((3, begins_us.size))
    for removal in removals:
        kg = removed_kg(removal, zone, begins_us, ends_us)
        removed += kg
        permanent += kg if removal.permanent else 0.0
    for credit in retired:
        credits_kg += retired_kg(credit, zone, begins_us, ends_us)
    return StatedAmounts(removed_kg=removed, permanent_kg=permanent, credits_kg=credits_kg)


def stated_between(
    removals: Iterable[StatedRemoval],
    retired: Iterable[Credit],
    zone: ZoneInfo,
    begins: datetime,
    ends: datetime,
) -> Removed:
    """Add up what is stated of one span."""
    amounts = stated_amounts(
        removals, retired, zone, np.array([to_us(begins)]), np.array([to_us(ends)])
    )
    return Removed(
        removed_kg=float(amounts.removed_kg[0]),
        permanent_kg=float(amounts.permanent_kg[0]),
        credits_kg=float(amounts.credits_kg[0]),
    )

"""Limit what a contract supplies to what certificates were retired for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.scope2.periods import Integers

Floats = NDArray[np.float64]


def certified(kwh: Floats, hour_kwh: Floats, month: Integers, month_kwh: Floats) -> Floats:
    """Return what is certified of each hour of a supply.

    ``hour_kwh``: certified for just this hour. ``month_kwh``: certified for a month, by ``month``,
    the number of each hour's month; it counts for what the hour's certificates leave, in all hours
    of the month alike.
    """
    of_hour = np.minimum(kwh, hour_kwh)
    left = kwh - of_hour
    sums = np.bincount(month, weights=left, minlength=month_kwh.size)
    share = np.divide(month_kwh, sums, out=np.zeros_like(sums), where=sums > 0)
    return np.asarray(of_hour + left * np.minimum(1.0, share)[month], dtype=np.float64)

"""Load ranges: a missing flow is filled from hours in which the unit ran at about the same load."""

from __future__ import annotations

from decimal import Decimal
from math import floor

LOAD_RANGES = 10
"""Equal ranges up to the maximum hourly load (40 CFR 75 App. C 2.2.1)."""


def load_range(load: Decimal | None, maximum: float) -> int:
    """Return the range, 1 to 10, of an hour's load; `maximum` in the same unit, above zero.

    floor(10 x load / maximum) + 1, and 10 from the maximum on, as EPA's checking code has it. A
    load that is not known is taken as the highest: tonne's own rule, the one that gives the most.
    """
    if load is None:
        return LOAD_RANGES
    return min(max(floor(10 * load / Decimal(str(maximum))) + 1, 1), LOAD_RANGES)

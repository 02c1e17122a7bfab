"""Rounding as the rules round: in decimal, halves away from zero."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

ARITHMETIC = Context(prec=40, rounding=ROUND_HALF_UP)
"""Decimal arithmetic of every reporting calculation, independent of the caller's context.

40 digits: the longest product here, K * concentration * flow * moisture, stays exact, so that a
result lying exactly on a half is seen as one.
"""


def half_away(value: Decimal, places: int) -> Decimal:
    """Return `value` at `places` decimals, halves away from zero; negative places mean tens.

    The rounding of EPA's own checking code (`MidpointRounding.AwayFromZero`): 50.25 becomes 50.3,
    where Python's `round` gives 50.2. A NaN stays a NaN.
    """
    if value.is_nan():
        return value
    # ROUND_HALF_UP is decimal's name for "away from zero", also below zero.
    rounded = value.quantize(Decimal(1).scaleb(-places), context=ARITHMETIC)
    return rounded if places >= 0 else rounded.quantize(Decimal(1), context=ARITHMETIC)

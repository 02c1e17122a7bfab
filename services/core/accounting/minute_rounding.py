"""The rule by which a minute's mass or amount becomes a whole number of billionths.

It is defined here. The database applies it too, to minutes whose factor changed
(:mod:`services.core.store.schema.minute_mass`): the same floating-point steps in SQL, which a test
holds to this definition to the last digit.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: The greatest mass or amount of a minute: 50 000 tonnes, where all the world together emits about
#: 70 000. The changes of an hour's minutes from one end of it to the other are a 64-bit integer.
MAX_BILLIONTHS: Final = 5 * 10**16

#: Amounts and factors below this come to no billionth; the database refuses a product of two
#: floating-point numbers that is too small to be one.
_LEAST: Final = 1e-100


def multipliable(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return amounts, or kg per unit of them, with 0 for what is next to nothing."""
    return np.where(np.abs(values) < _LEAST, 0.0, values)


def holdable(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which masses (kg) or amounts of a minute can be told; NaN cannot."""
    return np.abs(values) <= MAX_BILLIONTHS / 1e9


def billionths(
    minutes: NDArray[np.int64], known: NDArray[np.bool_], values: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return values in whole billionths, so that equal minutes add up to what they are parts of.

    Minute k of its hour gets what the rounded sum of k + 1 such minutes has more than that of k: an
    amount spread evenly over any minutes of an hour keeps its sum, and a minute is off by less than
    one billionth. It depends on the minute alone, never on what else is computed with it. Where
    nothing is known it is 0, so that equal ignorance is equal rows.
    """
    billionths = np.where(known, values, 0.0) * 1e9
    k = minutes % 60
    rounded = np.floor(billionths * (k + 1) + 0.5) - np.floor(billionths * k + 0.5)
    return rounded.astype(np.int64)

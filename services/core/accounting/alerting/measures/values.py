"""The values of thresholds, minute by minute; shapes are (thresholds, minutes)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

#: Later than any minute.
SAME_MINUTE: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """What is compared with the limits; NaN is unknown."""

    value: Floats
    #: a part of the value is unknown
    incomplete: Booleans
    #: what is unknown of it is so for no longer than data may be late
    awaited: Booleans
    #: a part of the value was filled in by the rule of a source, and not measured
    substituted: Booleans
    #: what the window will end with at the present rate; NaN where that is not asked for
    ends: Floats
    #: how fast the value rises, per minute, where that is asked for
    rise: Floats
    #: the minute that the value is of where an older one is carried forward; SAME_MINUTE: it is not
    known_at: Integers

    @classmethod
    def unknown(cls, thresholds: int, minutes: int) -> Values:
        """Return values of which nothing is known yet."""
        shape = (thresholds, minutes)
        return cls(
            value=np.full(shape, np.nan),
            incomplete=np.zeros(shape, dtype=bool),
            awaited=np.zeros(shape, dtype=bool),
            substituted=np.zeros(shape, dtype=bool),
            ends=np.full(shape, np.nan),
            rise=np.full(shape, np.nan),
            known_at=np.full(shape, SAME_MINUTE),
        )

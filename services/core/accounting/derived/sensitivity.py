"""How far a derived channel follows each of its channels: for the propagation of uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping

from services.core.accounting.derived.minutes import DerivedInput

_STEP = 1e-4


def sensitivities(derived: DerivedInput, channels: Mapping[str, float]) -> dict[str, float] | None:
    """By channel: percent that it changes when the channel changes by one percent, with its sign.

    Central differences around the values of ``channels`` (JCGM 100:2008, 5.1.2 and 5.1.3), of
    amounts those of the same time. None: it is zero there, or a channel is not known.
    """
    if not set(derived.channels) <= set(channels):
        return None
    value = float(derived.value(channels))
    if value == 0 or not math.isfinite(value):
        return None
    changes = {}
    for name in derived.channels:
        up, down = (
            float(derived.value({**channels, name: channels[name] * factor}))
            for factor in (1 + _STEP, 1 - _STEP)
        )
        changes[name] = (up - down) / (2 * _STEP * value)
    return changes if all(map(math.isfinite, changes.values())) else None

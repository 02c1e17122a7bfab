"""How wrong a method was before: what it would have said at past instants, and what came."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.core.accounting.forecast.methods import Floats, Method

#: Past forecasts that are tried at most: so many tell the error, and more take time.
_MAX_FORECASTS: Final = 120

#: Half of the 90 % interval of Student's t, by degrees of freedom from 1 on.
_T_90: Final = (
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812,
    1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725,
    1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697,
)  # fmt: skip
_T_90_MANY: Final = 1.645


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PastForecasts:
    """Forecasts of one method that were as long as the one that is asked for."""

    method: Method
    #: what came minus what the method expected
    errors: Floats
    #: forecasts among them that have no time in common
    independent: int

    @property
    def rms(self) -> float:
        """The root of the mean square of the errors."""
        return math.sqrt(float(np.mean(self.errors**2)))

    @property
    def half(self) -> float:
        """Half the 90 % interval of the next error.

        Few forecasts say little about the next one: Student's t, by those that are independent,
        makes the interval wider.
        """
        few = self.independent <= len(_T_90)
        return self.rms * (_T_90[self.independent - 1] if few else _T_90_MANY)


def past_forecasts(
    method: Method, history: Floats, weights: Floats, *, stride: int
) -> PastForecasts | None:
    """Try a method at past instants; None: nothing can be compared at any.

    ``weights``: how much of each coming step counts. ``stride``: steps between two instants, 1 or a
    multiple of the time that the steps repeat in; the newest is as recent as can be compared.
    """
    steps = weights.size
    last = history.size - steps
    # the newest instant is in step with now, so that hours of the day are compared with themselves
    newest = history.size - stride * math.ceil(steps / stride)
    every = stride * max(1, math.ceil((newest - method.back) / stride / _MAX_FORECASTS))
    errors, instants = [], []
    for instant in range(newest, method.back - 1, -every):
        if instant > last:
            continue
        came = history[instant : instant + steps]
        error = float(((came - method.forecast(history[:instant], steps)) * weights).sum())
        if not math.isnan(error):
            errors.append(error)
            instants.append(instant)
    if not errors:
        return None
    return PastForecasts(
        method=method, errors=np.array(errors), independent=_apart(instants, steps)
    )


def _apart(instants: list[int], steps: int) -> int:
    """Count instants, newest first, between which there are so many steps at least."""
    count, before = 0, math.inf
    for instant in instants:
        if instant <= before - steps:
            count, before = count + 1, instant
    return count

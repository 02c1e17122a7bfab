"""The expected rest of a period: by the method that was least wrong before, with its band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.core.accounting.forecast.methods import Floats, Method
from services.core.accounting.forecast.past_forecasts import PastForecasts, past_forecasts
from services.core.accounting.pathway.peak import LEAST_COVERAGE

#: Share of forecasts whose truth lies in the band, if the future errs as the past did.
LEVEL: Final = 0.9
#: Past forecasts that have no time in common, which a band needs at least.
LEAST_INDEPENDENT: Final = 2
#: A source with a lesser share of what was emitted lately may come later than the history begins.
_SMALL: Final = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What is expected of the rest of a period."""

    method: str
    rest: float
    #: half the 90 % interval of the rest
    half: float
    #: how many past forecasts of the same length that is from, and those with no time in common
    past: int
    independent: int
    #: the rest is not expected below this
    least: float | None


def outlook(
    history: Floats, weights: Floats, methods: Sequence[Method], *, stride: int
) -> Outlook | None:
    """Forecast the weighted sum of the coming steps; None: too little is known.

    ``history``: steps up to now, NaN where one is not known. ``weights``: how much of each coming
    step is left. ``stride``: see :func:`.past_forecasts`.
    """
    tried: list[tuple[PastForecasts, float]] = []
    for method in methods:
        if history.size < method.back:
            continue
        rest = float((method.forecast(history, weights.size) * weights).sum())
        past = past_forecasts(method, history, weights, stride=stride)
        if np.isnan(rest) or past is None or past.independent < LEAST_INDEPENDENT:
            continue
        tried.append((past, rest))
    if not tried:
        return None
    best, rest = min(tried, key=lambda one: one[0].rms)
    return Outlook(
        method=best.method.name,
        rest=rest,
        half=best.half,
        past=best.errors.size,
        independent=best.independent,
        least=0.0 if np.nanmin(history) >= 0 else None,
    )


def history_of(kg: Floats, known_ms: Floats, step_ms: Floats, *, newest: int) -> tuple[Floats, int]:
    """Add sources up by step, and return the sums with the first step that they are of.

    Shapes are (sources, steps). A source counts from the first step on in which anything is known
    of it, and the sums begin with the last of the sources that had 2 % or more of the ``newest``
    steps: before it came, the site was another one. A sum of which 90 % of the time is known stands
    for all of its time; NaN: less is.
    """
    is_known = known_ms > 0
    heard = is_known.any(axis=1)
    kg, known_ms, is_known = kg[heard], known_ms[heard], is_known[heard]
    if not heard.any():
        return np.zeros(0), step_ms.size
    since = is_known.argmax(axis=1)
    lately = np.abs(kg[:, -newest:]).sum(axis=1)
    first = int(since[lately >= _SMALL * max(lately.sum(), np.finfo(float).tiny)].max(initial=0))
    first = max(first, int(since.min()))
    lived = np.where(np.arange(step_ms.size) >= since[:, None], step_ms, 0.0).sum(axis=0)
    share = np.minimum(1.0, known_ms.sum(axis=0) / np.maximum(lived, 1.0))
    is_enough = share >= LEAST_COVERAGE
    sums = np.where(is_enough, kg.sum(axis=0) / np.maximum(share, LEAST_COVERAGE), np.nan)
    return sums[first:], first

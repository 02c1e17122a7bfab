"""For which hours a change of a series' values changes what holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.hourly_factors import (
    HOURLY,
    MEANS,
    Hours,
    KnownValues,
    ResolvedHours,
    resolve,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedHours:
    """Runs of hours (since the epoch; ends exclusive) for which something else holds now."""

    begins: Hours
    ends: Hours
    #: masses alone change, by a value or mean before and after; else something else may be known
    figures_only: NDArray[np.bool_]


def affected(hours: Hours, end: int) -> Hours:
    """Return the hours, before ``end``, for which values of ``hours`` may count.

    Those are the hours of their years, and of the year after, which may count by their mean.
    """
    years = hours[[0, -1]].astype("M8[h]").astype("M8[Y]")
    first, stop = (years + np.array([0, 2])).astype("M8[h]").astype(np.int64).tolist()
    return np.arange(first, min(stop, max(end, int(hours[-1]) + 1)))


def changed_hours(
    before: KnownValues,
    last_before: int | None,
    after: KnownValues,
    last_after: int,
    hours: Hours,
    orders: Collection[Sequence[str]],
) -> ChangedHours:
    """Compare what held for the hours, ascending and without a gap, with what holds now."""
    differs = np.zeros(hours.size, dtype=np.bool_)
    figures_only = np.ones(hours.size, dtype=np.bool_)
    then = resolve(before, hours[0] if last_before is None else last_before, hours)
    now = resolve(after, last_after, hours)
    for order in orders:
        names = (HOURLY, *order)
        old_kg, old_known = _figures(then, names)
        new_kg, new_known = _figures(now, names)
        differs |= (old_known != new_known) | (old_known & (old_kg != new_kg))
        figures_only &= old_known & new_known
    place = np.flatnonzero(differs)
    cut = (np.diff(place) != 1) | (np.diff(figures_only[place]) != 0)
    cuts = np.flatnonzero(cut) + 1
    begins = place[np.concatenate(([0], cuts))] if place.size else place
    ends = place[np.concatenate((cuts - 1, [place.size - 1]))] + 1 if place.size else place
    return ChangedHours(
        begins=hours[0] + begins, ends=hours[0] + ends, figures_only=figures_only[begins]
    )


def _figures(
    resolved: ResolvedHours, names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the figure of the series that holds in each hour, and whether one does."""
    used = resolved.used(names)
    kg = np.zeros(used.size)
    known = np.zeros(used.size, dtype=np.bool_)
    for i, name in enumerate(names):
        if name in (HOURLY, *MEANS):
            chosen = used == i
            kg[chosen] = resolved.kg[name][chosen]
            known |= chosen
    return kg, known

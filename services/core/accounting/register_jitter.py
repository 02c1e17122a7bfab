"""Falls of a register that are no reset: take them back from the rises before.

A register that is now rounded and now exact, or that two gateways tell with a different lag, falls
a little and comes back. To count its rises alone would count the way up twice. Here every reading
gets a *level*, and a step counts the difference of two levels: before a fall the levels of the
`PEAK_READINGS` readings before it are lowered to what the register fell to, so that the rise that
it takes back is not counted in the first place. The first level and the last of a stretch without
a reset are those of its readings, so that the sum over it is the last reading minus the first,
whatever lies between. Only a fall below all of those readings makes a step below zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.core.accounting.register_plausibility import (
    Bools,
    Floats,
    Ints,
    Readings,
    rise_between,
)

PEAK_READINGS = 2
"""The levels of this many readings before a fall are lowered; later ones see a step below zero."""

COMES_BACK_WITHIN = 4
"""A fall of more than a digit is none of a new register if it is made up in this many readings."""

_MAX_OF_INDEX = 0.1
"""A fall by more than this share of the index is no jitter, even if it comes back."""


def is_jitter(r: Readings, before: int, after: int) -> bool:
    """Whether a fall between two readings is to be taken back from the rises before it.

    It is where it spans no more than the coarser of the two readings' last digit, and where the
    register is back within `COMES_BACK_WITHIN` readings by rises that are each plausible.
    """
    fall = float(r.v[before] - r.v[after])
    if fall <= float(max(r.digit[before], r.digit[after])) * (1 + 1e-9):
        return True
    if fall > _MAX_OF_INDEX * abs(float(r.v[before])):
        return False
    last = min(after + COMES_BACK_WITHIN, r.ts.size - 1)
    for x in range(after, last):
        if r.epoch[x + 1] != r.epoch[after]:
            return False
        rise, plain = rise_between(r, np.array([x]), np.array([x + 1]))
        if rise[0] >= 0 and not plain[0]:
            return False
        if r.v[x + 1] >= r.v[before]:
            return True
    return False


def amounts(
    r: Readings, endpoints: Ints, rise: Floats, counted: Bools, taken_back: Sequence[int]
) -> Floats:
    """Compute what each step from one endpoint to the next counts; `rise` if no fall is near.

    `rise[i]` and `counted[i]` are of the step from `endpoints[i]` to `endpoints[i + 1]`;
    `taken_back` names the counted ones that fall, ascending.
    """
    if not taken_back:
        return rise
    shown = r.v[endpoints]
    level = shown.copy()
    for i in taken_back:
        step = i
        while endpoints[step] >= endpoints[i + 1] - PEAK_READINGS and (step == i or counted[step]):
            level[step] = min(level[step], shown[i + 1])
            if step == 0:
                break
            step -= 1
    for i in taken_back:
        _hold_first(endpoints, shown, level, counted, i)
    moved = level != shown
    moved[list(taken_back)] = True
    return np.where(moved[:-1] | moved[1:], np.diff(level), rise)


def _hold_first(endpoints: Ints, shown: Floats, level: Floats, counted: Bools, i: int) -> None:
    """Before the first reading of a stretch nothing is known that a fall could take back."""
    first = i
    while first > 0 and counted[first - 1]:
        if endpoints[i + 1] - endpoints[first] > 2 * PEAK_READINGS:
            return
        first -= 1
    level[first] = shown[first]
    step = first + 1
    while (
        step < endpoints.size
        and counted[step - 1]
        and endpoints[step] - endpoints[first] <= PEAK_READINGS
    ):
        level[step] = max(level[step], shown[first])
        step += 1

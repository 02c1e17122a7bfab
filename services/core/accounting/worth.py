"""What readings are worth where that changes at instants: a new transformer, a new calibration.

A reading counts by what is in force at its time. An amount that flowed from before a change until
after it is cut there, in proportion of the time: nothing tells when in between it flowed, so both
parts are estimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.units import Conversion

#: No unit makes a measure of a value beyond this, and no sum or product of such is beyond a float.
BEYOND_MEASURE = 1e60

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Worth:
    """What a channel's readings are worth from an instant on; None: since ever."""

    from_us: int | None
    #: from what the device sends to the unit; None: it sends the unit
    as_sent: Conversion | None
    #: what the channel can show at all, as sent, both ends included
    least: float = -BEYOND_MEASURE
    greatest: float = BEYOND_MEASURE

    @property
    def factor(self) -> float:
        """The unit's worth of one that the device sends."""
        return 1.0 if self.as_sent is None else self.as_sent.scale


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """Amounts that flowed evenly in [t0_us, t1_us), and of which channel each is."""

    t0_us: Ints
    t1_us: Ints
    amount: Floats
    owner: Ints


def in_unit(worths: Sequence[Worth], sent: Floats, ts_us: Ints) -> Floats:
    """Convert readings, as sent, to the unit; ``worths``: the first has no instant, then ascending.

    ``ts_us``: what each of them speaks of begins then.
    """
    in_force = _in_force(worths, ts_us)
    scale = np.array([worth.factor for worth in worths])
    offset = np.array([0.0 if w.as_sent is None else w.as_sent.offset for w in worths])
    value: Floats = sent * scale[in_force] + offset[in_force]
    return value


def shows(worths: Sequence[Worth], sent: Floats, ts_us: Ints) -> NDArray[np.bool_]:
    """Return which readings, as sent, can be the channel's; NaN is none."""
    in_force = _in_force(worths, ts_us)
    least = np.array([worth.least for worth in worths])
    greatest = np.array([worth.greatest for worth in worths])
    shown: NDArray[np.bool_] = (sent >= least[in_force]) & (sent <= greatest[in_force])
    return shown


def steps_in_unit(
    worths: Sequence[Worth], sent: Steps
) -> tuple[Steps, NDArray[np.intp], NDArray[np.bool_]]:
    """Convert amounts, as sent, to the unit, and cut those that flowed over a change.

    Returns the parts in order, which amount each is of, and whether that was cut.
    """
    starts = _starts(worths)
    first = np.searchsorted(starts, sent.t0_us, side="right")
    last = np.maximum(np.searchsorted(starts, sent.t1_us, side="left"), first)
    parts = last - first + 1
    which = np.repeat(np.arange(parts.size), parts)
    nth = np.arange(which.size) - np.repeat(np.cumsum(parts) - parts, parts)
    in_force = first[which] + nth
    t0_us, t1_us = sent.t0_us[which], sent.t1_us[which]
    # a part that does not begin or end with its amount does so at a change
    bounds = np.concatenate((starts[:1], starts, starts[-1:]))
    begins = np.where(nth == 0, t0_us, bounds[in_force])
    ends = np.where(nth == parts[which] - 1, t1_us, bounds[in_force + 1])
    is_cut = parts[which] > 1
    share = np.ones(which.size)
    share[is_cut] = (ends - begins)[is_cut] / (t1_us - t0_us)[is_cut]
    scale = np.array([worth.factor for worth in worths])
    converted = Steps(
        t0_us=begins,
        t1_us=ends,
        amount=sent.amount[which] * share * scale[in_force],
        owner=sent.owner[which],
    )
    return converted, which, is_cut


def _starts(worths: Sequence[Worth]) -> Ints:
    return np.array([worth.from_us for worth in worths[1:]], dtype=np.int64)


def _in_force(worths: Sequence[Worth], ts_us: Ints) -> NDArray[np.intp]:
    return np.searchsorted(_starts(worths), ts_us, side="right")

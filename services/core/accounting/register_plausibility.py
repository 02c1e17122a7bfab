"""What one reading of a register to another can physically be.

A rise is *plausible* up to `max_rate * elapsed`, plus one step of the register's last digit and
`CLOCK_ALLOWANCE_S` of elapsed time; a fall is, when what it counts across the modulus is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.register_records import RegisterConfig
from services.core.timeline.instants import HOUR_US

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CLOCK_ALLOWANCE_S = 2.0
"""Two timestamps cut to whole seconds put a span wrong by up to this much."""


@dataclass(frozen=True)
class Readings:
    """The readings with all that is derived from one reading alone."""

    ts: Ints
    v: Floats
    epoch: Ints
    modulus: Floats
    #: as the register says it; None: each value shows it
    resolution: float | None
    #: of all readings, or of each
    max_rate: float | Floats | None

    @cached_property
    def digit(self) -> Floats:
        """The weight of each value's last digit, which few rises ask for."""
        if self.resolution is None:
            return _last_digit(self.v)
        return np.full(self.v.size, self.resolution)


def prepare(ts_us: Ints, value: Floats, config: RegisterConfig) -> Readings:
    """Drop what is no reading, and look up each reading's epoch, modulus and last digit."""
    finite = np.isfinite(value)
    ts, v = ts_us[finite], value[finite]
    epochs = sorted(config.epochs, key=lambda epoch: epoch.from_us)
    starts = np.array([epoch.from_us for epoch in epochs], dtype=np.int64)
    epoch = np.searchsorted(starts, ts, side="right").astype(np.int64) - 1
    moduli = [config.modulus, *(epoch.modulus or config.modulus for epoch in epochs)]
    table = np.array(
        [np.inf if modulus is None else modulus for modulus in moduli], dtype=np.float64
    )
    return Readings(ts, v, epoch, table[epoch + 1], config.resolution, _max_rate(config, ts))


def _max_rate(config: RegisterConfig, ts: Ints) -> float | Floats | None:
    if config.max_rate_per_h is None or not config.later_rates:
        return config.max_rate_per_h
    starts = np.array([start for start, _ in config.later_rates], dtype=np.int64)
    rates = np.array([config.max_rate_per_h, *(rate for _, rate in config.later_rates)])
    rate: Floats = rates[np.searchsorted(starts, ts, side="right")]
    return rate


def _last_digit(v: Floats) -> Floats:
    """Return the weight of each value's last decimal digit, from 1 down to a millionth."""
    digit = np.full(v.size, 1e-6)
    for places in range(5, -1, -1):
        scaled = v * 10.0**places
        whole = np.abs(scaled - np.rint(scaled)) <= 1e-12 * np.maximum(np.abs(scaled), 1e3)
        digit[whole] = 10.0**-places
    return digit


def max_between(r: Readings, a: Ints, b: Ints) -> Floats:
    """Compute the most the register can have counted from one reading to another."""
    if r.max_rate is None:
        return np.full(a.shape, np.inf)
    return _counted_between(r, r.max_rate, a, b) + np.minimum(r.digit[a], r.digit[b])


def _counted_between(r: Readings, rate: float | Floats, a: Ints, b: Ints) -> Floats:
    """Compute the same without a step of the last digit."""
    hours = (r.ts[b] - r.ts[a]) / HOUR_US + CLOCK_ALLOWANCE_S / 3600
    if not isinstance(rate, float | int):
        rate = np.maximum(rate[a], rate[b])
    counted: Floats = rate * hours
    return counted


def rise_between(r: Readings, a: Ints, b: Ints) -> tuple[Floats, Bools]:
    """How far the index moved, and whether that is a plausible plain rise.

    A fall within the noise of a float (a sum kept by the device in binary) is no movement.
    """
    rise = r.v[b] - r.v[a]
    rise = np.where((rise < 0) & (rise >= -(2.0**-40) * np.abs(r.v[a])), 0.0, rise)
    plain = (rise >= 0) & (r.v[b] <= r.modulus[b])
    # what is within the rate alone needs no look at the digits
    if r.max_rate is not None and not (rise <= _counted_between(r, r.max_rate, a, b))[plain].all():
        plain &= rise <= max_between(r, a, b)
    return rise, plain


def wrap_between(r: Readings, a: Ints, b: Ints) -> tuple[Floats, Bools]:
    """Compute what a rollover in between would have counted, and whether it is plausible."""
    fall = r.v[a] - r.v[b]
    modulus = r.modulus[b]
    wrapped = modulus - fall
    possible = (fall > 0) & np.isfinite(modulus) & (r.v[a] <= modulus) & (r.v[b] >= 0)
    if r.max_rate is None:
        return wrapped, possible & (wrapped < fall)
    return wrapped, possible & (wrapped <= max_between(r, a, b))

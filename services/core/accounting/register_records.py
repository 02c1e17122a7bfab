"""What is known about a register, and what its readings turn out to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

IncidentKind = Literal[
    "rollover", "reset", "replacement", "transient", "confirmed", "jump", "jitter"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """From `from_us` on the register counts from `start` (None: not known), for the reason given.

    `modulus` None: that of the register's configuration.
    """

    from_us: int
    start: float | None = None
    reason: str = ""
    modulus: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Resets:
    """When a register begins again at zero, by the clock of a time zone."""

    every: Literal["day", "month", "year"]
    zone: ZoneInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterConfig:
    """What is known about a register, in the unit of its values; `max_rate_per_h` in unit/hour.

    `resolution` is the weight of its last digit; None takes it from the digits of the readings
    (at most 1 unit). `epochs` in any order. `later_rates` take the place of `max_rate_per_h` from
    their instants on (microseconds, ascending), where what an index is worth changes. `resets`:
    when it is known to begin again at zero.
    """

    modulus: float | None = None
    max_rate_per_h: float | None = None
    later_rates: tuple[tuple[int, float], ...] = ()
    epochs: tuple[Epoch, ...] = ()
    resolution: float | None = None
    resets: Resets | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnconfirmedStep:
    """A step that is not counted until a later reading confirms or retracts it.

    `value` is how far the index moved from `t0_us` to `t1_us`, below zero for a fall.
    """

    t0_us: int
    t1_us: int
    value: float
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """Something other than a plain rise, settled.

    `before` and `after` are the indexes at `t0_us` and `t1_us` (`before` None: no reading);
    `skipped_value` the one in between that was stepped across; `counted` the amount taken for the
    span, None when nothing could be said.
    """

    kind: IncidentKind
    t0_us: int
    t1_us: int
    before: float | None
    after: float
    counted: float | None
    reason: str
    skipped_value: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterSteps:
    """Every counted step in order of time, never overlapping.

    `amount` is below zero only where the index fell by jitter, and by no more than that.
    """

    t0_us: NDArray[np.int64]
    t1_us: NDArray[np.int64]
    amount: NDArray[np.float64]
    unconfirmed: tuple[UnconfirmedStep, ...] = ()
    incidents: tuple[Incident, ...] = ()

"""Whether a value can be a reading of its channel: unit, range, time. Nothing is ever clipped."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from services.core.accounting.units import UnitError, conversion
from services.core.timeline.instants import from_us
from services.ingest.decode.instant import NEWEST_US, OLDEST_US
from services.ingest.decode.observation import QUALITY, Observation
from services.ingest.quarantine.reasons import Reason

if TYPE_CHECKING:
    from services.ingest.target import Target

#: Longer texts name no unit.
_LONGEST_UNIT: Final = 32

#: Up to this quality a reading counts, so that its value must be possible.
_LAST_THAT_COUNTS: Final = QUALITY["uncertain"]

#: From here on a number may be the largest of single or double precision, which devices send where
#: they have no value.
FLOAT_MARKERS_FROM: Final = 3.4e38
_SINGLE_UP_TO: Final = 3.41e38
_DOUBLE_FROM: Final = 1.79e308


class CheckError(Exception):
    """The value cannot become a reading."""

    def __init__(self, reason: Reason, detail: str, *, is_over_range: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        #: a monitor shows it that has gone over its scale, not a broken one
        self.is_over_range = is_over_range


def check_time(ts_us: int, *, oldest_us: int, newest_us: int) -> None:
    """Refuse times that only a wrong clock can say.

    :raises CheckError: the time is before ``oldest_us`` or after ``newest_us``.
    """
    if oldest_us <= ts_us <= newest_us:
        return
    shown_time = from_us(ts_us).isoformat() if OLDEST_US <= ts_us <= NEWEST_US else "the time"
    if ts_us < oldest_us:
        raise CheckError(Reason.ABSURD_TIME, f"{shown_time} is too far in the past")
    raise CheckError(Reason.ABSURD_TIME, f"{shown_time} is ahead of the clock here")


def is_marker(value: float | None, target: Target) -> bool:
    """Whether a number as sent means that there is no value, by the channel or by custom."""
    if value is None:
        return False
    size = abs(value)
    return (
        FLOAT_MARKERS_FROM <= size <= _SINGLE_UP_TO
        or _DOUBLE_FROM <= size < math.inf
        or value in target.markers
    )


def checked_value(observation: Observation, target: Target) -> float | None:
    """Return the value in the channel's unit; None stays None; ``target`` as of its time.

    The range binds only values that count: under calibration gas a sensor may show what no
    process can, and that it was under calibration must be stored.

    :raises CheckError: the unit cannot be converted, or the value is not possible.
    """
    value = observation.value
    if value is None:
        return None
    unit = observation.unit
    if unit is not None and unit != target.unit:
        value = _converted(value, unit, target.unit)
    if not math.isfinite(value):
        raise CheckError(Reason.NOT_FINITE, f"the value is not finite in {target.unit}")
    lowest, highest = target.lowest - target.noise, target.highest + target.noise
    if not lowest <= value <= highest and observation.quality <= _LAST_THAT_COUNTS:
        shown = value if target.as_sent is None else target.as_sent(value)
        if target.counts_one_way and shown < 0:
            raise CheckError(Reason.BELOW_ZERO, f"{shown:g} {target.unit} is below zero")
        raise CheckError(
            Reason.OUT_OF_RANGE,
            _outside(value, target),
            is_over_range=_is_over_range(value, target),
        )
    return value


def _is_over_range(value: float, target: Target) -> bool:
    if target.over_range is None:
        return False
    above, up_to = target.over_range
    return above < (value if target.as_sent is None else target.as_sent(value)) <= up_to


def _outside(value: float, target: Target) -> str:
    in_unit = target.as_sent
    if in_unit is None:
        return f"{value!r} {target.unit} is outside {target.lowest!r} to {target.highest!r}"
    lowest, highest = sorted((in_unit(target.lowest), in_unit(target.highest)))
    return (
        f"{value!r} as sent, {in_unit(value):g} {target.unit}, is outside {lowest:g} to {highest:g}"
    )


def _converted(value: float, unit: str, channel_unit: str) -> float:
    if len(unit) > _LONGEST_UNIT:
        raise CheckError(Reason.UNIT_NOT_CONVERTIBLE, f"{unit[:_LONGEST_UNIT]!r}... is not a unit")
    try:
        return conversion(unit, channel_unit)(value)
    except UnitError as error:
        raise CheckError(Reason.UNIT_NOT_CONVERTIBLE, str(error)) from None

"""Units: what a number on the wire means, and how it becomes another unit of the same quantity.

Every unit stands for an exact rational number of its quantity's canonical (SI) unit, so a
conversion is one correctly rounded ratio times the value. A gas volume is either *actual* (as it
flowed, at an unnamed temperature and pressure) or *at reference conditions* (101.325 kPa and the
unit's own temperature: 0 degC for Nm3, 15 degC for Sm3, 68 degF for scf). Units at reference
conditions convert into each other by the ratio of their temperatures (ideal gas); between actual
and reference nothing can be said without temperature and pressure: see
`services.core.accounting.gas.actual_to_normal`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.spelling import nearest
from services.core.accounting.unit_table import Unit, named_units

#: Quantity of what was spent.
MONEY = "money"

__all__ = [
    "MONEY",
    "QUANTITIES",
    "Conversion",
    "Unit",
    "UnitError",
    "as_sent",
    "conversion",
    "convert",
    "quantity_of",
    "symbols",
    "unit",
]


class UnitError(ValueError):
    """A unit is unknown, or two units do not measure the same thing; the message names both."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """From one unit to another: `value * scale + offset`, for a float or an array."""

    from_unit: str
    to_unit: str
    scale: float
    offset: float

    @overload
    def __call__(self, value: float) -> float: ...
    @overload
    def __call__(self, value: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def __call__(self, value: float | NDArray[np.float64]) -> float | NDArray[np.float64]:
        """Convert; NaN stays NaN."""
        return value * self.scale + self.offset

    def after(self, first: Conversion) -> Conversion:
        """Return the conversion that does ``first``, then this one."""
        return Conversion(
            from_unit=first.from_unit,
            to_unit=self.to_unit,
            scale=self.scale * first.scale,
            offset=self.scale * first.offset + self.offset,
        )

    def back(self, bounds: tuple[float, float]) -> tuple[float, float]:
        """Return the bounds, lower one first, of what converts to values within ``bounds``."""
        one, other = ((bound - self.offset) / self.scale for bound in bounds)
        return min(one, other), max(one, other)


#: A wrong name is shown up to here.
_SHOWN = 60


def _key(name: str) -> str:
    spelled = name.strip().replace("³", "3").replace("µ", "u").replace("μ", "u")
    return " ".join(spelled.replace("_", " ").split())


_UNITS: dict[str, Unit] = {_key(spelling): made for spelling, made in named_units()}

QUANTITIES: frozenset[str] = frozenset(entry.quantity for entry in _UNITS.values())


@cache
def unit(name: str) -> Unit:
    """Return the unit of that name; `m³`, `m^3` and `m3` are one.

    Raises UnitError when there is none. Case matters (`MW` is not `mW`).
    """
    known = _UNITS.get(_key(name))
    if known is None:
        raise UnitError(f"unknown unit {name[:_SHOWN]!r}{_suggestion(name)}")
    return known


def quantity_of(name: str) -> str:
    """Return the quantity a unit measures, as a facility file names it; UnitError when unknown."""
    return unit(name).quantity


def symbols(quantity: str) -> tuple[str, ...]:
    """Every unit of a quantity by its first spelling, sorted; UnitError for no such quantity."""
    if quantity not in QUANTITIES:
        raise UnitError(f"unknown quantity {quantity!r}; known: {', '.join(sorted(QUANTITIES))}")
    return tuple(sorted({u.symbol for u in _UNITS.values() if u.quantity == quantity}))


@cache
def conversion(from_unit: str, to_unit: str) -> Conversion:
    """How a value in `from_unit` becomes one in `to_unit`.

    Raises UnitError, naming both, when either is unknown, when they measure different quantities,
    or when one is an actual gas volume and the other one at reference conditions.
    """
    try:
        source, target = unit(from_unit), unit(to_unit)
    except UnitError as error:
        if from_unit == to_unit:
            raise
        raise UnitError(f"cannot convert {from_unit!r} to {to_unit!r}: {error}") from None
    if source.quantity != target.quantity:
        raise UnitError(
            f"cannot convert {from_unit!r} to {to_unit!r}: "
            f"{source.quantity} is not {target.quantity}"
        )
    if source.quantity == MONEY and source != target:
        raise UnitError(
            f"cannot convert {from_unit!r} to {to_unit!r}: an exchange rate is of a day; state"
            " amounts in the currency of the factor"
        )
    if source.state != target.state:
        raise UnitError(
            f"cannot convert {from_unit!r} to {to_unit!r}: one is gas as it flows, the other at "
            "reference conditions; temperature and pressure are needed to tell"
        )
    return Conversion(
        from_unit=source.symbol,
        to_unit=target.symbol,
        scale=float(source.scale / target.scale),
        offset=float((source.offset - target.offset) / target.scale),
    )


def as_sent(unit_name: str, scale: float | None, offset: float | None) -> Conversion | None:
    """Return what turns the numbers a device sends into the unit; None: they are in it."""
    if scale is None and offset is None:
        return None
    return Conversion(
        from_unit=unit_name,
        to_unit=unit_name,
        scale=1.0 if scale is None else scale,
        offset=offset or 0.0,
    )


def convert(value: float, from_unit: str, to_unit: str) -> float:
    """One value from one unit to another; UnitError as `conversion` raises it."""
    return conversion(from_unit, to_unit)(value)


def _suggestion(name: str) -> str:
    folded = _key(name).casefold()
    close = sorted({u.symbol for key, u in _UNITS.items() if key.casefold() == folded})
    if not close:
        near = nearest(_key(name), _UNITS)
        close = [] if near is None else [_UNITS[near].symbol]
    return f" (did you mean {' or '.join(close)}?)" if close else ""

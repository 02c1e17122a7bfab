"""A scale as the plate of a meter or transformer states it: ``200/5 A``, ``1000 imp/kWh``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from services.core.accounting.units import UnitError, conversion, unit

#: What every refusal ends with.
HOW: Final = (
    "write a number, a ratio such as 200/5, or what a pulse is worth, such as 1000 imp/kWh or"
    " 0.01 m3/imp"
)

_PULSES: Final = frozenset(
    ("imp", "imps", "impulse", "impulses", "pulse", "pulses", "pls", "rev", "revs", "u")
)

#: Units of the two sides of a transformer, which are no units of channels.
_SIDES: Final = {
    "A": ("current", Fraction(1)),
    "kA": ("current", Fraction(1000)),
    "V": ("voltage", Fraction(1)),
    "kV": ("voltage", Fraction(1000)),
}

_AMOUNT: Final = re.compile(r"(?P<number>[0-9]{1,20}(?:\.[0-9]{1,20})?)?\s*(?P<name>[^\s0-9].*)?")
_TIMES: Final = re.compile(r"\s*[*x\u00d7]\s*(?=[0-9])")
_OVER: Final = re.compile(r"\s*(?:/|:|=|(?<![a-z])per(?![a-z]))\s*")
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?")
#: A text in a refusal is shortened to this.
_SHOWN: Final = 40
#: No plate says more.
_LONGEST: Final = 80


class Plate(str):
    """What a plate states, with the unit that the channel is in; None: that is not known."""

    __slots__ = ("unit",)
    unit: str | None

    def __new__(cls, text: str, unit: str | None) -> Plate:
        """Keep the text, and the unit beside it."""
        plate = super().__new__(cls, text)
        plate.unit = unit
        return plate


@dataclass(frozen=True, kw_only=True, slots=True)
class _Amount:
    number: Fraction
    name: str

    @property
    def is_pulses(self) -> bool:
        return self.name.rstrip(".").lower() in _PULSES


def scale(text: str) -> float:
    """Return how much of the channel's unit one that the device sends is worth.

    Factors of a product are multiplied: ``200/5 * 1000 imp/kWh`` is a pulse meter behind a current
    transformer. A :class:`Plate` has the unit; where that is not known the file is refused for it,
    and any figure will do.

    :raises ValueError: it is no scale, or is one of another quantity; the message says what to
        write.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"{_shown(text)} is not a scale: {HOW}")
    channel_unit = text.unit if isinstance(text, Plate) else None
    worth = Fraction(1)
    pulsed = 0
    for factor in _TIMES.split(text.strip()):
        if _NUMBER.fullmatch(factor):
            worth *= Fraction(factor)
            continue
        one, other = _sides(factor, text)
        if one.is_pulses != other.is_pulses:
            pulses, energy = (one, other) if one.is_pulses else (other, one)
            worth *= energy.number / pulses.number * _in_unit(energy.name, channel_unit, text)
            pulsed += 1
        else:
            worth *= _ratio(one, other, text)
    if pulsed > 1:
        raise ValueError(f"{_shown(text)} says twice what a pulse is worth: {HOW}")
    return float(worth)


def _sides(factor: str, text: str) -> tuple[_Amount, _Amount]:
    """Split a ratio; a number that is left out is one."""
    sides = _OVER.split(factor)
    amounts = [_amount(side) for side in sides]
    if len(amounts) == 2 and amounts[0] is not None and amounts[1] is not None:
        return amounts[0], amounts[1]
    raise ValueError(f"{_shown(text)} is not a scale: {HOW}")


def _amount(side: str) -> _Amount | None:
    match = _AMOUNT.fullmatch(side)
    if not side or match is None:
        return None
    number = Fraction(match["number"] or 1)
    return _Amount(number=number, name=(match["name"] or "").strip()) if number else None


def _ratio(one: _Amount, other: _Amount, text: str) -> Fraction:
    """Return the ratio of a transformer; where one side has no unit it has the other's."""
    names = [amount.name for amount in (one, other) if amount.name]
    if any(name not in _SIDES for name in names) or (one.is_pulses and other.is_pulses):
        raise ValueError(f"{_shown(text)} is not a scale: {HOW}")
    if len({_SIDES[name][0] for name in names}) > 1:
        raise ValueError(
            f"{_shown(text)} is not the ratio of a transformer: its sides are of one kind, as in"
            " 200 A/5 A"
        )
    factors = [
        _SIDES[amount.name or names[0]][1] if names else Fraction(1) for amount in (one, other)
    ]
    return one.number * factors[0] / (other.number * factors[1])


def _in_unit(name: str, channel_unit: str | None, text: str) -> Fraction:
    if not name:
        raise ValueError(f"{_shown(text)} does not say of which unit: {HOW}")
    stated = _known(name, text)
    try:
        target = None if channel_unit is None else unit(channel_unit)
    except UnitError:
        target = None  # what is wrong with the channel's unit is said there
    if target is None:
        return Fraction(1)
    try:
        conversion(name, target.symbol)
    except UnitError as error:
        raise ValueError(
            f"{_shown(text)} does not fit the channel's unit {target.symbol}: {error}"
        ) from None
    return stated / target.scale


def _known(name: str, text: str) -> Fraction:
    try:
        return unit(name).scale
    except UnitError as error:
        raise ValueError(f"{_shown(text)} is not a scale ({error}): {HOW}") from None


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."

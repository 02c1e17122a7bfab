"""Whether the units of a formula fit: what it comes to must be what its channel says.

Parts that are added must measure the same; parts that are multiplied or divided come to what their
dimensions do. Amounts of a minute (counters, intervals, events) and means over it (gauges) are not
added to each other.

A share, such as 20 %, is the number 0.2 to a formula. What stands beside it in a sum is 0, 1 or
says percent: 100 - h2o would be right of the number that the channel shows, and wrong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from services.core.accounting.derived.formula import (
    Choice,
    FormulaError,
    Node,
    Number,
    Operation,
    Reference,
    evaluate,
    text_of,
)
from services.core.accounting.unit_table import State
from services.core.accounting.units import UnitError, unit

_NONE: Final = (0, 0, 0)
_CUBIC: Final = 3

#: Exponents of mass, length and time of the quantities that a formula may hold.
_DIMENSIONS: Final[dict[str, tuple[int, int, int]]] = {
    "energy": (1, 2, -2),
    "power": (1, 2, -3),
    "volume": (0, 3, 0),
    "volume_flow": (0, 3, -1),
    "mass": (1, 0, 0),
    "mass_flow": (1, 0, -1),
    "concentration": (1, -3, 0),
    "energy_per_volume": (1, -1, -2),
    "energy_per_mass": (0, 2, -2),
    "fraction": _NONE,
}

#: Quantities of a gas that is either as it flows or at reference conditions.
_OF_GAS: Final = frozenset({"volume", "volume_flow", "concentration", "energy_per_volume"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a channel measures."""

    unit: str
    #: whether a minute's value is a mean, not an amount
    is_rate: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    dimension: tuple[int, int, int]
    is_amount: bool = False
    state: State | None = None
    #: of what holds no channel, its value; 0 may be compared with everything
    number: float | None = None
    #: whether a number of it says that it is percent
    is_percent: bool = False
    #: the unit of a share that is shown by another number than it is, such as %
    shown_in: str | None = None
    #: how it grows with all shares: 1 where twice the shares are twice as much; None: otherwise
    degree: int | None = 0

    @property
    def is_zero(self) -> bool:
        return self.number == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What a formula comes to."""

    is_rate: bool
    #: of shares: what the numbers come to that channels show is what the channel shows
    is_as_shown: bool


def check(node: Node, channels: Mapping[str, Measured], result: str) -> Checked:
    """Check a formula whose channel has the unit ``result``.

    :raises FormulaError: it does not fit, with what does not.
    """
    try:
        expected = unit(result)
    except UnitError as error:
        raise FormulaError(str(error)) from None
    wanted = _of_unit(result, is_amount=False)
    kind = _kind(node, channels)
    if (kind.dimension, kind.state) != (wanted.dimension, wanted.state):
        raise FormulaError(
            f"it comes to {_words(kind)}, and {result} is {expected.quantity}"
            + (f" of gas at {wanted.state} conditions" if wanted.state == "reference" else "")
        )
    return Checked(is_rate=not kind.is_amount, is_as_shown=kind.degree == 1)


def _of_unit(name: str, *, is_amount: bool) -> _Kind:
    measured = unit(name)
    dimension = _DIMENSIONS.get(measured.quantity)
    if dimension is None or measured.offset:
        raise FormulaError(f"{measured.quantity} in {name} cannot be part of a formula")
    return _Kind(
        dimension=dimension,
        is_amount=is_amount,
        state=measured.state if measured.quantity in _OF_GAS else None,
    )


def _kind(node: Node, channels: Mapping[str, Measured]) -> _Kind:
    match node:
        case Number(_, is_percent):
            number = float(evaluate(node, {}))
            return _Kind(dimension=_NONE, number=number, is_percent=is_percent)
        case Reference(name):
            channel = channels[name]
            kind = _of_unit(channel.unit, is_amount=not channel.is_rate)
            is_share = unit(channel.unit).quantity == "fraction"
            is_shown = is_share and unit(channel.unit).scale != 1
            return replace(kind, degree=int(is_share), shown_in=channel.unit if is_shown else None)
        case Choice(name, parts):
            kinds = [_kind(part, channels) for part in parts]
            numbers = _numbers(kinds)
            value = float(evaluate(Choice(name, tuple(numbers)), {})) if numbers else None
            return replace(_same(node, kinds), number=value)
        case Operation(sign, left, right):
            kinds = [_kind(left, channels), _kind(right, channels)]
            numbers = _numbers(kinds)
            value = float(evaluate(Operation(sign, *numbers), {})) if numbers else None
            if sign in {"+", "-"}:
                return replace(_same(node, kinds), number=value)
            return replace(_product(node, *kinds, divided=sign == "/"), number=value)


def _numbers(kinds: list[_Kind]) -> list[Number]:
    """Return the values of parts of which none holds a channel; else nothing."""
    numbers = [Number(kind.number) for kind in kinds if kind.number is not None]
    return numbers if len(numbers) == len(kinds) else []


def _same(node: Node, kinds: list[_Kind]) -> _Kind:
    stated = [kind for kind in kinds if not kind.is_zero] or kinds[:1]
    first = stated[0]
    for other in stated[1:]:
        if (other.dimension, other.is_amount, other.state) != (
            first.dimension, first.is_amount, first.state,
        ):  # fmt: skip
            raise FormulaError(
                f"{_shown(node)} puts {_words(first)} beside {_words(other)}, which cannot be added"
                " or compared"
            )
    shown_in = next((kind.shown_in for kind in stated if kind.shown_in), None)
    for kind in stated:
        if shown_in and kind.number not in {None, 1.0} and not kind.is_percent:
            raise FormulaError(
                f"{_shown(node)} puts {kind.number:g} beside a share in {shown_in}: 20 % are 0.2"
                f" in a formula; write {kind.number:g}% if percent are meant, and 1 for the whole"
            )
    degrees = {kind.degree for kind in stated}
    return _Kind(
        dimension=first.dimension,
        is_amount=first.is_amount,
        state=first.state,
        is_percent=all(kind.is_percent or kind.number == 1 for kind in stated),
        shown_in=shown_in,
        degree=first.degree if len(degrees) == 1 else None,
    )


def _product(node: Node, left: _Kind, right: _Kind, *, divided: bool) -> _Kind:
    if right.is_amount and (left.is_amount or divided):
        raise FormulaError(
            f"{_shown(node)} {'divides by' if divided else 'multiplies'} amounts of a minute; one"
            " of the two must be a gauge or a number"
        )
    states = {kind.state for kind in (left, right)} - {None}
    if len(states) > 1:
        raise FormulaError(f"{_shown(node)} mixes gas as it flows with gas at reference conditions")
    sign = -1 if divided else 1
    mass, length, time = (
        a + sign * b for a, b in zip(left.dimension, right.dimension, strict=True)
    )
    dimension = (mass, length, time)
    is_by_volume = abs(length) == _CUBIC or dimension == _DIMENSIONS["energy_per_volume"]
    degree = (
        None if left.degree is None or right.degree is None else left.degree + sign * right.degree
    )
    return _Kind(
        dimension=dimension,
        is_amount=left.is_amount or right.is_amount,
        # a mass by the cubic metre times cubic metres is a mass, wherever it was measured
        state=next(iter(states), None) if is_by_volume else None,
        is_percent=left.is_percent or right.is_percent,
        # a share of a share is one still, and the ratio of two shares is a plain number
        shown_in=None if degree == 0 else left.shown_in or right.shown_in,
        degree=degree,
    )


def _words(kind: _Kind) -> str:
    names = [name for name, dimension in _DIMENSIONS.items() if dimension == kind.dimension]
    words = names[0] if names else "what is no quantity of a channel"
    if kind.dimension == _NONE:
        words = "a plain number"
    if kind.state == "reference":
        words += " of gas at reference conditions"
    return f"{words} of a minute" if kind.is_amount else words


def _shown(node: Node) -> str:
    text = text_of(node)
    return repr(text if len(text) <= 80 else f"{text[:77]}...")

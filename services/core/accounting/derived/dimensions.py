"""Whether the units of a formula fit: what it comes to must be what its channel says.

Parts that are added must measure the same; parts that are multiplied or divided come to what their
dimensions do. Amounts of a minute (counters, intervals, events) and means over it (gauges) are not
added to each other.
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
    "fraction": _NONE,
}

#: Quantities of a gas that is either as it flows or at reference conditions.
_OF_GAS: Final = frozenset({"volume", "volume_flow", "concentration"})


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
    #: the number 0, which may be compared with everything
    is_zero: bool = False


def check(node: Node, channels: Mapping[str, Measured], result: str) -> bool:
    """Check a formula whose channel has the unit ``result``; return whether it is a rate.

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
    return not kind.is_amount


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
        case Number(value):
            return _Kind(dimension=_NONE, is_zero=value == 0)
        case Reference(name):
            channel = channels[name]
            return _of_unit(channel.unit, is_amount=not channel.is_rate)
        case Choice(_, parts):
            return _same(node, [_kind(part, channels) for part in parts])
        case Operation(sign, left, right):
            kinds = _kind(left, channels), _kind(right, channels)
            if sign in {"+", "-"}:
                return _same(node, list(kinds))
            return _product(node, *kinds, divided=sign == "/")


def _same(node: Node, kinds: list[_Kind]) -> _Kind:
    stated = [kind for kind in kinds if not kind.is_zero] or kinds[:1]
    first = stated[0]
    for other in stated[1:]:
        if replace(other, is_zero=False) != replace(first, is_zero=False):
            raise FormulaError(
                f"{_shown(node)} puts {_words(first)} beside {_words(other)}, which cannot be added"
                " or compared"
            )
    return first


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
    is_by_volume = abs(length) == _CUBIC
    return _Kind(
        dimension=(mass, length, time),
        is_amount=left.is_amount or right.is_amount,
        # a mass by the cubic metre times cubic metres is a mass, wherever it was measured
        state=next(iter(states), None) if is_by_volume else None,
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

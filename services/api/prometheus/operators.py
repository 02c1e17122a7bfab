"""Operators between two numbers, and between two series that belong together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from services.api.prometheus.values import Floats

_ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
}
COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
OPERATORS: Final = {**_ARITHMETIC, **COMPARISONS}

#: Between vectors only: which series stay.
SET_OPERATORS: Final = ("and", "or", "unless")


def computed(operator: str, left: Floats, right: Floats) -> Floats:
    """Return what an operator makes of numbers; a comparison 1 where it is true, else 0."""
    with np.errstate(all="ignore"):
        return OPERATORS[operator](left, right).astype(np.float64)  # type: ignore[no-any-return]

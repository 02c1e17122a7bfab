"""Cells of lines, named where a path into a record can be: ``cell.1`` is the first of a line.

Where one is named each line of a text is a record, so that lines of several meters can be told
apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_CELL: Final = re.compile(r"cell\.([1-9]\d{0,3})\Z")


def cell_of(expression: str | None) -> int | None:
    """Return the number of the cell that an expression names, from 1; None: it names none."""
    match = None if expression is None else _CELL.match(expression)
    return None if match is None else int(match[1])


def is_like_cell(expression: str) -> bool:
    """Whether an expression means to name a cell, whatever number it has."""
    return re.fullmatch(r"cell\.\d+", expression) is not None


def name_cells(expressions: Iterable[str]) -> bool:
    """Whether any of some expressions names a cell."""
    return any(cell_of(expression) is not None for expression in expressions)

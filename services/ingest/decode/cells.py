"""Cells of texts such as ``1780304400;12.5``: what stands in one column, line by line."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from services.core.facility.cell_names import cell_of
from services.core.facility.mapping_expression import Budget, OverBudgetError
from services.ingest.decode.selection import (
    MISSING,
    Selection,
    SelectionCostError,
    SelectionError,
    Several,
    selection,
)
from services.ingest.decode.shown import shown

#: What parts cells unless the facility file says otherwise.
COMMA: Final = ","

#: Longer texts are not parted.
_LONGEST_TEXT: Final = 64 * 1024

#: So many characters of a text cost as much as one step of an expression.
_CHARACTERS_A_STEP: Final = 16


def of_record(expression: str, budget: Budget, delimiter: str, *, lists: bool = True) -> Selection:
    """Return what tells a record from others selects: a path into it, or a cell of its line.

    :raises ValueError: see :func:`.selection.selection`.
    """
    number = cell_of(expression)
    if number is None:
        return selection(expression, budget, lists=lists)
    cell = _Cell(selection(None), number, delimiter, budget)

    def of_line(record: Any) -> Any:
        # what is no text has no cells, and is not meant
        return cell(record) if isinstance(record, str) else MISSING

    return of_line


def lines(text: Any) -> list[Any]:
    """Return the lines of a text that have anything; what is none stays as it is.

    :raises SelectionError: it is longer than texts that are parted.
    """
    if not isinstance(text, str):
        return [text]
    if len(text) > _LONGEST_TEXT:
        raise SelectionError(
            f"lines are of a text of {len(text)} characters; it has at most {_LONGEST_TEXT}"
        )
    return [line for line in text.splitlines() if line.strip()]


def selected(part: Mapping[str, Any], budget: Budget | None, delimiter: str = COMMA) -> Selection:
    """Return what ``from`` of a part selects, or its ``cell`` of that.

    :raises ValueError: see :func:`.selection.selection`.
    """
    select = selection(part.get("from"), budget)
    return _Cell(select, part["cell"], delimiter, budget) if "cell" in part else select


class _Cell:
    """Selects a column of a text: of one line its value, of several a list of theirs.

    An empty cell is a gap, and a line that is shorter has nothing of the column.
    """

    def __init__(
        self, select: Selection, number: int, delimiter: str, budget: Budget | None
    ) -> None:
        self._select = select
        self._number = number
        self._delimiter = delimiter
        self._budget = budget

    def __call__(self, document: Any) -> Any:
        text = self._select(document)
        if text is MISSING or text is None:
            return text
        if not isinstance(text, str):
            raise SelectionError(f"cell {self._number} is one of a text, and {shown(text)} is none")
        if len(text) > _LONGEST_TEXT:
            raise SelectionError(
                f"cell {self._number} is one of a text of {len(text)} characters; it has at most"
                f" {_LONGEST_TEXT}"
            )
        self._pay(len(text) // _CHARACTERS_A_STEP)
        column = [self._value(row) for row in _rows(text, self._delimiter)]
        if len(column) == 1:
            return column[0]
        return Several(column) if column else MISSING

    def _value(self, row: tuple[str, ...]) -> Any:
        return (row[self._number - 1].strip() or None) if self._number <= len(row) else MISSING

    def _pay(self, steps: int) -> None:
        try:
            if self._budget is not None:
                self._budget.pay(steps)
        except OverBudgetError as error:
            raise SelectionCostError(f"cell {self._number}: {error}") from None


@lru_cache(maxsize=8)
def _rows(text: str, delimiter: str) -> tuple[tuple[str, ...], ...]:
    """Part a text, once for all channels that have a cell of it."""
    try:
        rows = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
        return tuple(tuple(row) for row in rows if row)
    except csv.Error as error:
        raise SelectionError(f"the text cannot be parted into cells: {error}") from None

"""A foreign document -> its records: those that ``records`` selects, of columns, and ``where``.

Columns are arrays side by side, each with one thing of every record: ``{"names": ["a", "b"],
"values": [1, 2]}`` is two records for ``columns: {id: names, v: values}``. Where the records are
arrays already, ``columns`` selects the names of their places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from services.core.facility.cell_names import name_cells
from services.core.facility.mapping_expression import Budget, OverBudgetError
from services.core.facility.mapping_model import word
from services.ingest.decode.cells import COMMA, lines, of_record
from services.ingest.decode.observation import Part, UndecodableError
from services.ingest.decode.selection import (
    MISSING,
    Selection,
    SelectionCostError,
    SelectionError,
    is_path,
    selection,
)
from services.ingest.quarantine.reasons import Reason

#: So many looks for a channel in a record cost as much as one step of an expression.
LOOKS_A_STEP: Final = 4

#: Selections, each with the words that one of must stand there.
Condition = tuple[Selection, frozenset[str]]


class Where:
    """Whether a record is one of those that are meant."""

    def __init__(
        self, part: Mapping[str, Sequence[str]], budget: Budget, delimiter: str = COMMA
    ) -> None:
        """``part``: by expression the words that one of must stand there.

        :raises ValueError: an expression cannot be used.
        """
        self.conditions: Final[tuple[Condition, ...]] = tuple(
            (of_record(expression, budget, delimiter), frozenset(words))
            for expression, words in part.items()
        )

    def __call__(self, record: Any) -> bool:
        """Return whether it is."""
        return all(word(select(record)) in words for select, words in self.conditions)


def chosen(select: Selection, where: Where) -> Selection:
    """Return a selection that finds nothing in records that are not meant."""

    def of_chosen(record: Any) -> Any:
        return select(record) if where(record) else MISSING

    return of_chosen


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordSource:
    """How the records of a document are told."""

    select: Selection | None
    columns: Callable[[Any, Any, Budget], list[Any]] | None
    where: Where | None
    budget: Budget
    #: whether anything is taken from the budget
    costs: bool
    #: whether each line of a text is a record
    in_lines: bool = False

    def records(self, document: Any, looks: int) -> list[Any]:
        """Return those of a document's records that are meant, in its order.

        ``looks``: how often each is looked through.

        :raises UndecodableError: what the file says does not fit the document.
        :raises SelectionCostError: it costs more than a message may.
        """
        try:
            records = self._selected(document)
            if self.in_lines:
                records = [line for record in records for line in lines(record)]
            if self.columns is not None:
                records = self.columns(document, records, self.budget)
        except SelectionError as error:
            raise UndecodableError(Reason.BAD_MAPPING, f"records: {error}") from None
        pay(self.budget, len(records) * looks, f"{len(records)} records looked through")
        return records if self.where is None else list(filter(self.where, records))

    def _selected(self, document: Any) -> list[Any]:
        if self.select is None:
            return [document]
        selected = self.select(document)
        if selected is MISSING or selected is None:
            return []
        if not isinstance(selected, list):
            return [selected]
        return [record for record in selected if record is not MISSING]


def record_source(
    device: Part, budget: Budget, *, channels: Sequence[Part] = ()
) -> RecordSource | None:
    """Return what a device's part says of records; None: a message is one.

    ``channels``: where these name cells, too, each line is a record.

    :raises ValueError: it cannot be used.
    """
    in_lines = name_cells(
        [device.get("device_from", ""), *_conditions(device), *chain(*map(_conditions, channels))]
    )
    if not in_lines and not {"records", "columns", "where"} & device.keys():
        return None
    select = selection(device["records"], budget, lists=False) if "records" in device else None
    delimiter = device.get("delimiter", COMMA)
    where = Where(device["where"], budget, delimiter) if "where" in device else None
    columns = _columns(device["columns"], budget) if "columns" in device else None
    paths = () if where is None else (is_path(select) for select, _ in where.conditions)
    return RecordSource(
        select=select,
        columns=columns,
        where=where,
        budget=budget,
        costs=in_lines or select is not None or columns is not None or not all(paths),
        in_lines=in_lines,
    )


def _conditions(part: Part) -> Iterable[str]:
    return part.get("where") or ()


def pay(budget: Budget, looks: int, purpose: str) -> None:
    """Take the cost of going through records.

    :raises SelectionCostError: it is more than is left.
    """
    try:
        budget.pay(looks // LOOKS_A_STEP)
    except OverBudgetError as error:
        raise SelectionCostError(f"{purpose}: {error}") from None


def _columns(
    part: str | Mapping[str, str], budget: Budget
) -> Callable[[Any, Any, Budget], list[Any]]:
    if isinstance(part, str):
        names = selection(part, budget, lists=False)
        return lambda document, rows, _budget: _named(names(document), rows)
    by_name = {name: selection(text, budget, lists=False) for name, text in part.items()}
    return lambda _document, records, left: [
        row for record in records for row in _side_by_side(by_name, record, left)
    ]


def _named(names: Any, rows: Sequence[Any]) -> list[Any]:
    """Give the places of each row their names."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SelectionError("columns selects no list of names; let it select the row of titles")
    for row in rows:
        if not isinstance(row, list) or len(row) != len(names):
            size = f"of {len(row)}" if isinstance(row, list) else "that is no list"
            raise SelectionError(f"columns names {len(names)} places, and there is a row {size}")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _side_by_side(
    by_name: Mapping[str, Selection], record: Any, budget: Budget
) -> list[dict[str, Any]]:
    """Return a record for each place of the columns; what is no list is in all of them."""
    fields = {name: select(record) for name, select in by_name.items()}
    lengths = {name: len(column) for name, column in fields.items() if isinstance(column, list)}
    if not lengths:
        return [{name: value for name, value in fields.items() if value is not MISSING}]
    number = min(lengths.values())
    if number != max(lengths.values()):
        listed = ", ".join(f"{name} has {length}" for name, length in list(lengths.items())[:5])
        raise SelectionError(f"its columns are not of one length: {listed[:200]}")
    pay(budget, number * len(fields), f"{number} places of {len(fields)} columns")
    repeated = [
        (name, column if isinstance(column, list) else [column] * number)
        for name, column in fields.items()
    ]
    return [
        {name: column[i] for name, column in repeated if column[i] is not MISSING}
        for i in range(number)
    ]

"""Columns as CSV (RFC 4180): a line of names, then a line for each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from services.api.http.columns import Column, Instants, Numbers, Table, Words
from services.core.runtime.escapes import csv_text
from services.core.timeline.instants import rfc3339


def parts(names: Iterable[str], tables: Iterable[Table]) -> Iterator[bytes]:
    """Encode the names and the parts of a table, in order."""
    yield header(names).encode()
    for table in tables:
        yield lines(table).encode()


def header(names: Iterable[str]) -> str:
    """Return the first line."""
    return ",".join(names) + "\r\n"


def lines(table: Table) -> str:
    """Return a line for each row."""
    text = io.StringIO()
    rows = zip(*(_cells(column) for column in table.columns.values()), strict=True)
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cells(column: Column) -> Sequence[Any]:
    if isinstance(column, Numbers):
        return column.cells()
    if isinstance(column, Instants):
        return Words(column.texts(), column.index).cells()
    if isinstance(column, Words):
        return Words([_cell(word) for word in column.words], column.index).cells()
    return [_cell(cell) for cell in column.cells()]


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, str):
        return csv_text(value)
    if isinstance(value, list):
        # as lists are written in a query; what has an id is told by it
        return csv_text(",".join(p["id"] if isinstance(p, dict) else p for p in value))
    return "" if value is None else value

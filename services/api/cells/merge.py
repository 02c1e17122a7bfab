"""Rows of several cells as one list: in order, cut to a page, with one validator."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
from fastapi.responses import Response

from services.api.auth import RETIRED
from services.api.cells.cursors import CellsCursor, parameters_of
from services.api.cells.rules import Merged
from services.api.http.answers import json_answer, table_answer
from services.api.http.columns import Table
from services.api.http.formats import FormatName
from services.api.http.gathered import Gathered
from services.api.http.validators import Validator

#: Header of a list that some facilities are missing from, because their cell does not answer.
MISSING: Final = "Tonne-Missing"
_PAGED: Final = "Link"
_TAG: Final = "ETag"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the caller of a list wants."""

    path: str
    #: parameters as they came
    parameters: Mapping[str, Sequence[str]]
    accept: str
    if_none_match: str
    format: FormatName | None
    #: where the previous page ended; None: the first page
    cursor: CellsCursor | None
    #: facilities that had arrived anywhere
    arrivals: int
    #: facilities that cannot be served; none: nothing is missing
    missing: Sequence[str] = ()


def merged(parts: Mapping[str, Gathered], rule: Merged, wanted: Wanted) -> Response:
    """Put the rows of cells in order, and answer with them."""
    headers = head_of(parts, wanted)
    if isinstance(headers, Response):
        return headers
    order = _order(parts, rule)
    limit = next((part.page.limit for part in parts.values() if part.page is not None), None)
    is_cut = (limit is not None and len(order) > limit) or any(
        part.page is not None and part.page.is_cut for part in parts.values()
    )
    if limit is not None and is_cut:
        order = order[:limit]
        headers |= _link(parts, order, wanted)
    shape = next(iter(parts.values())).shape
    table = _table(parts, order)
    if shape is None:
        return json_answer(list(table.columns[""].cells()), headers)
    return table_answer(table, shape, accept=wanted.accept, name=wanted.format, headers=headers)


def head_of(parts: Mapping[str, Gathered], wanted: Wanted) -> dict[str, str] | Response:
    """Return the headers of the whole, or the answer that the caller has it."""
    headers = _headers(parts, wanted)
    validator = _validator(parts, wanted)
    if validator is not None:
        headers |= validator.headers
        if validator.holds(wanted.if_none_match):
            return validator.not_modified()
    return headers


def _headers(parts: Mapping[str, Gathered], wanted: Wanted) -> dict[str, str]:
    retired = [part.headers[RETIRED] for part in parts.values() if RETIRED in part.headers]
    headers = {RETIRED: ", ".join(retired)} if retired else {}
    if wanted.missing:
        headers[MISSING] = ", ".join(wanted.missing)
    return headers


def _validator(parts: Mapping[str, Gathered], wanted: Wanted) -> Validator | None:
    """Return the validator of the whole; None: a part has none, or one is missing."""
    tags = [part.headers.get(_TAG) for part in parts.values()]
    if wanted.missing or None in tags:
        return None
    asked = sorted((name, *values) for name, values in wanted.parameters.items())
    return Validator("cells", asked, wanted.accept, list(parts), tags)


def _order(parts: Mapping[str, Gathered], rule: Merged) -> list[tuple[str, int]]:
    """Return rows as their cell and their number in it, in order; of one cell as they came."""
    columns, taken = [], set[tuple[Any, ...]]()
    for name, part in parts.items():
        keys = _keys(part, rule.by)
        columns.append([(key, (name, row)) for row, key in enumerate(keys) if key not in taken])
        if rule.is_unique:
            taken.update(keys)
    in_order = heapq.merge(*columns, key=lambda keyed: keyed[0], reverse=rule.descending)
    return [place for _, place in in_order]


def _length(part: Gathered) -> int:
    return 0 if part.table is None else len(part.table)


def _keys(part: Gathered, by: Sequence[str]) -> list[tuple[Any, ...]]:
    table = part.table
    if table is None or not len(table):
        return []
    if part.shape is None:
        rows = table.columns[""].cells()
        return [tuple(_key(row[name]) for name in by) for row in rows]
    return list(zip(*(map(_key, table.columns[name].cells()) for name in by), strict=True))


def _key(cell: Any) -> tuple[bool, Any]:
    # null comes last
    return (cell is None, "" if cell is None else cell)


def _table(parts: Mapping[str, Gathered], order: Sequence[tuple[str, int]]) -> Table:
    with_rows = {name: part.table for name, part in parts.items() if part.table and len(part.table)}
    if not with_rows or not order:
        first = next(part.table for part in parts.values() if part.table is not None)
        return first.part(slice(0, 0))
    begins, total = {}, 0
    for name, table in with_rows.items():
        begins[name], total = total, total + len(table)
    rows = np.array([begins[name] + row for name, row in order], dtype=np.int64)
    return Table.joined(list(with_rows.values())).part(rows)


def _link(
    parts: Mapping[str, Gathered], order: Sequence[tuple[str, int]], wanted: Wanted
) -> dict[str, str]:
    """Return the header that leads to the next page: each cell goes on behind its last row."""
    last = {name: max(row for _, row in rows) for name, rows in groupby(sorted(order), _cell)}
    after: dict[str, str | None] = {}
    if wanted.cursor is not None:
        after |= wanted.cursor.after
    resolved: dict[str, list[str]] = {}
    for name, part in parts.items():
        if part.page is None:
            continue
        if name in last:
            resolved = parameters_of(part.page.link_after(last[name]))
            after[name] = resolved["cursor"][0]
        if last.get(name, -1) == _length(part) - 1 and not part.page.is_cut:
            after[name] = None
    cursor = CellsCursor(arrivals=wanted.arrivals, after=after)
    # times that were relative are what they were for the first page
    parameters = {**resolved, "cursor": [cursor.write()]}
    parameters.pop("facility", None)
    if "facility" in wanted.parameters:
        parameters["facility"] = list(wanted.parameters["facility"])
    return {_PAGED: f'<{wanted.path}?{urlencode(parameters, doseq=True)}>; rel="next"'}


def _cell(place: tuple[str, int]) -> str:
    return place[0]

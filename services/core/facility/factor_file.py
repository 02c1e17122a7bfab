"""Read a CSV of factors, a version a row: checked whole, every error with its line."""

from __future__ import annotations

import csv
import io
from datetime import datetime

from pydantic import ValidationError

from services.core.accounting.spelling import did_you_mean
from services.core.accounting.units import UnitError, unit
from services.core.facility import model, plain_words
from services.core.facility.errors import FacilityFileError, Problem
from services.core.facility.fields import Instant


class FactorRow(model.Factor):
    """One version of a factor for every facility."""

    #: when the figure could be known; None: now
    known_at: Instant | None = None
    #: where it stands in the file
    line: int


COLUMNS = tuple(name for name in FactorRow.model_fields if name not in {"line", "analysis"})
_NEEDED = ("id", "unit", "co2_kg", "citation")


def read(text: str, now: datetime) -> list[FactorRow]:
    """Read a CSV of factors; its first line names the columns, an empty cell is the default.

    :raises FacilityFileError: with every problem found, each with its line.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[FactorRow] = []
    problems: list[Problem] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        _refuse(_header_problems(header))
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            line = reader.line_num
            if len(cells) != len(header):
                problems.append(
                    _problem(line, f"{len(cells)} cells, the header names {len(header)}")
                )
                continue
            given = {n: c.strip() for n, c in zip(header, cells, strict=True) if c.strip()}
            try:
                row = FactorRow.stated({**given, "line": line})
            except ValidationError as error:
                problems += [
                    _problem(line, str(finding))
                    for finding in plain_words.findings(error, given, FactorRow)
                ]
                continue
            problems += [_problem(line, message) for message in _row_problems(row, rows, now)]
            rows.append(row)
    except csv.Error as error:
        problems.append(_problem(reader.line_num, f"not CSV: {error}"))
    if not rows and not problems:
        problems.append(_problem(1, "there is no factor in this file"))
    _refuse(problems)
    return rows


def _header_problems(header: list[str]) -> list[Problem]:
    mistakes = [
        f"there is no column {name!r}{did_you_mean(name, COLUMNS)}; it takes {', '.join(COLUMNS)}"
        for name in header
        if name not in COLUMNS
    ]
    mistakes += [
        f"{name!r} stands twice" for name in sorted({n for n in header if header.count(n) > 1})
    ]
    mistakes += [f"the column {name!r} is missing" for name in _NEEDED if name not in header]
    return [_problem(1, message) for message in mistakes]


def _row_problems(row: FactorRow, before: list[FactorRow], now: datetime) -> list[str]:
    mistakes = []
    try:
        unit(row.unit)
    except UnitError as error:
        mistakes.append(f"unit: {error}")
    if row.known_at is not None and row.known_at > now:
        mistakes.append("known_at: a figure cannot be known in the future")
    mistakes += [
        f"{row.id!r} has two versions valid at the same time, here and in line {other.line}"
        for other in before
        if other.id == row.id and other.known_at == row.known_at and _meet(row, other)
    ]
    return mistakes


def _meet(one: FactorRow, other: FactorRow) -> bool:
    return (
        one.valid_from is None or other.valid_to is None or one.valid_from < other.valid_to
    ) and (other.valid_from is None or one.valid_to is None or other.valid_from < one.valid_to)


def _problem(line: int, message: str) -> Problem:
    return Problem(line=line, message=message)


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise FacilityFileError(problems)

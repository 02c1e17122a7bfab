"""Activities of CSV files and workbooks: of tonne's own columns, or as a table file says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from services.core.facility import activity_file
from services.core.facility.activity_file import ActivityEntry
from services.core.facility.activity_table import ActivityColumns, ActivityTable
from services.core.facility.errors import FacilityFileError, Problem
from services.core.facility.mapping_model import word
from services.core.facility.table_file import TableUnit
from services.core.timeline.date_format import parse_date
from services.ingest.decode.text_number import READERS
from services.ingest.files import csv_lines
from services.ingest.files.csv_lines import Form, Lines
from services.ingest.files.rows import UnusableFileError
from services.ingest.files.table_rows import HeaderColumns

_ONE_DAY: Final = timedelta(days=1)

Rows = Iterator[tuple[int, dict[str, Any]]]


def read(
    path: Path, table: ActivityTable | None, now: datetime, facility: str | None
) -> list[ActivityEntry]:
    """Read the entries of a file, all of them; ``facility``: where the file names none.

    :raises FacilityFileError: with every problem there is, each with its line.
    :raises UnusableFileError: it is no such file; the text begins with its name.
    :raises OSError, UnicodeDecodeError: it cannot be read.
    """
    try:
        return _read(path, table, now, facility)
    except UnusableFileError as error:
        raise UnusableFileError(f"{path}: {error}") from None


def _read(
    path: Path, table: ActivityTable | None, now: datetime, facility: str | None
) -> list[ActivityEntry]:
    is_workbook = path.suffix.lower() == ".xlsx"
    if table is None and not is_workbook:
        return activity_file.read(path.read_text(encoding="utf-8"), now, facility)
    problems: list[Problem] = []
    rows = (
        _of_tonne(_workbook(path, None), facility)
        if table is None
        else _Mapping(table, facility).rows(
            _workbook(path, table) if is_workbook else _text(path, table), problems
        )
    )
    entries = activity_file.checked(rows, problems, now, facility)
    if problems:
        raise FacilityFileError(sorted(problems, key=lambda problem: problem.line))
    return entries


def _workbook(path: Path, table: ActivityTable | None) -> Iterator[Lines]:
    from services.ingest.files import workbook_lines  # noqa: PLC0415 - for who has such a file

    return workbook_lines.read(
        path,
        lambda _: None,
        sheet=table.sheet if table else None,
        skip=table.skip if table else 0,
        headers=table.headers if table else True,
    )


def _text(path: Path, table: ActivityTable) -> Iterator[Lines]:
    form = Form(
        encoding="utf-8-sig" if table.encoding == "utf-8" else table.encoding,
        separator=table.separator,
        skip=table.skip,
        headers=table.headers,
    )
    return csv_lines.read(path, form, lambda _: None)


def _of_tonne(pieces: Iterator[Lines], facility: str | None) -> Rows:
    is_first = True
    for piece in pieces:
        if is_first:
            activity_file.require_columns(piece.headers, facility)
            is_first = False
        for cells, line in zip(piece.cells, piece.numbers.tolist(), strict=True):
            texts = {
                name: _day(cell, None) if name in {"from", "to"} else _text_of(name, cell)
                for name, cell in zip(piece.headers, cells, strict=True)
            }
            yield line, texts


def _text_of(name: str, cell: Any) -> Any:
    return cell if name == "amount" else word(cell)


@dataclass(frozen=True, slots=True)
class _Mapping:
    """Makes tonne's own columns of a table's."""

    table: ActivityTable
    facility: str | None

    def rows(self, pieces: Iterator[Lines], problems: list[Problem]) -> Rows:
        """Yield rows; lines with another number of cells are problems.

        :raises UnusableFileError: a column that the table file names is not there.
        """
        for piece in pieces:
            columns = HeaderColumns(piece.headers)
            for one in self.table.entries:
                self._require(one, columns)
            for cells, line in zip(piece.cells, piece.numbers.tolist(), strict=True):
                if not any(str(cell).strip() for cell in cells if cell is not None):
                    continue
                if len(cells) != len(piece.headers):
                    message = f"{len(cells)} cells, the header names {len(piece.headers)}"
                    problems.append(Problem(line=line, message=message))
                    continue
                for one in self.table.entries:
                    row = self._row(one, columns, cells)
                    if row is not None:
                        yield line, row

    def _require(self, one: ActivityColumns, columns: HeaderColumns) -> None:
        if not (one.facility or self.table.facility or self.facility):
            raise UnusableFileError(
                f"no facility for {one.channel}: name one in the table file, or give --facility"
            )
        unit = one.unit.column if isinstance(one.unit, TableUnit) else None
        names = (*one.id, one.from_, one.to, one.amount, one.document, unit, *(one.where or {}))
        for name in names:
            if name is not None:
                columns.position(name)

    def _row(
        self, one: ActivityColumns, columns: HeaderColumns, cells: list[Any]
    ) -> dict[str, Any] | None:
        def cell(name: str | None) -> Any:
            return None if name is None else cells[columns.position(name)]

        for name, words in (one.where or {}).items():
            if (word(cell(name)) or "") not in words:
                return None
        amount = cell(one.amount)
        if amount is None or not str(amount).strip():
            # a row that says nothing of this channel
            return None
        number = READERS[one.number or self.table.number](amount)
        unit = one.unit
        if isinstance(unit, TableUnit):
            text = word(cell(unit.column)) or ""
            unit = unit.map.get(text, text)
        return {
            "facility": one.facility or self.table.facility or self.facility,
            "id": "-".join(word(cell(name)) or "" for name in one.id).strip("-"),
            "channel": one.channel,
            "from": _day(cell(one.from_), self.table.date),
            "to": self._end(cell(one.to)),
            "amount": amount if number is None else number,
            "unit": unit,
            "document": word(cell(one.document)),
        }

    def _end(self, cell: Any) -> Any:
        day = _day(cell, self.table.date)
        if not self.table.last_day or not day:
            return day
        try:
            return (date.fromisoformat(day) + _ONE_DAY).isoformat()
        except ValueError:
            # told as it stands
            return day


def _day(cell: Any, form: str | None) -> str | None:
    """Return a day as 2026-02-28, or the text that is none."""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    text = word(cell)
    if not text or form is None:
        return text
    try:
        return parse_date(text, form).date().isoformat()
    except ValueError:
        return text

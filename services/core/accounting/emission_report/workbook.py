"""A report as a workbook (XLSX): a sheet that says what it is of, and a sheet for each table.

The same record gives the same bytes. No text becomes a formula or a link, whatever it begins with.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from services.core.accounting.emission_report.heading import heading
from services.core.accounting.emission_report.record import EmissionReport
from services.core.accounting.emission_report.tables import Cell, CellKind, Table, tables
from services.core.accounting.emission_report.words import Words
from services.core.accounting.emission_report.words import marked as _

_FORMATS: Final[Mapping[CellKind, Mapping[str, Any]]] = {
    "word": {},
    "code": {},
    "text": {"text_wrap": True},
    "count": {"num_format": "0"},
    "kg": {"num_format": "#,##0.000"},
    "share": {"num_format": "0.00%"},
    # a fixed number of decimals would show a small factor as 0
    "number": {"num_format": "General"},
    "instant": {"num_format": "yyyy-mm-dd hh:mm"},
    "day": {"num_format": "yyyy-mm-dd"},
}
#: Characters of a column at least and at most.
_WIDTH: Final[Mapping[CellKind, tuple[int, int]]] = {
    "word": (10, 28),
    "code": (10, 28),
    "text": (16, 60),
    "count": (8, 12),
    "kg": (16, 22),
    "share": (11, 11),
    "number": (12, 18),
    "instant": (17, 17),
    "day": (11, 11),
}
_A4: Final = 9
#: Characters that no name of a sheet may have, and how many it may have.
_NOT_IN_NAMES: Final = str.maketrans(dict.fromkeys("[]:*?/\\", " "))
_NAME_LENGTH: Final = 31


class _Styles(NamedTuple):
    title: Any
    heading: Any
    warning: Any
    text: Any
    cells: Mapping[CellKind, Any]


def workbook(report: EmissionReport, words: Words) -> bytes:
    """Return the bytes of the workbook; instants are in the facilities' time zone, or in UTC."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(
        target,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "remove_timezone": True,
        },
    )
    lines = heading(report, words)
    book.set_properties({"title": lines.title, "created": report.known_at.replace(tzinfo=None)})
    styles = _Styles(
        title=book.add_format({"bold": True, "font_size": 14}),
        heading=book.add_format(
            {"bold": True, "text_wrap": True, "valign": "top", "bottom": 1, "bg_color": "#EEEEEE"}
        ),
        warning=book.add_format({"bold": True, "text_wrap": True, "valign": "top"}),
        text=book.add_format({"text_wrap": True, "valign": "top"}),
        cells={kind: book.add_format({**form, "valign": "top"}) for kind, form in _FORMATS.items()},
    )
    first = book.add_worksheet(_sheet_name(words(_("Report"))))
    first.set_column(0, 0, 28)
    first.set_column(1, 1, 100)
    first.write_string(0, 0, lines.title, styles.title)
    row = 1
    for name, value in lines.facts:
        row += 1
        first.write_string(row, 0, name, styles.text)
        first.write_string(row, 1, value, styles.text)
    row += 1
    for is_warning, text in lines.remarks:
        row += 1
        style = styles.warning if is_warning else styles.text
        first.write_string(row, 0, words(_("Warning")) if is_warning else words(_("Note")), style)
        first.write_string(row, 1, text, style)
    _page(first, lines.title, landscape=False, last=(row, 1))
    for table in tables(report):
        sheet = book.add_worksheet(_sheet_name(words(table.layout.title)))
        _write(sheet, table, lines.zone, lines.title, words, styles)
    book.close()
    return target.getvalue()


def _sheet_name(title: str) -> str:
    return title.translate(_NOT_IN_NAMES)[:_NAME_LENGTH]


def _write(
    sheet: Worksheet, table: Table, zone: ZoneInfo, title: str, words: Words, styles: _Styles
) -> None:
    for index, column in enumerate(table.layout.columns):
        name = words(column.heading)
        if column.kind == "instant":
            name = f"{name} ({zone.key})"
        sheet.write_string(0, index, name, styles.heading)
        least, greatest = _WIDTH[column.kind]
        longest = max((len(str(row[index])) for row in table.rows), default=0)
        sheet.set_column(index, index, max(least, min(longest + 2, greatest)))
        for number, row in enumerate(table.rows, start=1):
            cell = row[index]
            if column.kind == "code" and isinstance(cell, str):
                cell = words(cell)
            _cell(sheet, number, index, cell, zone, styles.cells[column.kind])
    last = len(table.rows), len(table.layout.columns) - 1
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, *last)
    sheet.repeat_rows(0)
    _page(sheet, f"{title}: {words(table.layout.title)}", landscape=True, last=last)


def _cell(sheet: Worksheet, row: int, column: int, cell: Cell, zone: ZoneInfo, style: Any) -> None:
    if cell is None:
        sheet.write_blank(row, column, None, style)
    elif isinstance(cell, str):
        sheet.write_string(row, column, cell, style)
    elif isinstance(cell, datetime):
        sheet.write_datetime(row, column, cell.astimezone(zone).replace(tzinfo=None), style)
    elif isinstance(cell, date):
        sheet.write_datetime(row, column, cell, style)
    else:
        sheet.write_number(row, column, cell, style)


def _page(sheet: Worksheet, title: str, *, landscape: bool, last: Sequence[int]) -> None:
    """Set up how a sheet is printed, its first and last cell included."""
    sheet.set_paper(_A4)
    if landscape:
        sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.print_area(0, 0, *last)
    # in headers an ampersand begins a code, and 255 characters are all that fit
    sheet.set_header(f"&L{title.replace('&', '&&')[:200]}")
    sheet.set_footer("&R&P / &N")

"""Rows of a sheet of a workbook (XLSX) as cells, a bounded piece at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from services.ingest.files.csv_lines import Lines, names_of
from services.ingest.files.rows import UnusableFileError

#: Rows that are read at once.
_ROWS: Final = 2000

#: A workbook may unpack to so much: a sheet of the largest size, full of numbers, has less.
_MAX_BYTES: Final = 1 << 30


def read(
    path: Path, advance: Callable[[int], None], *, sheet: str | None, skip: int, headers: bool
) -> Iterator[Lines]:
    """Read a sheet, the first where none is named; ``advance`` hears how many bytes were.

    Cells are texts, numbers, booleans, times without a zone, or None.

    :raises UnusableFileError: it is no workbook, or has no such sheet.
    :raises OSError: it cannot be read.
    """
    _refuse_bomb(path)
    try:
        # formulas by what was last computed of them, as people see it
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, KeyError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
        raise UnusableFileError(f"it is no workbook that can be read ({error})") from None
    with closing(book):
        if sheet is not None and sheet not in book.sheetnames:
            names = ", ".join(book.sheetnames[:20])
            raise UnusableFileError(f"it has no sheet {sheet!r}, but {names}")
        chosen = book[sheet] if sheet is not None else book.worksheets[0]
        # what a writer says of it may be wrong, and rows would be cut
        chosen.reset_dimensions()
        yield from _lines(chosen.iter_rows(values_only=True), skip=skip, headers=headers)
        advance(path.stat().st_size)


def _refuse_bomb(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
    except zipfile.BadZipFile:
        raise UnusableFileError("it is no workbook: save it as .xlsx") from None
    if size > _MAX_BYTES:
        raise UnusableFileError(
            f"it unpacks to {size >> 20} MB, more than {_MAX_BYTES >> 20}: import it as CSV"
        )


def _lines(rows: Iterator[tuple[Any, ...]], *, skip: int, headers: bool) -> Iterator[Lines]:
    number = skip
    first = next(islice(rows, skip, None), ())
    width = _width(first)
    names = names_of(list(first[:width]), headers=headers)
    if headers:
        number += 1
        yield Lines(headers=names, cells=[], numbers=np.zeros(0, dtype=np.int64))
    else:
        yield Lines(
            headers=names, cells=[list(first[:width])], numbers=np.array([number := skip + 1])
        )
    while piece := list(islice(rows, _ROWS)):
        # rows end with their last cell, and may go on with empty ones behind the headers
        cells = [[*row[:width], *[None] * (width - len(row))] for row in piece]
        numbers = np.arange(number + 1, number + 1 + len(piece))
        number += len(piece)
        full = [i for i, row in enumerate(cells) if any(cell is not None for cell in row)]
        yield Lines(headers=names, cells=[cells[i] for i in full], numbers=numbers[full])


def _width(first: tuple[Any, ...]) -> int:
    filled = [i for i, cell in enumerate(first) if cell is not None]
    return filled[-1] + 1 if filled else 0

"""Rows of a sheet of a workbook (XLSX) as cells, a bounded piece at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from openpyxl import Workbook, load_workbook

from services.ingest.files.csv_lines import Lines, names_of
from services.ingest.files.rows import UnusableFileError

#: Rows that are read at once.
_ROWS: Final = 2000

#: Of a sheet (ECMA-376, Excel's limits); a row may name any number, and those before it are empty.
_MAX_ROWS: Final = 1_048_576

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
    yield from _lines(_rows(path, sheet), skip=skip, headers=headers)
    advance(path.stat().st_size)


def _rows(path: Path, sheet: str | None) -> Iterator[tuple[Any, ...]]:
    try:
        # formulas by what was last computed of them, as people see it; openpyxl leaves a file open
        # that it opened and cannot read
        with (
            path.open("rb") as file,
            closing(load_workbook(file, read_only=True, data_only=True)) as book,
        ):
            yield from _bounded(_sheet(book, sheet).iter_rows(values_only=True))
    except (UnusableFileError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - of damaged parts openpyxl raises what it meets
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnusableFileError(f"it is no workbook that can be read ({detail})") from None


def _bounded(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    yield from islice(rows, _MAX_ROWS)
    if next(rows, None) is not None:
        raise UnusableFileError(f"it has rows beyond {_MAX_ROWS}, the last that a sheet can have")


def _sheet(book: Workbook, name: str | None) -> Any:
    names = [sheet.title for sheet in book.worksheets]
    if not names or name not in {None, *names}:
        shown = ", ".join(names[:20]) or "none"
        raise UnusableFileError(f"it has no sheet {name or 'of cells'!r}, but {shown}")
    sheet: Any = book[name] if name is not None else book.worksheets[0]
    # what a writer says of it may be wrong, and rows would be cut
    sheet.reset_dimensions()
    return sheet


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
        numbers = np.arange(number + 1, number + 1 + len(piece))
        number += len(piece)
        full = [i for i, row in enumerate(piece) if any(c is not None for c in row[:width])]
        cells = [[*piece[i][:width], *[None] * (width - len(piece[i]))] for i in full]
        yield Lines(headers=names, cells=cells, numbers=numbers[full])


def _width(first: tuple[Any, ...]) -> int:
    filled = [i for i, cell in enumerate(first) if cell is not None]
    return filled[-1] + 1 if filled else 0

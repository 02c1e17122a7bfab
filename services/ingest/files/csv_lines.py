"""Lines of a CSV file as cells, a bounded piece at a time."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.ingest.files.bounded_text import BoundedText
from services.ingest.files.rows import Integers, UnusableFileError

#: Lines that are read at once: few enough for a processor's cache.
_LINES: Final = 2000

_SEPARATORS: Final = ",;\t"

#: What reading damaged gzip raises.
BROKEN_GZIP: Final = (gzip.BadGzipFile, EOFError, zlib.error)

Cells = list[list[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """How a text is written."""

    #: utf-8-sig: UTF-8, with a byte order mark or without
    encoding: str = "utf-8-sig"
    #: what parts cells; None: the commonest of comma, semicolon and tab
    separator: str | None = None
    #: lines above the headers
    skip: int = 0
    #: whether the first line has the columns' names; else it is a row, and their numbers name them
    headers: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """Some lines of a table; the first piece of a table may have none."""

    headers: list[str]
    cells: Cells
    #: in which line each of them ends, from 1; rows of a sheet likewise
    numbers: Integers


def read(
    path: Path, form: Form, advance: Callable[[int], None], *, max_bytes: int | None = None
) -> Iterator[Lines]:
    """Read a file, some thousand lines at a time; ``advance`` hears how many bytes were.

    ``max_bytes``: that a packed one may unpack to; None: any number.

    :raises UnusableFileError: it is no such file.
    :raises OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            packed = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else None
            bounded = BoundedText(packed or file, max_bytes)
            yield from read_stream(bounded, form, advance, tell=file.tell)
    except BROKEN_GZIP as error:
        raise UnusableFileError(f"it cannot be unpacked ({error})") from None


def read_stream(
    file: Any,
    form: Form,
    advance: Callable[[int], None],
    *,
    tell: Callable[[], int] | None = None,
) -> Iterator[Lines]:
    """Read bytes, and close them; else as :func:`read`. ``tell``: how many were, of a file.

    :raises UnusableFileError: it is no such text.
    """
    try:
        with io.TextIOWrapper(file, encoding=form.encoding, newline="") as text:
            yield from _lines(text, tell or file.tell, form, advance)
    except UnicodeError as error:
        name = form.encoding.removesuffix("-sig").upper()
        raise UnusableFileError(f"it is not {name} ({getattr(error, 'reason', error)})") from None
    except csv.Error as error:
        raise UnusableFileError(f"it is no CSV ({error})") from None


def names_of(cells: list[Any], *, headers: bool) -> list[str]:
    """Return what the columns are called by the first line of a table."""
    if headers:
        return ["" if cell is None else str(cell).strip() for cell in cells]
    return [str(number) for number in range(1, len(cells) + 1)]


def _lines(
    text: io.TextIOWrapper, tell: Callable[[], int], form: Form, advance: Callable[[int], None]
) -> Iterator[Lines]:
    for _ in range(form.skip):
        text.readline()
    first = text.readline()
    separator = form.separator or max(_SEPARATORS, key=first.count)
    cells = next(csv.reader([first], delimiter=separator), [])
    names = names_of(cells, headers=form.headers)
    before, read_bytes = 1 + form.skip, 0
    rows = [] if form.headers else [cells]
    yield Lines(headers=names, cells=rows, numbers=np.full(len(rows), before))
    reader = csv.reader(text, delimiter=separator, strict=True)
    while lines := list(islice(reader, _LINES)):
        last = 1 + form.skip + reader.line_num
        yield Lines(headers=names, cells=lines, numbers=_line_numbers(lines, before, last))
        before = last
        position = tell()
        advance(position - read_bytes)
        read_bytes = position


def _line_numbers(lines: Cells, before: int, last: int) -> Integers:
    """Return the line in which each row ends; a text in quotes may go over several."""
    if last - before == len(lines):
        return np.arange(before + 1, last + 1)
    taken = [1 + sum(cell.count("\n") for cell in line) for line in lines]
    return before + np.cumsum(np.array(taken, dtype=np.int64))

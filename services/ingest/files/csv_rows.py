"""Rows of a CSV file: a header line, then a reading in each line, or one of each channel."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import repeat
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from services.ingest.decode.instant import parse_number, parse_text
from services.ingest.files import csv_lines, rows
from services.ingest.files.csv_lines import Form, Lines
from services.ingest.files.rows import (
    NO_TIME,
    UNSTATED,
    Bools,
    Columns,
    FileRows,
    Floats,
    Integers,
    Misshapen,
    Names,
    Stated,
    UnusableFileError,
)

#: Texts of times that are remembered: those of one time stand beside each other in most files.
_MAX_TIMES: Final = 500_000

_Lines = list[list[str]]


class _Times(dict[str, int]):
    """Microseconds since the epoch by the text; ``NO_TIME`` where it tells none."""

    def __missing__(self, text: str) -> int:
        if len(self) >= _MAX_TIMES:
            self.clear()
        try:
            number = _number(text)
            ts_us = parse_text(text.strip()) if number is None else parse_number(number)
        except (ValueError, OverflowError):
            ts_us = NO_TIME
        self[text] = ts_us
        return ts_us


def read(
    path: Path,
    stated: Stated,
    names: Names,
    advance: Callable[[int], None],
    *,
    max_bytes: int | None = None,
) -> Iterator[FileRows | Misshapen]:
    """Read a file, some thousand lines at a time; ``advance`` hears how many bytes were.

    ``max_bytes``: that a packed one may unpack to; None: any number.

    :raises UnusableFileError: it is no such file.
    :raises OSError: it cannot be read.
    """
    lines = csv_lines.read(path, Form(), advance, max_bytes=max_bytes)
    yield from of_lines(lines, stated, names)


def read_stream(file: BinaryIO, stated: Stated, names: Names) -> Iterator[FileRows | Misshapen]:
    """Read what is no file on a disk, and not compressed; else as :func:`read`.

    :raises UnusableFileError: it is no such text.
    """
    yield from of_lines(csv_lines.read_stream(file, Form(), lambda _: None), stated, names)


def of_lines(
    pieces: Iterable[Lines], stated: Stated, names: Names
) -> Iterator[FileRows | Misshapen]:
    """Make readings of lines of text.

    :raises UnusableFileError: the headers are not understood.
    """
    table: _Table | None = None
    for piece in pieces:
        if table is None:
            table = _Table(piece.headers, rows.columns(piece.headers, stated), stated, names)
        if piece.cells:
            yield from table.rows(piece.cells, piece.numbers)


def as_texts(pieces: Iterable[Lines]) -> Iterator[Lines]:
    """Write cells that are numbers and times as a CSV has them.

    :raises UnusableFileError: there are times without a zone.
    """
    for piece in pieces:
        cells = [[_as_text(cell) for cell in line] for line in piece.cells]
        yield replace(piece, cells=cells)


def _as_text(cell: Any) -> str:
    if isinstance(cell, datetime):
        raise UnusableFileError(
            f"its times have no time zone ({cell}): say what they are in a table file (--table), by"
            " time: {timezone: ...}"
        )
    if isinstance(cell, bool):
        return str(cell).lower()
    return "" if cell is None else str(cell)


class _Table:
    """Makes columns of lines."""

    def __init__(self, cells: list[str], columns: Columns, stated: Stated, names: Names) -> None:
        self._width = len(cells)
        self._columns = columns
        self._position = {cell: number for number, cell in enumerate(cells)}
        self._stated = stated
        self._names = names
        self._times = _Times()
        #: by facility, device and channel as they stand in a line
        self._places: dict[tuple[Any, Any, Any], int] = {}

    def rows(self, lines: _Lines, numbers: Integers) -> Iterator[FileRows | Misshapen]:
        """Yield rows of lines, and those that have another number of cells."""
        if set(map(len, lines)) != {self._width}:
            whole = [len(line) == self._width for line in lines]
            for line, number, is_whole in zip(lines, numbers.tolist(), whole, strict=True):
                if not is_whole and line:
                    detail = f"it has {len(line)} cells, and the header has {self._width}"
                    yield Misshapen(line=number, detail=detail)
            lines = [line for line, is_whole in zip(lines, whole, strict=True) if is_whole]
            numbers = numbers[np.array(whole, dtype=np.bool_)]
        if not lines:
            return
        cells = list(zip(*lines, strict=True))
        self._refuse_thinned(cells)
        if self._columns.value is not None:
            yield self._readings(cells, numbers, self._columns.value, self._cells("channel", cells))
        for name in self._columns.channels:
            # a cell without a value says nothing: not every channel has one at every time
            chosen = [i for i, text in enumerate(cells[self._position[name]]) if text.strip()]
            if chosen:
                of_channel = [tuple(column[i] for i in chosen) for column in cells]
                yield self._readings(of_channel, numbers[chosen], name, [name])

    def _refuse_thinned(self, cells: Sequence[Sequence[str]]) -> None:
        if "thinned" in self._position and "true" in cells[self._position["thinned"]]:
            raise UnusableFileError(
                "its readings were thinned out for a chart: export them with raw=true"
            )
        if "derived" in self._position and "true" in cells[self._position["derived"]]:
            raise UnusableFileError(
                "it has rows of derived channels, which have no readings: export with raw=true"
            )

    def _cells(self, name: str, cells: Sequence[Sequence[str]]) -> Sequence[str]:
        """Return a column, or the one text that is stated instead."""
        if getattr(self._columns, name) is not None:
            return cells[self._position[name]]
        stated = getattr(self._stated, name, None)
        return [UNSTATED if stated is None else stated]

    def _readings(
        self,
        cells: Sequence[Sequence[str]],
        numbers: Integers,
        value_column: str,
        channels: Sequence[str],
    ) -> FileRows:
        size = numbers.size
        times, values = (
            cells[self._position[self._columns.time]],
            cells[self._position[value_column]],
        )
        value, missing = _values(values)
        return FileRows(
            line=numbers,
            place=self._place_numbers(cells, channels, size),
            quality=_numbered(self._names.qualities, self._cells("quality", cells), size),
            unit=_numbered(self._names.units, self._cells("unit", cells), size),
            ts_us=np.fromiter(map(self._times.__getitem__, times), np.int64, size),
            value=value,
            missing=missing,
            raw=lambda i: (_raw(times[i]), _raw(values[i])),
        )

    def _place_numbers(
        self, cells: Sequence[Sequence[str]], channels: Sequence[str], size: int
    ) -> Integers:
        has_device = self._columns.device is not None or self._stated.device is not None
        named = (self._cells("facility", cells), self._cells("device", cells), channels)
        keys = list(zip(*(repeat(t[0], size) if len(t) == 1 else t for t in named), strict=True))
        for key in set(keys).difference(self._places):
            facility, device, channel = key
            its_place = rows.place(facility, device if has_device else None, channel)
            self._places[key] = self._names.places[its_place]
        return np.fromiter(map(self._places.__getitem__, keys), np.int64, size)


def _numbered(numbers: rows.Numbers, texts: Sequence[str], size: int) -> Integers:
    if len(texts) == 1:
        return np.full(size, numbers[texts[0].strip()])
    of_text = {text: numbers[text.strip()] for text in set(texts)}
    return np.fromiter(map(of_text.__getitem__, texts), np.int64, size)


def _values(texts: Sequence[str]) -> tuple[Floats, Bools]:
    """Return numbers, NaN where a text is none, and where there is no text."""
    missing = np.zeros(len(texts), dtype=np.bool_)
    numbers = array("d")
    # after a text that is no number it goes on with the next: none is read twice
    unread = map(float, texts)
    while len(numbers) < len(texts):
        try:
            numbers.extend(unread)
        except ValueError:
            missing[len(numbers)] = _is_empty(texts[len(numbers)])
            numbers.append(math.nan)
    value = np.array(numbers)
    # float() takes 1_000, which nobody writes who means a thousand
    if "_" in "".join(texts):
        value[["_" in text for text in texts]] = math.nan
    return value, missing


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _is_empty(text: str) -> bool:
    return text.strip() in {"", "null"}


def _raw(text: str) -> Any:
    """Return a cell as a message would say it: a number, null or a text."""
    if _is_empty(text):
        return None
    number = _number(text)
    return number if number is not None and np.isfinite(number) else text

"""Rows of a foreign table as readings, by what a table file says of them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Final

import numpy as np

from services.core.accounting.spelling import did_you_mean
from services.core.facility.mapping_model import word
from services.core.facility.table_file import TableFile, TableUnit, TableValue
from services.core.timeline.date_format import parse_date
from services.core.timeline.instants import from_us, rfc3339
from services.ingest.decode.text_number import READERS, says_no_value
from services.ingest.files.csv_lines import Cells, Lines
from services.ingest.files.local_times import PutBackOfMany
from services.ingest.files.number_columns import plain_numbers
from services.ingest.files.rows import (
    NO_TIME,
    UNSTATED,
    Bools,
    FileRows,
    Floats,
    Integers,
    Misshapen,
    Names,
    Numbers,
    Stated,
    UnusableFileError,
)
from services.ingest.files.table_times import TableTimes

#: Characters of a header that are shown.
_SHOWN: Final = 40


class TableRows:
    """Makes readings of the lines of one table."""

    def __init__(self, table: TableFile, names: Names, stated: Stated) -> None:
        """``stated``: the facility and unit of channels for which the table file names none."""
        self._table = table
        self._names = names
        self._stated = stated
        self._times = TableTimes(table)

    def read(self, pieces: Iterable[Lines | Misshapen]) -> Iterator[FileRows | Misshapen]:
        """Yield readings, and rows that are none or have another number of cells.

        :raises UnusableFileError: a column that the table file names is not there.
        """
        series: list[_Series] | None = None
        for piece in pieces:
            if isinstance(piece, Misshapen):
                yield piece
                continue
            if series is None:
                series = self._series(piece.headers)
            lines = yield from _whole(piece)
            if not lines.cells:
                continue
            columns = _CellColumns(lines.cells, self._times)
            for one in series:
                rows = one.rows(columns, lines.numbers)
                if rows is not None:
                    yield rows

    def _series(self, headers: list[str]) -> list[_Series]:
        columns = HeaderColumns(headers)
        table = self._table
        time = tuple(columns.position(name) for name in table.time.column)
        return [self._one(value, columns, time) for value in table.values]

    def _one(self, value: TableValue, columns: HeaderColumns, time: tuple[int, ...]) -> _Series:
        facility = value.facility or self._table.facility or self._stated.facility
        if not facility:
            raise UnusableFileError(
                f"no facility for {value.channel}: name one in the table file, or give --facility"
            )
        device, channel = value.channel.split(".")
        names = self._names
        if value.column is not None:
            cells = [_Cell(columns.position(value.column))]
        else:
            cells = _times_of_day(columns.headers, self._table.time.in_header or "", time)
        unit = value.unit or self._stated.unit or UNSTATED
        quality = value.quality
        return _Series(
            time=time,
            cells=cells,
            where=[
                (columns.position(name), frozenset(words))
                for name, words in (value.where or {}).items()
            ],
            place=names.places[facility, device, channel],
            number=value.number or self._table.number,
            no_value=frozenset(self._table.invalid or ()),
            unit=_Stated(names.units[unit])
            if not isinstance(unit, TableUnit)
            else _Worded(columns.position(unit.column), unit.map, names.units, None, UNSTATED),
            quality=_Stated(names.qualities[UNSTATED])
            if quality is None
            else _Worded(
                columns.position(quality.column),
                quality.map,
                names.qualities,
                quality.default,
                quality.default or UNSTATED,
            ),
        )


class HeaderColumns:
    """Where the columns of a table stand, by their headers."""

    def __init__(self, headers: list[str]) -> None:
        self.headers = headers

    def position(self, name: str) -> int:
        """Return where a column stands.

        :raises UnusableFileError: there is none, or there are several.
        """
        count = self.headers.count(name)
        if count == 1:
            return self.headers.index(name)
        if count:
            raise UnusableFileError(f"column {name!r} is there {count} times")
        headers = [header[:_SHOWN] for header in self.headers if header]
        raise UnusableFileError(
            f"no column is called {name!r}{did_you_mean(name, headers)}; the headers are"
            f" {', '.join(headers[:20])}: see skip, separator and headers in the table file"
        )


@dataclass(frozen=True, slots=True)
class _Cell:
    """A column of values; of a table of days also the time of day that is its header."""

    position: int
    clock: str | None = None


def _times_of_day(headers: list[str], form: str, time: tuple[int, ...]) -> list[_Cell]:
    cells = [
        _Cell(position, header)
        for position, header in enumerate(headers)
        if position not in time and _is_clock(header, form)
    ]
    if not cells:
        raise UnusableFileError(f"no header is a time of day of the form {form} (in_header)")
    return cells


def _is_clock(header: str, form: str) -> bool:
    try:
        parse_date(header.replace("24:00", "00:00"), form)
    except ValueError:
        return False
    return True


class _CellColumns:
    """The columns of some lines, and what of them more than one channel asks for."""

    def __init__(self, cells: Cells, times: TableTimes) -> None:
        self._columns: list[tuple[Any, ...]] = list(zip(*cells, strict=True))
        self._times = times
        self._words: dict[int, tuple[Integers, dict[str, int]]] = {}
        self._instants: dict[tuple[Any, ...], tuple[Integers, Integers]] = {}
        self.size = len(cells)

    def __getitem__(self, position: int) -> tuple[Any, ...]:
        return self._columns[position]

    def words(self, position: int) -> tuple[Integers, dict[str, int]]:
        """Return the words of a column by numbers, and the number of each; no word is ""."""
        if position not in self._words:
            numbers: dict[str, int] = {}
            column = self[position]
            if set(map(type, column)) == {str}:
                # few texts stand in most lines
                of_text = {
                    text: numbers.setdefault(_word(text), len(numbers)) for text in set(column)
                }
                codes = list(map(of_text.__getitem__, column))
            else:
                codes = [numbers.setdefault(_word(cell), len(numbers)) for cell in column]
            self._words[position] = np.array(codes, dtype=np.int64), numbers
        return self._words[position]

    def instants(
        self, time: tuple[int, ...], clocks: tuple[str | None, ...]
    ) -> tuple[Integers, Integers]:
        """Return the two instants of each line, of a table of days for one clock after the other.

        :raises UnusableFileError: see :meth:`.table_times.TableTimes.instants`.
        """
        key = (time, clocks)
        if key not in self._instants:
            self._instants[key] = self._times.instants(self.shown_times(time, clocks))
        return self._instants[key]

    def shown_times(self, time: tuple[int, ...], clocks: tuple[str | None, ...]) -> Sequence[Any]:
        """Return what tells the time of each line, as above."""
        if len(time) == 1 and clocks == (None,):
            return self[time[0]]
        columns = [self[position] for position in time]
        if clocks == (None,) and all(set(map(type, column)) == {str} for column in columns):
            # as _joined does it
            return list(map(" ".join, zip(*(map(str.strip, c) for c in columns), strict=True)))
        lines = zip(*columns, strict=True)
        return [_joined(line, clock) for line in lines for clock in clocks]


def _word(cell: Any) -> str:
    return word(cell) or ""


def _whole(piece: Lines) -> Generator[Misshapen, None, Lines]:
    """Return the lines of a piece that have a cell of each column; yield the others."""
    width = len(piece.headers)
    if not piece.cells or set(map(len, piece.cells)) == {width}:
        return piece
    whole = np.array([len(cells) == width for cells in piece.cells], dtype=np.bool_)
    for i in np.flatnonzero(~whole).tolist():
        # an empty line says nothing
        if piece.cells[i]:
            detail = f"it has {len(piece.cells[i])} cells, and the header has {width}"
            yield Misshapen(line=int(piece.numbers[i]), detail=detail)
    return Lines(
        headers=piece.headers,
        cells=[piece.cells[i] for i in np.flatnonzero(whole).tolist()],
        numbers=piece.numbers[whole],
    )


@dataclass(frozen=True, slots=True)
class _Stated:
    """A word that is the same for all lines."""

    number: int

    def numbers(self, columns: _CellColumns) -> Integers:
        """Return the number of each line's word."""
        return np.full(columns.size, self.number)


@dataclass(frozen=True, slots=True)
class _Worded:
    """A column of words."""

    position: int
    by_word: Mapping[str, str]
    #: those of the words that are meant
    known: Numbers
    #: stands for words that are not known; None: they themselves
    other: str | None
    #: stands for no word
    none: str

    def numbers(self, columns: _CellColumns) -> Integers:
        """Return the number of each line's word."""
        codes, words = columns.words(self.position)
        numbers = [self.known[self._meant(text)] for text in sorted(words, key=words.__getitem__)]
        return np.array(numbers, dtype=np.int64)[codes]

    def _meant(self, text: str) -> str:
        if not text:
            return self.none
        return self.by_word.get(text, text if self.other is None else self.other)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Series:
    """One channel of a table."""

    time: tuple[int, ...]
    cells: list[_Cell]
    where: list[tuple[int, frozenset[str]]]
    place: int
    #: how its numbers are written
    number: str | None
    no_value: frozenset[str]
    unit: _Stated | _Worded
    quality: _Stated | _Worded
    put_back: PutBackOfMany = field(default_factory=PutBackOfMany)

    def rows(self, columns: _CellColumns, numbers: Integers) -> FileRows | None:
        """Return the readings of lines; None: there are none. ``numbers``: those of the lines."""
        lines = self._lines(columns)
        if not lines.size:
            return None
        clocks = tuple(cell.clock for cell in self.cells)
        cells, chosen = self._values(columns, lines)
        if not cells:
            return None
        line = chosen // len(clocks)
        first_us, second_us = columns.instants(self.time, clocks)
        ts_us = self.put_back.times_us(first_us[chosen], second_us[chosen])
        value, missing = self._numbers(cells)
        return FileRows(
            line=numbers[line],
            place=np.full(len(cells), self.place),
            quality=self.quality.numbers(columns)[line],
            unit=self.unit.numbers(columns)[line],
            ts_us=ts_us,
            value=value,
            missing=missing,
            raw=lambda i: (
                str(columns.shown_times(self.time, clocks)[int(chosen[i])])
                if ts_us[i] == NO_TIME
                else rfc3339(from_us(int(ts_us[i]))),
                None if missing[i] else _raw(float(value[i]), cells[i]),
            ),
        )

    def _lines(self, columns: _CellColumns) -> Integers:
        """Return which lines are meant."""
        chosen = np.ones(columns.size, dtype=np.bool_)
        for position, words in self.where:
            codes, numbers = columns.words(position)
            chosen &= np.isin(codes, [numbers[text] for text in words if text in numbers])
        return np.flatnonzero(chosen)

    def _values(self, columns: _CellColumns, lines: Integers) -> tuple[Sequence[Any], Integers]:
        """Return the cells of lines that say something, and their places among all.

        Places count lines, and in a table of days each line's cells.
        """
        width = len(self.cells)
        if width == 1:
            column: Sequence[Any] = columns[self.cells[0].position]
            if lines.size < columns.size:
                column = [column[i] for i in lines.tolist()]
            places = lines
        else:
            by_cell = [columns[cell.position] for cell in self.cells]
            column = [column[i] for i in lines.tolist() for column in by_cell]
            places = (lines[:, None] * width + np.arange(width)).ravel()
        says = [cell is not None and (cell != "" and not str(cell).isspace()) for cell in column]
        if all(says):
            return column, places
        return [cell for cell, is_said in zip(column, says, strict=True) if is_said], places[
            np.array(says, dtype=np.bool_)
        ]

    def _numbers(self, cells: Sequence[Any]) -> tuple[Floats, Bools]:
        """Return the numbers of cells, NaN where one is none, and which say that there is none."""
        missing = np.zeros(len(cells), dtype=np.bool_)
        if not self.no_value:
            numbers = plain_numbers(cells, self.number)
            if numbers is not None:
                return numbers, missing
        read = READERS[self.number]
        for i, cell in enumerate(cells):
            missing[i] = self._is_missing(cell)
        read_numbers = [read(cell) for cell in cells]
        value = np.array([np.nan if n is None else n for n in read_numbers], dtype=np.float64)
        return value, missing

    def _is_missing(self, value: Any) -> bool:
        if (word(value) or "") in self.no_value:
            return True
        return isinstance(value, str) and says_no_value(value, self.no_value)


def _raw(number: float, cell: Any) -> Any:
    if np.isfinite(number):
        return number
    return cell if isinstance(cell, bool) else str(cell)


def _joined(cells: Sequence[Any], clock: str | None) -> Any:
    """Return the one time that cells tell together."""
    if len(cells) == 2 and isinstance(cells[0], date) and isinstance(cells[1], time):
        return datetime.combine(cells[0], cells[1])
    texts = ["" if cell is None else str(cell).strip() for cell in cells]
    return " ".join([*texts, *([] if clock is None else [clock])])

"""Rows of a foreign table as readings, by what a table file says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from services.core.accounting.spelling import did_you_mean
from services.core.facility.mapping_model import word
from services.core.facility.table_file import TableFile, TableUnit, TableValue
from services.core.timeline.instants import DAY, from_us, rfc3339, to_us
from services.ingest.decode.instant import parse_date_time, parse_epoch
from services.ingest.decode.text_number import READERS, Reader, says_no_value
from services.ingest.files.csv_lines import Lines
from services.ingest.files.date_forms import reader
from services.ingest.files.local_times import Instants, LocalTimes, PutBack
from services.ingest.files.rows import (
    NO_TIME,
    UNSTATED,
    FileRows,
    Misshapen,
    Names,
    Stated,
    UnusableFileError,
)

#: Times that are remembered: those of one time stand beside each other in most tables.
_MAX_TIMES: Final = 200_000

#: Hours and minutes of a day's end, which Python does not read.
_MIDNIGHT: Final = "24:00"

#: Characters of a header that are shown.
_SHOWN: Final = 40

_HALF_MS: Final = timedelta(microseconds=500)


class TableRows:
    """Makes readings of the lines of one table."""

    def __init__(self, table: TableFile, names: Names, stated: Stated) -> None:
        """``stated``: the facility and unit of channels for which the table file names none."""
        self._table = table
        self._names = names
        self._stated = stated
        self._times = _Times(table)

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
            whole = []
            for cells, line in zip(piece.cells, piece.numbers.tolist(), strict=True):
                if len(cells) == len(piece.headers):
                    whole.append((cells, line))
                elif cells:
                    detail = f"it has {len(cells)} cells, and the header has {len(piece.headers)}"
                    yield Misshapen(line=line, detail=detail)
            for one in series:
                rows = one.rows(whole, self._times)
                if rows is not None:
                    yield rows

    def _series(self, headers: list[str]) -> list[_Series]:
        columns = _Columns(headers)
        table = self._table
        time = tuple(columns.position(name) for name in table.time.column)
        return [self._one(value, columns, time) for value in table.values]

    def _one(self, value: TableValue, columns: _Columns, time: tuple[int, ...]) -> _Series:
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
            read=READERS[value.number or self._table.number],
            no_value=frozenset(self._table.invalid or ()),
            unit=(lambda _row: names.units[unit])
            if not isinstance(unit, TableUnit)
            else _worded(columns.position(unit.column), unit.map, names.units, None, UNSTATED),
            quality=(lambda _row: names.qualities[UNSTATED])
            if quality is None
            else _worded(
                columns.position(quality.column),
                quality.map,
                names.qualities,
                quality.default,
                quality.default or UNSTATED,
            ),
        )


class _Columns:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """A value of a row, as it stands there."""

    cells: Sequence[Any]
    line: int
    value: Any
    time: Any


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
        datetime.strptime(header.replace(_MIDNIGHT, "00:00"), form)  # noqa: DTZ007 - a time of day
    except ValueError:
        return False
    return True


def _worded(
    position: int,
    by_word: Any,
    numbers: Any,
    other: str | None,
    none: str,
) -> Callable[[Sequence[Any]], int]:
    """Return what numbers a row's word; ``other`` stands for those unknown, None: themselves."""

    def numbered(cells: Sequence[Any]) -> int:
        text = word(cells[position]) or ""
        if not text:
            return int(numbers[none])
        return int(numbers[by_word.get(text, text if other is None else other)])

    return numbered


@dataclass(frozen=True, kw_only=True, slots=True)
class _Series:
    """One channel of a table."""

    time: tuple[int, ...]
    cells: list[_Cell]
    where: list[tuple[int, frozenset[str]]]
    place: int
    read: Reader
    no_value: frozenset[str]
    #: numbers of a row's words
    unit: Callable[[Sequence[Any]], int]
    quality: Callable[[Sequence[Any]], int]
    put_back: PutBack = field(default_factory=PutBack)

    def rows(self, lines: list[tuple[list[Any], int]], times: _Times) -> FileRows | None:
        """Return the readings of lines; None: there are none."""
        chosen = [
            _Row(
                cells=cells,
                line=line,
                value=cells[cell.position],
                time=_joined([cells[i] for i in self.time], cell.clock),
            )
            for cells, line in lines
            if all((word(cells[i]) or "") in words for i, words in self.where)
            for cell in self.cells
            # an empty cell says nothing
            if cells[cell.position] is not None and str(cells[cell.position]).strip()
        ]
        if not chosen:
            return None
        missing = np.array([self._is_missing(row.value) for row in chosen], dtype=np.bool_)
        read = [self.read(row.value) for row in chosen]
        ts_us = [times.time_us(row.time, self.put_back) for row in chosen]
        return FileRows(
            line=np.array([row.line for row in chosen], dtype=np.int64),
            place=np.full(len(chosen), self.place),
            quality=np.array([self.quality(row.cells) for row in chosen], dtype=np.int64),
            unit=np.array([self.unit(row.cells) for row in chosen], dtype=np.int64),
            ts_us=np.array(ts_us, dtype=np.int64),
            value=np.array([np.nan if n is None else n for n in read], dtype=np.float64),
            missing=missing,
            raw=lambda i: (
                str(chosen[i].time) if ts_us[i] == NO_TIME else rfc3339(from_us(ts_us[i])),
                None if missing[i] else _raw(read[i], chosen[i].value),
            ),
        )

    def _is_missing(self, value: Any) -> bool:
        if (word(value) or "") in self.no_value:
            return True
        return isinstance(value, str) and says_no_value(value, self.no_value)


def _raw(number: float | None, value: Any) -> Any:
    if number is not None and np.isfinite(number):
        return number
    return value if isinstance(value, bool) else str(value)


def _joined(cells: list[Any], clock: str | None) -> Any:
    """Return the one time that cells tell together."""
    if len(cells) == 2 and isinstance(cells[0], date) and isinstance(cells[1], time):
        return datetime.combine(cells[0], cells[1])
    if len(cells) == 1 and clock is None:
        return cells[0]
    texts = ["" if cell is None else str(cell).strip() for cell in cells]
    return " ".join([*texts, *([] if clock is None else [clock])])


class _Times:
    """Reads times as a table file says they are written."""

    def __init__(self, table: TableFile) -> None:
        form, zone = table.time.format, table.time.timezone
        self._by_format = None if form is None else reader(form)
        self._unit = table.time.unit
        self._local_times = None if zone is None else LocalTimes(ZoneInfo(zone))
        self._read = READERS[None]
        self._known: dict[Any, Instants | None] = {}

    def time_us(self, raw: Any, put_back: PutBack) -> int:
        """Return microseconds since the epoch; ``NO_TIME``: it tells none."""
        meant = self._known.get(raw)
        if meant is None and raw not in self._known:
            if len(self._known) >= _MAX_TIMES:
                self._known.clear()
            try:
                meant = self._meant(raw)
            except UnusableFileError:
                raise
            except (ValueError, OverflowError):
                meant = None
            self._known[raw] = meant
        return NO_TIME if meant is None else put_back.time_us(meant)

    def _meant(self, raw: Any) -> Instants | None:
        """Return the instants that a time may mean.

        :raises ValueError: it is none.
        """
        if isinstance(raw, datetime):
            # a workbook has days and their fractions
            near = raw + _HALF_MS
            return self._local(near.replace(microsecond=near.microsecond // 1000 * 1000))
        if isinstance(raw, date):
            return self._local(datetime.combine(raw, time()))
        if self._by_format is None and (epoch := self._read(raw)) is not None:
            us = parse_epoch(epoch, self._unit)
            return Instants(us, us)
        text = str(raw).strip()
        ends_day = _MIDNIGHT in text
        if ends_day:
            text = text.replace(_MIDNIGHT, "00:00")
        moment = (self._by_format or parse_date_time)(text)
        return self._local(moment + DAY if ends_day else moment)

    def _local(self, moment: datetime) -> Instants | None:
        if moment.tzinfo is not None:
            us = to_us(moment)
            return Instants(us, us)
        if self._local_times is None:
            raise UnusableFileError(
                f"the time {moment} has no offset: say timezone with time in the table file"
            )
        return self._local_times.instants(moment)

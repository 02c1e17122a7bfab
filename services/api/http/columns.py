"""The columns of a list: what JSON, CSV, Arrow and Parquet are written from."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.instants import (
    DAY_MINUTES,
    MICROSECOND,
    MINUTE_US,
    SECOND,
    from_us,
)

_SECOND_US: Final = SECOND // MICROSECOND

#: Which rows, and in which order.
Rows = slice | NDArray[np.int64]


class Column(Protocol):
    """The cells of one column."""

    def __len__(self) -> int: ...

    def part(self, rows: Rows) -> Column:
        """Return some of the rows."""

    def cells(self) -> Sequence[Any]:
        """Return the cells as Python has them, times as aware datetimes; null is None."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Cells one by one."""

    values: Sequence[Any]

    def __len__(self) -> int:
        return len(self.values)

    def part(self, rows: Rows) -> Cells:
        """Return some of the rows."""
        if isinstance(rows, slice):
            return Cells(self.values[rows])
        return Cells([self.values[row] for row in rows.tolist()])

    def cells(self) -> Sequence[Any]:
        """Return the cells."""
        return self.values


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Cells of which there are few different ones, which ``index`` chooses from."""

    words: Sequence[Any]
    index: NDArray[np.int64]

    def __len__(self) -> int:
        return self.index.size

    def part(self, rows: Rows) -> Words:
        """Return some of the rows."""
        return Words(self.words, self.index[rows])

    def cells(self) -> Sequence[Any]:
        """Return the cells."""
        return [self.words[index] for index in self.index.tolist()]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Floats, integers or truths; ``known``: which of them are not null, None: all."""

    values: NDArray[Any]
    known: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return self.values.size

    def known_rows(self) -> NDArray[np.bool_]:
        """Return which cells are not null."""
        return np.ones(len(self), dtype=np.bool_) if self.known is None else self.known

    def part(self, rows: Rows) -> Numbers:
        """Return some of the rows."""
        return Numbers(self.values[rows], None if self.known is None else self.known[rows])

    def cells(self) -> Sequence[Any]:
        """Return the cells."""
        if self.known is None or self.known.all():
            return list(self.values.tolist())
        if not self.known.any():
            return [None] * len(self)
        cells = self.values.astype(np.object_)
        cells[~self.known] = None
        return list(cells)


@dataclass(frozen=True, slots=True, eq=False)
class Instants:
    """Instants, of which ``index`` chooses; microseconds since the epoch."""

    instants_us: NDArray[np.int64]
    index: NDArray[np.int64]

    def __len__(self) -> int:
        return self.index.size

    def part(self, rows: Rows) -> Instants:
        """Return some of the rows."""
        used, index = np.unique(self.index[rows], return_inverse=True)
        return Instants(self.instants_us[used], index)

    def cells(self) -> Sequence[Any]:
        """Return the cells."""
        instants = [from_us(us) for us in self.instants_us.tolist()]
        return [instants[index] for index in self.index.tolist()]

    def texts(self) -> list[str]:
        """Write the instants to choose from as RFC 3339 in UTC, with the ending Z."""
        return b"\n".join(self.written(b"", b"")).decode().split("\n")

    def written(self, begin: bytes, end: bytes) -> list[bytes]:
        """Write the same with these bytes around each."""
        minutes, rests_us = np.divmod(self.instants_us, MINUTE_US)
        days, minutes = np.divmod(minutes, DAY_MINUTES)
        # a year has few days, and a day few minutes: to write each instant takes ten times longer
        different, index = np.unique(days, return_inverse=True)
        dates = np.datetime_as_string(different.astype("datetime64[D]")).tolist()
        of_days = _chosen([begin + date.encode() + b"T" for date in dates], index)
        if not rests_us.any():
            of_minutes = _written(minutes, _minute, end=b":00Z" + end)
            return list(map(operator.add, of_days, of_minutes))
        seconds, parts_us = np.divmod(rests_us, _SECOND_US)
        parts = (
            of_days,
            _written(minutes, _minute),
            _written(seconds, b":%02d".__mod__),
            _written(parts_us, _fraction, end=b"Z" + end),
        )
        return list(map(b"".join, zip(*parts, strict=True)))


def _minute(of_day: int) -> bytes:
    return b"%02d:%02d" % divmod(of_day, 60)


def _fraction(microseconds: int) -> bytes:
    return b".%06d" % microseconds if microseconds else b""


def _written(
    counts: NDArray[np.int64], write: Callable[[int], bytes], *, end: bytes = b""
) -> list[bytes]:
    """Write a part of each instant, each different one once."""
    different, index = np.unique(counts, return_inverse=True)
    return _chosen([write(count) + end for count in different.tolist()], index)


def _chosen(texts: Sequence[bytes], index: NDArray[np.int64]) -> list[bytes]:
    return [texts[i] for i in index.tolist()]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of one length, by name, in order."""

    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def part(self, rows: Rows) -> Table:
        """Return some of the rows."""
        return Table({name: column.part(rows) for name, column in self.columns.items()})

    def chosen(self, names: Sequence[str]) -> Table:
        """Return some of the columns, in this order."""
        return Table({name: self.columns[name] for name in names})

    def parts(self, rows: int) -> Iterator[Table]:
        """Return the table in parts of so many rows."""
        return (self.part(slice(begin, begin + rows)) for begin in range(0, len(self), rows))

    @staticmethod
    def joined(tables: Sequence[Table]) -> Table:
        """Return the rows of all tables, of which there is one at least, with the same columns."""
        if len(tables) == 1:
            return tables[0]
        return Table(
            {name: _joined([table.columns[name] for table in tables]) for name in tables[0].columns}
        )


def _joined(columns: Sequence[Any]) -> Column:
    first = columns[0]
    if isinstance(first, Numbers):
        known = [column.known_rows() for column in columns]
        values = np.concatenate([column.values for column in columns])
        return Numbers(values, np.concatenate(known))
    if isinstance(first, Instants):
        sizes = [column.instants_us.size for column in columns]
        instants_us = np.concatenate([column.instants_us for column in columns])
        return Instants(instants_us, _index(columns, sizes))
    if isinstance(first, Words):
        words = list(chain.from_iterable(column.words for column in columns))
        return Words(words, _index(columns, [len(column.words) for column in columns]))
    return Cells(list(chain.from_iterable(column.cells() for column in columns)))


def _index(columns: Sequence[Any], sizes: Sequence[int]) -> NDArray[np.int64]:
    offsets = accumulate(sizes[:-1], initial=0)
    return np.concatenate(
        [
            column.index % size + offset
            for column, size, offset in zip(columns, sizes, offsets, strict=True)
        ]
    )

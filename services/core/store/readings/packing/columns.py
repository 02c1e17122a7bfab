"""Readings of one channel as columns, all that the table ``reading`` holds of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows
from services.core.store.packing.days import Integers, day_of, days_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: One reading as the database sends it: in this layout it is read, compared and its digest taken.
ROW: Final = PackedRows(
    ts="timestamptz",
    value="float8",
    missing="bool",
    quality="int2",
    time_source="int2",
    received_at="timestamptz",
    known_at="timestamptz",
    unknown="bool",
)

#: Bytes of a digest that are kept.
DIGEST_BYTES: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesColumns:
    """What readings say, without how they arrived; instants in microseconds since the epoch."""

    ts_us: Integers
    #: 0 where missing
    value: Floats
    #: an explicit gap: the value is null
    missing: Bools
    quality: Integers

    def __len__(self) -> int:
        return self.ts_us.size

    def where(self, chosen: Bools | Integers | slice) -> SeriesColumns:
        """Return those chosen."""
        return SeriesColumns(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[SeriesColumns]) -> SeriesColumns:
        """Return the readings of at least one part in order of time; no two are of one instant."""
        some = [part for part in parts if len(part)] or parts[:1]
        whole = some[0]
        if len(some) > 1:
            whole = cls(
                **{f.name: np.concatenate([getattr(p, f.name) for p in some]) for f in fields(cls)}
            )
        if np.all(whole.ts_us[1:] > whole.ts_us[:-1]):
            return whole
        return whole.where(np.argsort(whole.ts_us, kind="stable"))


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingColumns:
    """Readings in order of time; instants in microseconds since the epoch."""

    ts_us: Integers
    #: bit for bit; 0 where missing
    value: Floats
    #: an explicit gap: the value is null
    missing: Bools
    quality: Integers
    time_source: Integers
    received_us: Integers
    #: 0 where it is null
    known_us: Integers
    #: ``known_at`` is null
    unknown: Bools

    def __len__(self) -> int:
        return self.ts_us.size

    def where(self, chosen: Bools | Integers | slice) -> ReadingColumns:
        """Return those chosen."""
        return ReadingColumns(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    def by_day(self) -> list[tuple[int, ReadingColumns]]:
        """Return the days that they lie in, in order, with the readings of each."""
        days = days_of(self.ts_us)
        begins = np.flatnonzero(np.diff(days, prepend=days[:1] - 1)).tolist()
        ends = [*begins[1:], days.size]
        return [
            (int(days[begin]), self.where(slice(begin, end)))
            for begin, end in zip(begins, ends, strict=True)
        ]

    def sent(self) -> bytes:
        """Return the rows as the database sends them in the layout of ``ROW``."""
        return ROW.sent(
            ts=self.ts_us,
            value=self.value,
            missing=self.missing,
            quality=self.quality,
            time_source=self.time_source,
            received_at=self.received_us,
            known_at=self.known_us,
            unknown=self.unknown,
        )

    def is_run(self, day: int, days: int) -> bool:
        """Whether they are a run of days from one on, each later than the one before it."""
        return is_run(self.ts_us, day, days) and bool(np.all(self.ts_us[1:] > self.ts_us[:-1]))

    @classmethod
    def received(cls, packed: bytes | None) -> ReadingColumns:
        """Build it from what the database sent in the layout of ``ROW``."""
        columns = ROW.columns(packed)
        return cls(
            ts_us=columns["ts"],
            value=columns["value"],
            missing=columns["missing"],
            quality=columns["quality"].astype(np.int64),
            time_source=columns["time_source"].astype(np.int64),
            received_us=columns["received_at"],
            known_us=np.where(columns["unknown"], 0, columns["known_at"]),
            unknown=columns["unknown"],
        )

    @classmethod
    def joined(cls, parts: Sequence[ReadingColumns]) -> ReadingColumns:
        """Return the readings of several, one after the other."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.received(None)
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )


def is_run(ts_us: Integers, day: int, days: int) -> bool:
    """Whether the first instant lies in a day, and the last in the last of so many from it on."""
    return ts_us.size > 0 and day_of(ts_us[0]) == day and day_of(ts_us[-1]) == day + days - 1


def digest(sent: bytes) -> bytes:
    """Return the digest of rows as they are sent; the database computes the same."""
    return hashlib.sha256(sent).digest()[:DIGEST_BYTES]

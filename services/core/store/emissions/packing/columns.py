"""Minutes of one source as columns, all that the table ``emission_minute`` holds of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, LiteralString

import numpy as np
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows
from services.core.store.packing.days import Integers
from services.core.store.schema.figures import CLOSING_SHARES, FIGURES, names
from services.core.timeline.instants import DAY_MINUTES, MINUTE_US, POSTGRES_EPOCH_US

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: What a minute has in whole numbers, in this order wherever one is needed.
COLUMNS: Final = (*FIGURES, *CLOSING_SHARES)
#: Of them those that may be null.
NULLABLE: Final = tuple(figure for figure in COLUMNS if figure.nullable)

_UNKNOWN: Final = "unknown_{}"

#: A minute as the database sends it.
ROW: Final = PackedRows(
    minute="timestamptz",
    **{figure.name: figure.type for figure in COLUMNS},
    **{_UNKNOWN.format(figure): "bool" for figure in NULLABLE},
    activity="float8",
    without_activity="bool",
)

#: What :data:`ROW` packs, of rows of the table.
SENT: Final[LiteralString] = ROW.sql(
    "minute",
    *(f"coalesce({figure}, 0)" for figure in names(COLUMNS)),
    *(f"{figure} IS NULL" for figure in names(NULLABLE)),
    "coalesce(activity, 0)",
    "activity IS NULL",
    order_by="minute",
)

#: Bytes of a digest that are kept.
DIGEST_BYTES: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class _Digested:
    """A column as its digest takes it."""

    name: bytes
    sent: NDArray[Any]
    #: which parts it is in; None: all of them
    parts: Bools | None = None

    @classmethod
    def column(cls, name: str, values: NDArray[Any], sent_as: str) -> _Digested:
        return cls(name=name.encode(), sent=values.astype(sent_as))

    @classmethod
    def present(
        cls, name: str, column: NDArray[Any], sent_as: str, begins: Integers
    ) -> list[_Digested]:
        """Return it for the parts in which some of it is not zero, if there are any."""
        if not column.any():
            return []
        parts = np.logical_or.reduceat(column != 0, begins)
        return [replace(cls.column(name, column, sent_as), parts=parts)]

    def add_to(self, digest: hashlib._Hash, part: int, first: int, end: int) -> None:
        if self.parts is None or self.parts[part]:
            digest.update(self.name)
            digest.update(self.sent[first:end].data)


@dataclass(frozen=True, kw_only=True, slots=True)
class MinuteColumns:
    """Minutes of a source (since the epoch), in order of time."""

    minute: Integers
    #: by name, of :data:`COLUMNS`; 0 where it is null
    figures: Mapping[str, Integers]
    #: where one is null, by name, of :data:`NULLABLE`
    unknown: Mapping[str, Bools]
    #: bit for bit; 0 where it is null
    activity: Floats
    without_activity: Bools

    def __len__(self) -> int:
        return self.minute.size

    def where(self, chosen: Bools | slice) -> MinuteColumns:
        """Return those chosen."""
        return MinuteColumns(
            minute=self.minute[chosen],
            figures={name: column[chosen] for name, column in self.figures.items()},
            unknown={name: column[chosen] for name, column in self.unknown.items()},
            activity=self.activity[chosen],
            without_activity=self.without_activity[chosen],
        )

    def between(self, first: int, stop: int) -> MinuteColumns:
        """Return those from minute ``first`` to ``stop`` (exclusive)."""
        if not len(self) or (first <= self.minute[0] and self.minute[-1] < stop):
            return self
        low, high = np.searchsorted(self.minute, (first, stop))
        return self.where(slice(int(low), int(high)))

    def is_within(self, day: int) -> bool:
        """Whether all lie in the day, each later than the one before it."""
        begins = day * DAY_MINUTES
        return (
            len(self) > 0
            and begins <= int(self.minute[0])
            and int(self.minute[-1]) < begins + DAY_MINUTES
            and bool(np.all(self.minute[1:] > self.minute[:-1]))
        )

    def is_same(self, other: MinuteColumns, figures: Collection[str] = names(COLUMNS)) -> bool:
        """Whether the other is the same to the bit; of figures, whether some are."""
        return (
            np.array_equal(self.minute, other.minute)
            and all(np.array_equal(self.figures[f], other.figures[f]) for f in figures)
            and all(np.array_equal(self.unknown[f], other.unknown[f]) for f in names(NULLABLE))
            and np.array_equal(self.activity.view(np.int64), other.activity.view(np.int64))
            and np.array_equal(self.without_activity, other.without_activity)
        )

    def digest(self) -> bytes:
        """Return the digest of the rows; the database computes the same of them.

        A column of zeros is not in it: that a figure is kept later changes no digest.
        """
        (digest,) = self.digests(np.array([0, len(self)]))
        return digest

    def digests(self, bounds: Integers) -> list[bytes]:
        """Return the digest of each part; ``bounds``: where each begins, and the last one ends."""
        begins = bounds[:-1]
        columns: list[_Digested] = [
            _Digested.column("", self.minute * MINUTE_US - POSTGRES_EPOCH_US, ">i8")
        ]
        for figure in COLUMNS:
            column = self.figures[figure.name]
            columns += _Digested.present(figure.name, column, ">i8", begins)
        for figure in NULLABLE:
            name = _UNKNOWN.format(figure)
            columns += _Digested.present(name, self.unknown[figure.name], "i1", begins)
        columns += [
            _Digested.column("", self.activity, ">f8"),
            _Digested.column("", self.without_activity, "i1"),
        ]
        digests = []
        for part, (first, end) in enumerate(pairwise(bounds.tolist())):
            digest = hashlib.sha256()
            for digested in columns:
                digested.add_to(digest, part, first, end)
            digests.append(digest.digest()[:DIGEST_BYTES])
        return digests

    @classmethod
    def received(cls, packed: bytes | None) -> MinuteColumns:
        """Build it from what the database sent in the layout of ``ROW``."""
        columns: dict[str, NDArray[Any]] = ROW.columns(packed)
        return cls(
            minute=columns["minute"] // MINUTE_US,
            figures={name: columns[name].astype(np.int64) for name in names(COLUMNS)},
            unknown={name: columns[_UNKNOWN.format(name)] for name in names(NULLABLE)},
            activity=columns["activity"],
            without_activity=columns["without_activity"],
        )

    @classmethod
    def joined(cls, parts: Sequence[MinuteColumns]) -> MinuteColumns:
        """Return the minutes of several, one after the other."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.received(None)
        return cls(
            minute=np.concatenate([part.minute for part in parts]),
            figures={
                name: np.concatenate([part.figures[name] for part in parts])
                for name in names(COLUMNS)
            },
            unknown={
                name: np.concatenate([part.unknown[name] for part in parts])
                for name in names(NULLABLE)
            },
            activity=np.concatenate([part.activity for part in parts]),
            without_activity=np.concatenate([part.without_activity for part in parts]),
        )

"""Buckets: the spans of time that an answer has a row of for each source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.instants import from_us, to_us

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A span of time, ``begins`` inclusive, ``ends`` exclusive."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Buckets(Sequence[Bucket]):
    """Buckets in order, none of which overlap; microseconds since the epoch."""

    begins_us: Integers
    ends_us: Integers

    @classmethod
    def between(cls, boundaries: Sequence[datetime]) -> Buckets:
        """Return the buckets from each instant to the next."""
        return cls.between_us(np.array([to_us(instant) for instant in boundaries], dtype=np.int64))

    @classmethod
    def between_us(cls, boundaries_us: Integers) -> Buckets:
        """Return the buckets from each of these microseconds to the next."""
        return cls(boundaries_us[:-1], boundaries_us[1:])

    def __len__(self) -> int:
        return self.begins_us.size

    def __iter__(self) -> Iterator[Bucket]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Bucket:  # type: ignore[override]
        return Bucket(
            begins=from_us(int(self.begins_us[index])), ends=from_us(int(self.ends_us[index]))
        )

    def index_of(self, instants_us: Integers) -> Integers:
        """Return the bucket that each instant lies in or after; -1 before the first."""
        return np.searchsorted(self.begins_us, instants_us, side="right") - 1

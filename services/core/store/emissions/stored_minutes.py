"""Reads the minutes that are stored, as arrays, for a second computation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows
from services.core.store.emissions import minute_history
from services.core.store.schema.figures import (
    CHECKED,
    CLOSING_SHARES,
    FIGURES,
    IN_HOURS,
    Mass,
    names,
    per_figure,
)

Integers = NDArray[np.int64]

_READ: Final = (*FIGURES, *CLOSING_SHARES)

_MINUTE: Final = PackedRows(minute="int4", **{figure.name: figure.type for figure in _READ})

_STORED: LiteralString = f"""
SELECT minute_of(m.minute), {per_figure(_READ, "coalesce(m.{f}, 0)::{f.type}")}
FROM public.minute_in_force m
WHERE m.source_id = %(source)s AND m.minute >= minute_start(60 * %(first)s)
  AND m.minute < minute_start(60 * (%(last)s + 1))
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredMinutes:
    """All minutes of some hours of a source; 0 where nothing is stored."""

    first_hour: int
    #: by name; masses without what closing an hour added
    figures: Mapping[str, Integers]

    def figure(self, minutes: Integers, name: str) -> Integers:
        """Return a figure of minutes (since the epoch)."""
        column: Integers = self.figures[name][minutes - self.first_hour * 60]
        return column

    def sums(self, hours: Collection[int]) -> dict[int, dict[str, int]]:
        """Add up what is computed of the hours' minutes, without what closing them added."""
        sums = {name: self.by_hour(name) for name in names(CHECKED)}
        return {
            hour: {name: int(column[hour - self.first_hour]) for name, column in sums.items()}
            for hour in hours
        }

    def closed_by_hour(self) -> dict[str, Integers]:
        """Add up what hours have, with what closing them added, by figure."""
        return {
            figure.name: self.by_hour(figure.name)
            + (self.by_hour(figure.closing) if isinstance(figure, Mass) and figure.closing else 0)
            for figure in IN_HOURS
        }

    def by_hour(self, name: str) -> Integers:
        """Add up a figure of each hour."""
        sums: Integers = self.figures[name].reshape(-1, 60).sum(axis=1)
        return sums


def read(
    connection: psycopg.Connection[Any], source_id: int, first: int, last: int
) -> StoredMinutes:
    """Read the minutes of the hours ``first .. last`` (since the epoch, both included)."""
    rows = _MINUTE.select(connection, _STORED, {"source": source_id, "first": first, "last": last})
    place = rows["minute"] - first * 60
    packed = minute_history.packed(connection, [source_id], first * 60, (last + 1) * 60)
    figures = {}
    for name in names(_READ):
        figures[name] = np.zeros((last - first + 1) * 60, dtype=np.int64)
        figures[name][place] = rows[name]
        figures[name][packed.minutes.minute - first * 60] = packed.minutes.figures[name]
    return StoredMinutes(first_hour=first, figures=figures)

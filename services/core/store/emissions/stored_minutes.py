"""Reads the minutes that are stored, as arrays, for a second computation."""

from __future__ import annotations

from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows
from services.core.store.schema.figures import CHECKED, names, per_figure

_MINUTE: Final = PackedRows(minute="int4", **{figure.name: figure.type for figure in CHECKED})

_STORED: LiteralString = f"""
SELECT minute_of(m.minute), {per_figure(CHECKED, "coalesce(m.{f}, 0)::{f.type}")}
FROM minute_in_force m
WHERE m.source_id = %(source)s AND m.minute >= minute_start(%(first)s)
  AND m.minute < minute_start(%(last)s + 1)
"""  # noqa: S608 - constants


def read(
    connection: psycopg.Connection[Any], source_id: int, first: int, last: int
) -> dict[str, NDArray[np.int64]]:
    """Read what is stored of each minute from ``first`` to ``last``, both included, by figure.

    Without what closing an hour added; 0 where nothing is stored.
    """
    rows = _MINUTE.select(connection, _STORED, {"source": source_id, "first": first, "last": last})
    place = rows["minute"] - first
    figures = {}
    for name in names(CHECKED):
        figures[name] = np.zeros(last - first + 1, dtype=np.int64)
        figures[name][place] = rows[name]
    return figures
